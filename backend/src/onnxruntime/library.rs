//! Finds ONNX Runtime's shared library before anything touches it: a library that is missing would end the process.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The library's path: the file named by `ORT_DYLIB_PATH`; or in the `onnxruntime` package of the virtual environment
/// or of `python3`; or in the loader's search path; or under `onnxruntime/` in Ocellus's cache folder (`OCELLUS_CACHE`,
/// or `ocellus` in `XDG_CACHE_HOME` or `~/.cache`).
///
/// # Errors
/// A text that says where it was looked for.
pub fn library_path() -> Result<PathBuf, String> {
    if let Some(path) = env::var_os("ORT_DYLIB_PATH").filter(|p| !p.is_empty()).map(PathBuf::from) {
        if path.is_file() {
            return Ok(path);
        }
        return Err(format!("ORT_DYLIB_PATH names {}, which is no file", path.display()));
    }
    let places = [in_virtual_environment(), in_python(), in_loader_paths(), in_cache()];
    places.into_iter().flatten().next().ok_or_else(|| {
        "the ONNX Runtime library (libonnxruntime, 1.24 or later) is not to be found in python3's packages, in the \
         loader's search path or in the cache folder"
            .to_owned()
    })
}

/// Whether a file name is that of the library: `libonnxruntime.so`, `libonnxruntime.so.1.26.0`,
/// `libonnxruntime.1.26.0.dylib`, `onnxruntime.dll`; not one of its provider plug-ins.
fn is_library(name: &str) -> bool {
    name == "onnxruntime.dll"
        || name.strip_prefix("libonnxruntime.").is_some_and(|rest| rest.starts_with("so") || rest.ends_with("dylib"))
}

/// The library in a folder; the last by name where there are several.
fn in_folder(folder: &Path) -> Option<PathBuf> {
    let entries = folder.read_dir().ok()?.flatten();
    let libraries = entries.filter(|e| e.file_name().to_str().is_some_and(is_library)).map(|e| e.path());
    libraries.filter(|path| path.is_file()).max()
}

fn in_virtual_environment() -> Option<PathBuf> {
    let root = PathBuf::from(env::var_os("VIRTUAL_ENV")?);
    let versions = root.join("lib").read_dir().ok()?.flatten();
    versions.into_iter().find_map(|v| in_folder(&v.path().join("site-packages/onnxruntime/capi")))
}

fn in_python() -> Option<PathBuf> {
    // Finding the package's folder does not import it: importing takes seconds and may fail for other reasons.
    let script = "import importlib.util as u; s = u.find_spec('onnxruntime'); print(s.submodule_search_locations[0])";
    let output = Command::new("python3").args(["-c", script]).output().ok().filter(|o| o.status.success())?;
    let package = String::from_utf8(output.stdout).ok()?;
    in_folder(&Path::new(package.trim()).join("capi"))
}

fn in_loader_paths() -> Option<PathBuf> {
    let listed = env::var_os("LD_LIBRARY_PATH").or_else(|| env::var_os("DYLD_LIBRARY_PATH")).unwrap_or_default();
    if let Some(path) = env::split_paths(&listed).find_map(|folder| in_folder(&folder)) {
        return Some(path);
    }
    let output = Command::new("ldconfig").arg("-p").output().ok()?;
    in_loader_cache(&String::from_utf8_lossy(&output.stdout))
}

/// The library in the output of `ldconfig -p`: lines of `name (…) => path`.
fn in_loader_cache(listing: &str) -> Option<PathBuf> {
    let mut lines = listing.lines().filter_map(|line| line.trim().split_once(" => "));
    let (_, path) = lines.find(|(name, _)| is_library(name.split_whitespace().next().unwrap_or_default()))?;
    Some(PathBuf::from(path))
}

fn in_cache() -> Option<PathBuf> {
    let folder = env::var_os("OCELLUS_CACHE").map(PathBuf::from).or_else(|| {
        let base = env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
        base.or_else(|| env::home_dir().map(|home| home.join(".cache"))).map(|base| base.join("ocellus"))
    })?;
    in_folder(&folder.join("onnxruntime"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_the_library() {
        for name in ["libonnxruntime.so", "libonnxruntime.so.1.26.0", "libonnxruntime.1.26.0.dylib", "onnxruntime.dll"]
        {
            assert!(is_library(name), "{name}");
        }
        for name in ["libonnxruntime_providers_shared.so", "libonnxruntime_providers_cuda.so", "onnxruntime.py"] {
            assert!(!is_library(name), "{name}");
        }
    }

    #[test]
    fn the_newest_in_a_folder_and_the_loader_cache() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["libonnxruntime.so.1.24.0", "libonnxruntime.so.1.26.0", "libonnxruntime_providers_shared.so"] {
            std::fs::write(folder.path().join(name), b"").unwrap();
        }
        assert_eq!(in_folder(folder.path()), Some(folder.path().join("libonnxruntime.so.1.26.0")));
        assert_eq!(in_folder(&folder.path().join("nowhere")), None);
        let listing = "2 libs found\n\tlibz.so.1 (libc6,x86-64) => /lib/libz.so.1\n\
                       \tlibonnxruntime.so.1 (libc6,x86-64) => /lib/libonnxruntime.so.1\n";
        assert_eq!(in_loader_cache(listing), Some(PathBuf::from("/lib/libonnxruntime.so.1")));
        assert_eq!(in_loader_cache("0 libs found"), None);
    }
}
