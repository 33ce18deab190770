//! safetensors: the length of a header, the header in JSON, then all numbers.

use ocellus_graph::{DataType, Tensor};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::checkpoint::Store;

#[derive(Deserialize)]
struct Entry {
    dtype: String,
    shape: Vec<usize>,
    data_offsets: [usize; 2],
}

/// Header and numbers of a file.
fn parts(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let length = usize::try_from(u64::from_le_bytes(*bytes.first_chunk::<8>()?)).ok()?;
    bytes[8..].split_at_checked(length)
}

/// Whether the bytes look like such a file.
pub fn is(bytes: &[u8]) -> bool {
    parts(bytes).is_some_and(|(header, _)| header.first() == Some(&b'{'))
}

pub fn read(bytes: &[u8]) -> Result<Store, String> {
    let (header, numbers) = parts(bytes).ok_or("ends early")?;
    let header: Map<String, Value> = serde_json::from_slice(header).map_err(|e| format!("has a broken header: {e}"))?;
    let mut store = Store::new();
    for (name, value) in header.into_iter().filter(|(name, _)| name != "__metadata__") {
        let entry: Entry = serde_json::from_value(value).map_err(|e| format!("tensor {name:?}: {e}"))?;
        let dtype = match entry.dtype.as_str() {
            "F64" => DataType::F64,
            "F32" => DataType::F32,
            "F16" => DataType::F16,
            "BF16" => DataType::BF16,
            "I64" => DataType::I64,
            "I32" => DataType::I32,
            "I16" => DataType::I16,
            "I8" => DataType::I8,
            "U8" => DataType::U8,
            "BOOL" => DataType::Bool,
            other => return Err(format!("tensor {name:?}: numbers of type {other} are not read")),
        };
        let [from, to] = entry.data_offsets;
        let content = numbers.get(from..to).ok_or_else(|| format!("tensor {name:?} lies outside of the file"))?;
        let wrong = || format!("tensor {name:?} has sizes {:?} and {} bytes", entry.shape, content.len());
        let count = entry.shape.iter().try_fold(dtype.size(), |n, &s| n.checked_mul(s));
        if count != Some(content.len()) {
            return Err(wrong());
        }
        let tensor = Tensor::from_le_bytes(dtype, &entry.shape, content).ok_or_else(wrong)?;
        store.insert(name, tensor);
    }
    Ok(store)
}
