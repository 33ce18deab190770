//! The stream that PyTorch wrote before 1.6: five pickles (a magic number, a version, the machine, the dict, the keys of
//! the storages), then every storage with its number of elements before it.

use std::collections::HashMap;

use super::pickle::{Pickle, Value};
use super::state_dict::{Storages, tensors};
use crate::checkpoint::Store;

/// The magic number 0x1950a86a20f9469cfc6c, the least byte first.
const MAGIC: [u8; 10] = [0x6C, 0xFC, 0x9C, 0x46, 0xF9, 0x20, 0x6A, 0xA8, 0x50, 0x19];

/// The bytes after the pickles, and where each storage begins once it is known.
struct Stream<'a> {
    rest: &'a [u8],
    /// Keys in the order of the file.
    keys: Vec<String>,
    /// Bytes of an element of each, as the dict says.
    sizes: HashMap<String, usize>,
}

impl Storages for Stream<'_> {
    fn bytes(&mut self, key: &str, bytes: usize) -> Result<Vec<u8>, String> {
        let mut at = 0usize;
        for known in &self.keys {
            let head = self.rest.get(at..).and_then(<[u8]>::first_chunk::<8>).ok_or("the file ends early")?;
            let elements = usize::try_from(u64::from_le_bytes(*head)).map_err(|_| "a storage beyond memory")?;
            let size = self.sizes.get(known).copied().ok_or("a storage that no tensor uses stands before it")?;
            let start = at + 8;
            let length = elements.checked_mul(size).ok_or("a storage beyond memory")?;
            let end = start.checked_add(length).ok_or("a storage beyond memory")?;
            if known == key {
                let found = self.rest.get(start..end).ok_or("the file ends early")?;
                return if length == bytes {
                    Ok(found.to_vec())
                } else {
                    Err("its storage has another size".to_owned())
                };
            }
            at = end;
        }
        Err("its storage is not in the file".to_owned())
    }
}

pub fn read(bytes: &[u8]) -> Result<Store, String> {
    let mut at = 0;
    let mut next = || {
        let pickle = Pickle::read(&bytes[at..])?;
        at += pickle.length;
        Ok::<_, String>(pickle)
    };
    let magic = next()?;
    if !matches!(magic.get(magic.root), Value::Large(number) if number[..] == MAGIC) {
        return Err("is a pickle, but not one of PyTorch".to_owned());
    }
    let (_version, _machine) = (next()?, next()?);
    let dict = next()?;
    let keys = next()?;
    let names = keys.items(keys.root).ok_or("has no list of storages")?;
    let keys: Vec<String> = names.iter().filter_map(|&id| keys.text(id).map(str::to_owned)).collect();
    let mut stream = Stream { rest: &bytes[at..], keys, sizes: sizes(&dict) };
    tensors(&dict, &mut stream)
}

/// Bytes of an element of every storage that is described anywhere in a pickle.
fn sizes(pickle: &Pickle) -> HashMap<String, usize> {
    let described = pickle.values.iter().filter_map(|value| {
        let Value::Outside(description) = value else { return None };
        let [_, class, key, ..] = pickle.items(*description)? else { return None };
        let Value::Global(_, class) = pickle.get(*class) else { return None };
        let size = match class.as_str() {
            "DoubleStorage" | "LongStorage" => 8,
            "FloatStorage" | "IntStorage" => 4,
            "HalfStorage" | "BFloat16Storage" | "ShortStorage" => 2,
            _ => 1,
        };
        Some((pickle.text(*key)?.to_owned(), size))
    });
    described.collect()
}
