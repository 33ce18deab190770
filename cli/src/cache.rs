//! The folder for what is downloaded.

use std::path::PathBuf;

use anyhow::{Context, Result};

/// `OCELLUS_CACHE`; else `ocellus` in `XDG_CACHE_HOME` or in `~/.cache`.
///
/// # Errors
/// None of the three is known.
pub fn folder() -> Result<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    if let Some(folder) = set("OCELLUS_CACHE") {
        return Ok(folder);
    }
    let base = set("XDG_CACHE_HOME").or_else(|| std::env::home_dir().map(|home| home.join(".cache")));
    Ok(base.context("there is no home folder: name a cache folder in the variable OCELLUS_CACHE")?.join("ocellus"))
}
