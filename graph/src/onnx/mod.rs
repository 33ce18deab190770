//! ONNX files: [`Model::load`], [`Model::from_bytes`], [`Model::save`], [`Model::to_bytes`].
//!
//! Read are opsets 6 to 25 in binary protobuf; what an older operator means in today's terms is not decided here but in
//! `ocellus-ops`. A file is untrusted: every size, name and type is checked before it is used, nothing is allocated that
//! the file's own length does not justify, and every error names the place in the file, what was expected there, and
//! what was found.
//!
//! Kept are: nodes with their attributes, bodies of control-flow operators, initializers, declared types, the producer's
//! name, the used operator sets and `metadata_props`. Functions inside the model are inlined. Not kept are: doc strings,
//! training information, quantization annotations and unused operator sets. Sparse tensors, sequences, maps, optionals,
//! and complex, float8, 4-bit and 2-bit elements are errors.
//!
//! Written is IR version 10 with the model's opset (a later IR version only for an opset after 22). The same model
//! always gives the same bytes.

mod atomic;
mod attribute;
mod error;
mod external;
mod functions;
mod order;
mod proto;
mod read;
mod tensor;
#[cfg(test)]
mod tests;
mod types;
mod write;

use std::path::Path;

use prost::Message;
use prost::bytes::Bytes;

pub use atomic::write_atomic;
pub use error::{OnnxError, OnnxProblem};

use crate::{Model, Tensor};

/// The opsets that are read.
pub const READABLE: std::ops::RangeInclusive<i64> = 6..=25;

/// The most bytes that a protobuf message may have.
const MOST_BYTES: usize = i32::MAX as usize;

impl Model {
    /// Reads an ONNX file, and files beside it that hold external data.
    ///
    /// # Errors
    /// A file that cannot be read, or is malformed, or uses what is not supported (see [`onnx`](crate::onnx)).
    pub fn load(path: impl AsRef<Path>) -> Result<Self, OnnxError> {
        let path = path.as_ref();
        let failed = |problem| OnnxError::of(Some(path), problem);
        let bytes = read_file(path).map_err(|e| failed(OnnxProblem::Read(e)))?;
        decode(bytes.into(), path.parent()).map_err(failed)
    }

    /// Reads a model from memory. External data is looked for in `folder`; without one it is an error.
    ///
    /// # Errors
    /// As [`Model::load`].
    pub fn from_bytes(bytes: &[u8], folder: Option<&Path>) -> Result<Self, OnnxError> {
        decode(Bytes::copy_from_slice(bytes), folder).map_err(|problem| OnnxError::of(None, problem))
    }

    /// Writes an ONNX file; see [`write_atomic`] for what happens on the way. External data becomes part of the file.
    ///
    /// # Errors
    /// As [`Model::to_bytes`], and what the file system says.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), OnnxError> {
        let path = path.as_ref();
        let failed = |problem| OnnxError::of(Some(path), problem);
        let bytes = encode(self).map_err(failed)?;
        write_atomic(path, &bytes).map_err(|e| failed(OnnxProblem::Write(e)))
    }

    /// The bytes of an ONNX file.
    ///
    /// # Errors
    /// A graph that could not be read again: values without a name, two of one name, one made twice or never, a cycle;
    /// or a model of more than 2 GiB, which protobuf cannot hold.
    pub fn to_bytes(&self) -> Result<Vec<u8>, OnnxError> {
        encode(self).map_err(|problem| OnnxError::of(None, problem))
    }
}

impl Tensor {
    /// Reads a tensor from the bytes of a file with one `TensorProto` (`.pb`, as ONNX's own test data have it).
    ///
    /// # Errors
    /// As for a tensor in a model.
    pub fn from_onnx_bytes(bytes: &[u8]) -> Result<Self, OnnxError> {
        let proto = proto::TensorProto::decode(bytes).map_err(OnnxProblem::Protobuf);
        let read = |p| tensor::read_tensor(&p, p.name.as_deref().unwrap_or(""), &mut external::External::new(None));
        proto.and_then(read).map_err(|problem| OnnxError::of(None, problem))
    }

    /// The bytes of a file with one `TensorProto` of this name.
    pub fn to_onnx_bytes(&self, name: &str) -> Vec<u8> {
        tensor::write_tensor(name, self).encode_to_vec()
    }
}

/// The bytes of a file, which must be a file and not a device that never ends.
fn read_file(path: &Path) -> std::io::Result<Vec<u8>> {
    let about = std::fs::metadata(path)?;
    if !about.is_file() {
        return Err(std::io::Error::other("it is not a file"));
    }
    if about.len() > MOST_BYTES as u64 {
        return Err(std::io::Error::other(format!("it has {} bytes; an ONNX file has at most 2 GiB", about.len())));
    }
    std::fs::read(path)
}

fn decode(bytes: Bytes, folder: Option<&Path>) -> Result<Model, OnnxProblem> {
    let length = bytes.len();
    let proto = proto::ModelProto::decode(bytes).map_err(OnnxProblem::Protobuf)?;
    read::read_model(proto, length, folder)
}

fn encode(model: &Model) -> Result<Vec<u8>, OnnxProblem> {
    let proto = write::write_model(model)?;
    let length = proto.encoded_len();
    if length > MOST_BYTES {
        return Err(OnnxProblem::model("a model of at most 2 GiB", format!("{length} bytes")));
    }
    Ok(proto.encode_to_vec())
}
