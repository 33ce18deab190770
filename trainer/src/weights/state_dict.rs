//! From a pickle to tensors.

use ocellus_graph::{DataType, Tensor};

use super::MAX_BYTES;
use super::pickle::{DEPTH, Id, Pickle, Value};
use crate::checkpoint::Store;

/// Where the numbers of tensors lie: the bytes of a storage by its key, whole.
pub trait Storages {
    /// The bytes of a storage of `bytes` bytes.
    fn bytes(&mut self, key: &str, bytes: usize) -> Result<Vec<u8>, String>;
}

/// A tensor as the pickle describes it.
#[derive(Clone, Debug)]
struct Described {
    key: String,
    dtype: DataType,
    /// Elements of the storage.
    elements: usize,
    offset: usize,
    shape: Vec<usize>,
    strides: Vec<usize>,
}

/// Keys under which training scripts keep the state dict inside a larger dict.
const INSIDE: [&str; 5] = ["state_dict", "model", "model_state_dict", "net", "params"];

/// The tensors of a state dict, by name; values that are no tensors are left out.
pub fn tensors(pickle: &Pickle, storages: &mut dyn Storages) -> Result<Store, String> {
    let mut root = pickle.root;
    let entries = |id: Id| pickle.entries(id).ok_or("holds no dict of tensors; a whole pickled model is not read");
    if let Some((_, inner)) = entries(root)?
        .iter()
        .find(|(k, v)| pickle.text(*k).is_some_and(|k| INSIDE.contains(&k)) && pickle.entries(*v).is_some())
    {
        root = *inner;
    }
    let mut store = Store::new();
    for (key, value) in entries(root)? {
        let Some(name) = pickle.text(*key) else { continue };
        if let Some(described) = described(pickle, *value, 0).map_err(|e| format!("tensor {name:?}: {e}"))? {
            let tensor = described.read(storages).map_err(|e| format!("tensor {name:?}: {e}"))?;
            store.insert(name.to_owned(), tensor);
        }
    }
    Ok(store)
}

fn described(pickle: &Pickle, id: Id, depth: usize) -> Result<Option<Described>, String> {
    let Some((module, name, arguments)) = pickle.call(id) else { return Ok(None) };
    match (module, name, arguments) {
        ("torch._utils", "_rebuild_parameter", [inner, ..]) if depth < DEPTH => described(pickle, *inner, depth + 1),
        ("torch._utils", "_rebuild_tensor_v2" | "_rebuild_tensor", [storage, offset, shape, strides, ..]) => {
            let sizes = |id: Id| {
                let items = pickle.items(id).ok_or("its sizes are no tuple")?;
                items.iter().map(|&i| pickle.size(i).ok_or("a size is no number")).collect::<Result<Vec<_>, _>>()
            };
            let (key, dtype, elements) = storage_of(pickle, *storage)?;
            let offset = pickle.size(*offset).ok_or("its offset is no number")?;
            Ok(Some(Described { key, dtype, elements, offset, shape: sizes(*shape)?, strides: sizes(*strides)? }))
        }
        _ => Ok(None),
    }
}

/// Key, type and elements of a storage: `('storage', class, key, device, elements, …)`.
fn storage_of(pickle: &Pickle, id: Id) -> Result<(String, DataType, usize), String> {
    let Value::Outside(description) = pickle.get(id) else { return Err("it has no storage".to_owned()) };
    let items = pickle.items(*description).ok_or("its storage is described in an unknown way")?;
    let [_, class, key, _, elements, ..] = items else { return Err("its storage is described too shortly".to_owned()) };
    let Value::Global(_, class) = pickle.get(*class) else { return Err("its storage has no type".to_owned()) };
    let dtype = match class.as_str() {
        "FloatStorage" => DataType::F32,
        "DoubleStorage" => DataType::F64,
        "HalfStorage" => DataType::F16,
        "BFloat16Storage" => DataType::BF16,
        "LongStorage" => DataType::I64,
        "IntStorage" => DataType::I32,
        "ShortStorage" => DataType::I16,
        "CharStorage" => DataType::I8,
        "ByteStorage" => DataType::U8,
        "BoolStorage" => DataType::Bool,
        other => return Err(format!("numbers of type {other} are not read")),
    };
    let key = pickle.text(*key).ok_or("its storage has no key")?.to_owned();
    Ok((key, dtype, pickle.size(*elements).ok_or("its storage has no size")?))
}

impl Described {
    fn read(&self, storages: &mut dyn Storages) -> Result<Tensor, String> {
        let Self { dtype, shape, strides, .. } = self;
        let size = dtype.size();
        if shape.len() != strides.len() || shape.len() > 8 {
            return Err(format!("sizes {shape:?} with strides {strides:?}"));
        }
        let count = shape.iter().try_fold(1usize, |n, &s| n.checked_mul(s)).filter(|n| n * size <= MAX_BYTES);
        let count = count.ok_or_else(|| format!("sizes {shape:?} are beyond 4 GiB"))?;
        // The last element that is read has to be in the storage.
        let reach = shape
            .iter()
            .zip(strides)
            .try_fold(self.offset, |n, (&s, &stride)| n.checked_add(s.saturating_sub(1).checked_mul(stride)?));
        if count > 0 && reach.is_none_or(|last| last >= self.elements) {
            return Err(format!("sizes {shape:?} do not fit its storage of {} numbers", self.elements));
        }
        let bytes = self.elements.checked_mul(size).filter(|b| *b <= MAX_BYTES).ok_or("a storage beyond 4 GiB")?;
        let storage = storages.bytes(&self.key, bytes)?;
        let mut gathered = Vec::with_capacity(count * size);
        let mut place = vec![0usize; shape.len()];
        for _ in 0..count {
            let at = self.offset + place.iter().zip(strides).map(|(p, s)| p * s).sum::<usize>();
            let element = storage.get(at * size..(at + 1) * size).ok_or("its storage is shorter than it says")?;
            gathered.extend_from_slice(element);
            for (p, &s) in place.iter_mut().zip(shape).rev() {
                *p += 1;
                if *p < s {
                    break;
                }
                *p = 0;
            }
        }
        Tensor::from_le_bytes(*dtype, shape, &gathered).ok_or_else(|| format!("its numbers are no {dtype}"))
    }
}
