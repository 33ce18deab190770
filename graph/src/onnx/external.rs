//! Tensor data that lies in files beside the model (ONNX `external_data`).

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Component, Path, PathBuf};

use super::error::OnnxProblem;
use super::proto::TensorProto;
use crate::{DataType, Tensor};

/// Which part of which file, read as what.
type Part = (PathBuf, u64, DataType, Vec<usize>);

/// Reads external data, all of it from inside one folder.
///
/// Tensors that name the same part of a file share their elements; all other parts of a file must together be no longer
/// than the file, so that a small model cannot ask for more memory than its files hold.
#[derive(Debug, Default)]
pub(super) struct External<'a> {
    folder: Option<&'a Path>,
    seen: HashMap<Part, Tensor>,
    read: HashMap<PathBuf, u64>,
}

impl<'a> External<'a> {
    /// Files of this folder; without one, every external tensor is an error.
    pub fn new(folder: Option<&'a Path>) -> Self {
        Self { folder, ..Self::default() }
    }

    /// The tensor whose data `proto` says is elsewhere.
    pub fn tensor(
        &mut self,
        proto: &TensorProto,
        label: &str,
        dtype: DataType,
        shape: &[usize],
    ) -> Result<Tensor, OnnxProblem> {
        let entry = |key: &str| {
            let mut entries = proto.external_data.iter();
            entries.find(|e| e.key.as_deref() == Some(key)).and_then(|e| e.value.as_deref())
        };
        let number = |key: &str| match entry(key) {
            None => Ok(None),
            Some(text) => text.trim().parse::<u64>().map(Some).map_err(|_| {
                OnnxProblem::tensor(label, format!("a number as `{key}` of its external data"), format!("{text:?}"))
            }),
        };
        let location = entry("location")
            .ok_or_else(|| OnnxProblem::tensor(label, "the `location` of its external data", "none"))?;
        let path = self.resolve(location, label)?;
        let expected = shape.iter().product::<usize>() as u64 * dtype.size() as u64;
        let offset = number("offset")?.unwrap_or(0);
        if let Some(length) = number("length")?.filter(|&n| n != expected) {
            let expected = format!("{expected} bytes of external data for {dtype} {shape:?}");
            return Err(OnnxProblem::tensor(label, expected, format!("a `length` of {length}")));
        }
        let part = (path, offset, dtype, shape.to_vec());
        if let Some(tensor) = self.seen.get(&part) {
            return Ok(tensor.clone());
        }
        let bytes = self.bytes(&part.0, offset, expected, label)?;
        let tensor = Tensor::from_le_bytes(dtype, shape, &bytes)
            .ok_or_else(|| OnnxProblem::tensor(label, format!("data for {dtype} {shape:?}"), "another length"))?;
        self.seen.insert(part, tensor.clone());
        Ok(tensor)
    }

    /// The file, which has to be inside the folder, links followed.
    fn resolve(&self, location: &str, label: &str) -> Result<PathBuf, OnnxProblem> {
        let folder = self.folder.ok_or_else(|| {
            let found = format!("external data in {location:?}; load the model from its file instead");
            OnnxProblem::tensor(label, "data inside the model, which was read from memory", found)
        })?;
        let refuse =
            || OnnxProblem::tensor(label, "external data inside the model's own folder", format!("{location:?}"));
        let plain = |c: Component| matches!(c, Component::Normal(_) | Component::CurDir);
        if location.is_empty() || !Path::new(location).components().all(plain) {
            return Err(refuse());
        }
        let unreadable = |e: std::io::Error| {
            OnnxProblem::tensor(label, format!("external data in the file {location:?}"), e.to_string())
        };
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        let folder = fs::canonicalize(folder).map_err(unreadable)?;
        let path = fs::canonicalize(folder.join(location)).map_err(unreadable)?;
        if path.starts_with(&folder) { Ok(path) } else { Err(refuse()) }
    }

    /// `length` bytes of the file from `offset` on.
    fn bytes(&mut self, path: &Path, offset: u64, length: u64, label: &str) -> Result<Vec<u8>, OnnxProblem> {
        let unreadable =
            |e: std::io::Error| OnnxProblem::tensor(label, format!("data in {}", path.display()), e.to_string());
        let about = fs::metadata(path).map_err(unreadable)?;
        if !about.is_file() {
            return Err(OnnxProblem::tensor(label, format!("{} to be a file", path.display()), "something else"));
        }
        if offset.checked_add(length).is_none_or(|end| end > about.len()) {
            let expected = format!("{length} bytes at offset {offset} of {}", path.display());
            return Err(OnnxProblem::tensor(label, expected, format!("a file of {} bytes", about.len())));
        }
        let read = self.read.entry(path.to_path_buf()).or_default();
        *read += length;
        if *read > about.len() {
            let expected = format!("parts of {} that do not overlap", path.display());
            return Err(OnnxProblem::tensor(label, expected, format!("{read} bytes of {}", about.len())));
        }
        let mut file = File::open(path).map_err(unreadable)?;
        file.seek(SeekFrom::Start(offset)).map_err(unreadable)?;
        let mut bytes = vec![0; usize::try_from(length).map_err(|e| unreadable(std::io::Error::other(e)))?];
        file.read_exact(&mut bytes).map_err(unreadable)?;
        Ok(bytes)
    }
}
