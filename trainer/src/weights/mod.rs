//! Weights from other tools: PyTorch state dicts (zip archives and the older stream of pickles) and safetensors.
//!
//! A pickle is a program; here nothing of it is executed. The reader builds numbers, texts and containers,
//! notes calls without making them, and knows two of them by name: the ones that say where a tensor's numbers lie.

mod archive;
mod legacy;
mod pickle;
mod safetensors;
mod state_dict;

use std::path::Path;

use crate::checkpoint::Store;
use crate::error::TrainError;

/// Greatest number of bytes of a tensor's numbers.
const MAX_BYTES: usize = 1 << 32;

/// Reads tensors by name from a file of any of the known kinds, which its first bytes tell.
///
/// # Errors
/// A file that cannot be read, is of another kind, is damaged, or holds no tensors.
pub fn read_weights(path: &Path) -> Result<Store, TrainError> {
    let bytes = std::fs::read(path).map_err(|e| TrainError::file(path, e))?;
    parse_weights(&bytes).map_err(|problem| TrainError::file(path, problem))
}

/// As [`read_weights`], from a file's bytes.
///
/// # Errors
/// As there, in words.
pub fn parse_weights(bytes: &[u8]) -> Result<Store, String> {
    let found = match bytes {
        [b'P', b'K', 3, 4, ..] => archive::read(bytes)?,
        [0x80, 2..=5, ..] => legacy::read(bytes)?,
        _ if safetensors::is(bytes) => safetensors::read(bytes)?,
        _ => {
            return Err("is neither a PyTorch state dict (zip or pickle) nor safetensors".to_owned());
        }
    };
    if found.is_empty() { Err("holds no tensors".to_owned()) } else { Ok(found) }
}

/// Names as PyTorch's layers give them in the words of this crate's layers: of a normalisation `weight`, `bias`,
/// `running_mean`, `running_var` become `scale`, `shift`, `mean`, `variance`; `num_batches_tracked` goes.
pub fn renamed(store: Store) -> Store {
    let norms: Vec<String> = store.keys().filter_map(|k| k.strip_suffix("running_mean")).map(str::to_owned).collect();
    let name = |key: &str| {
        let (layer, last) = key.rsplit_once('.').map_or(("", key), |(_, last)| (&key[..key.len() - last.len()], last));
        let ours = match last {
            _ if !norms.iter().any(|n| n == layer) => last,
            "weight" => "scale",
            "bias" => "shift",
            "running_mean" => "mean",
            "running_var" => "variance",
            other => other,
        };
        format!("{layer}{ours}")
    };
    let kept = store.into_iter().filter(|(key, _)| !key.ends_with("num_batches_tracked"));
    kept.map(|(key, tensor)| (name(&key), tensor)).collect()
}

#[cfg(test)]
mod tests;
