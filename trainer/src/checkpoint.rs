//! Checkpoints: everything that a run needs to go on as if it had never stopped, in one file.
//!
//! | bytes | what |
//! |---|---|
//! | 8 | `OCELCKPT` |
//! | 4 | version, little-endian like every number here: 1 |
//! | 8 | length of the header |
//! | … | header, JSON: the run's state, then name, type and sizes of every tensor |
//! | … | the tensors' elements, one tensor after another |
//! | 4 | CRC-32 of all bytes before |

use std::collections::BTreeMap;
use std::path::Path;

use ocellus_graph::onnx::write_atomic;
use ocellus_graph::{DataType, Tensor};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::TrainError;

const MAGIC: &[u8; 8] = b"OCELCKPT";
const VERSION: u32 = 1;
const FRONT: usize = 8 + 4 + 8;

/// Tensors by name: parameters, optimiser state, running statistics.
pub type Store = BTreeMap<String, Tensor>;

#[derive(Serialize, Deserialize)]
struct Header<S> {
    state: S,
    tensors: Vec<Entry>,
}

#[derive(Serialize, Deserialize)]
struct Entry {
    name: String,
    dtype: String,
    shape: Vec<usize>,
}

const DTYPES: [DataType; 13] = [
    DataType::F32,
    DataType::F64,
    DataType::F16,
    DataType::BF16,
    DataType::I8,
    DataType::U8,
    DataType::I16,
    DataType::U16,
    DataType::I32,
    DataType::U32,
    DataType::I64,
    DataType::U64,
    DataType::Bool,
];

/// Writes a checkpoint; a file that was there before is replaced in one move.
///
/// # Errors
/// What the system says, or a tensor of strings.
pub fn save_checkpoint<S: Serialize>(path: &Path, state: &S, tensors: &Store) -> Result<(), TrainError> {
    let error = |problem: String| TrainError::Checkpoint { path: path.to_owned(), problem };
    let entry = |(name, t): (&String, &Tensor)| Entry {
        name: name.clone(),
        dtype: t.dtype().name().to_owned(),
        shape: t.shape().to_vec(),
    };
    let header = Header { state, tensors: tensors.iter().map(entry).collect() };
    let header = serde_json::to_vec(&header).map_err(|e| error(format!("the header does not encode: {e}")))?;
    let mut bytes = Vec::with_capacity(FRONT + header.len() + 4);
    bytes.extend(MAGIC);
    bytes.extend(VERSION.to_le_bytes());
    bytes.extend((header.len() as u64).to_le_bytes());
    bytes.extend(header);
    for (name, tensor) in tensors {
        let elements = tensor.to_le_bytes();
        bytes.extend(elements.ok_or_else(|| error(format!("tensor {name:?} holds strings")))?);
    }
    bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
    write_atomic(path, &bytes).map_err(|e| TrainError::file(path, format!("cannot be written: {e}")))
}

/// Reads a checkpoint.
///
/// # Errors
/// A file that is no checkpoint, of another version, truncated, changed, or whose state does not decode.
pub fn load_checkpoint<S: DeserializeOwned>(path: &Path) -> Result<(S, Store), TrainError> {
    let bytes = std::fs::read(path).map_err(|e| TrainError::file(path, format!("cannot be read: {e}")))?;
    parse(&bytes).map_err(|problem| TrainError::Checkpoint { path: path.to_owned(), problem })
}

fn parse<S: DeserializeOwned>(bytes: &[u8]) -> Result<(S, Store), String> {
    if bytes.len() < MAGIC.len() || bytes[..MAGIC.len()] != MAGIC[..] {
        return Err("is no checkpoint of Ocellus".to_owned());
    }
    let (body, sum) = bytes.split_last_chunk::<4>().ok_or("is truncated")?;
    if body.len() < FRONT {
        return Err(format!("is truncated: {} bytes, the front alone has {FRONT}", bytes.len()));
    }
    let version = u32::from_le_bytes([body[8], body[9], body[10], body[11]]);
    if version != VERSION {
        return Err(format!("has version {version}; this program reads version {VERSION}"));
    }
    let (expected, found) = (u32::from_le_bytes(*sum), crc32fast::hash(body));
    if expected != found {
        return Err(format!(
            "is truncated or damaged: its checksum is {expected:08x}, that of its bytes {found:08x}; take an older one"
        ));
    }
    let (length, rest) = body[12..].split_first_chunk::<8>().ok_or("is truncated")?;
    let length = usize::try_from(u64::from_le_bytes(*length)).map_err(|_| "has a header that is too long")?;
    let (header, mut data) = rest.split_at_checked(length).ok_or("has a header longer than the file")?;
    let header: Header<S> =
        serde_json::from_slice(header).map_err(|e| format!("has a header that does not decode: {e}"))?;
    let mut store = Store::new();
    for entry in header.tensors {
        let broken = || format!("tensor {:?} ({} {:?}) is not in the file", entry.name, entry.dtype, entry.shape);
        let dtype = DTYPES.into_iter().find(|d| d.name() == entry.dtype).ok_or_else(broken)?;
        let count = entry.shape.iter().try_fold(dtype.size(), |n, &d| n.checked_mul(d)).ok_or_else(broken)?;
        let (elements, rest) = data.split_at_checked(count).ok_or_else(broken)?;
        data = rest;
        let tensor = Tensor::from_le_bytes(dtype, &entry.shape, elements).ok_or_else(broken)?;
        store.insert(entry.name, tensor);
    }
    if !data.is_empty() {
        return Err(format!("has {} bytes more than its tensors", data.len()));
    }
    Ok((header.state, store))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Store {
        let mut store = Store::new();
        store.insert("w".to_owned(), Tensor::of(&[2, 2], vec![0.1f32, f32::NAN, -0.0, f32::MIN_POSITIVE]));
        store.insert("n".to_owned(), Tensor::scalar(7i64));
        store.insert("none".to_owned(), Tensor::of::<f32>(&[0, 3], vec![]));
        store
    }

    #[test]
    fn round_trip_to_the_bit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.ckpt");
        save_checkpoint(&path, &(5u64, "text"), &sample()).unwrap();
        let (state, store): ((u64, String), Store) = load_checkpoint(&path).unwrap();
        assert_eq!(state, (5, "text".to_owned()));
        assert_eq!(store.len(), 3);
        for (name, tensor) in sample() {
            assert_eq!(store[&name].to_le_bytes(), tensor.to_le_bytes(), "{name}");
            assert_eq!(store[&name].shape(), tensor.shape());
        }
    }

    #[test]
    fn every_truncation_and_flip_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.ckpt");
        save_checkpoint(&path, &1u64, &sample()).unwrap();
        let whole = std::fs::read(&path).unwrap();
        for length in 0..whole.len() {
            assert!(parse::<u64>(&whole[..length]).is_err(), "{length} bytes");
        }
        for place in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[place] ^= 0x10;
            assert!(parse::<u64>(&bytes).is_err(), "flip at {place}");
        }
        std::fs::write(&path, &whole[..whole.len() - 9]).unwrap();
        let message = load_checkpoint::<u64>(&path).unwrap_err().to_string();
        assert!(message.contains("a.ckpt") && message.contains("truncated or damaged"), "{message}");
        std::fs::write(&path, b"something else").unwrap();
        assert!(load_checkpoint::<u64>(&path).unwrap_err().to_string().contains("no checkpoint"));
        assert!(load_checkpoint::<u64>(&folder.path().join("b")).unwrap_err().to_string().contains("cannot be read"));
    }
}
