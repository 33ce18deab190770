//! Brings the node cases of ONNX's own conformance suite into the cache folder.
//!
//! They are data inside the `onnx` wheel on PyPI (`onnx/backend/test/data/node`), which `pip` downloads; nothing of the
//! wheel is installed or run.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::{Digest, Sha256};

/// The release whose cases are used.
pub const RELEASE: &str = "1.20.1";

/// How many cases it has.
pub const CASES: usize = 1653;

/// SHA-256 of the wheels that have been looked at, by the part of the file name that says their platform. The cases are
/// the same in every wheel; others are used unchecked, and that is said.
const WHEELS: [(&str, &str); 2] = [
    (
        "cp311-cp311-manylinux_2_27_x86_64.manylinux_2_28_x86_64",
        "2297f428c51c7fc6d8fad0cf34384284dfeff3f86799f8e83ef905451348ade0",
    ),
    (
        "cp312-abi3-manylinux_2_27_x86_64.manylinux_2_28_x86_64",
        "9336b6b8e6efcf5c490a845f6afd7e041c89a56199aeda384ed7d58fb953b080",
    ),
];

/// Where the cases are inside the wheel.
const INSIDE: &str = "onnx/backend/test/data/node/";

/// The cache folder: `OCELLUS_CACHE`, else `ocellus` in `XDG_CACHE_HOME`, else in `.cache` of the home folder.
///
/// # Errors
/// None of the three variables is set.
pub fn cache() -> Result<PathBuf, String> {
    cache_in(|name| std::env::var_os(name))
}

fn cache_in(variable: impl Fn(&str) -> Option<OsString>) -> Result<PathBuf, String> {
    let folder = |name: &str| variable(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    folder("OCELLUS_CACHE")
        .or_else(|| folder("XDG_CACHE_HOME").map(|p| p.join("ocellus")))
        .or_else(|| folder("HOME").map(|p| p.join(".cache/ocellus")))
        .ok_or_else(|| "no cache folder: set OCELLUS_CACHE".to_owned())
}

/// The folder of the cases, where they have been fetched.
///
/// # Errors
/// Where they have not; the text says how to fetch them.
pub fn cases() -> Result<PathBuf, String> {
    let folder = cache()?.join(format!("onnx-{RELEASE}/node"));
    if folder.is_dir() {
        return Ok(folder);
    }
    let how = "`cargo run --release -p ocellus-tests --bin fetch-conformance` fetches them";
    Err(format!("the conformance cases are not in {}; {how}", folder.display()))
}

/// Downloads and unpacks the cases unless they are there already. Returns their folder and a line about what was done.
///
/// # Errors
/// No Python, no network, a wheel with another checksum, or a disk that is full. Nothing half unpacked is left under
/// the final name.
pub fn fetch() -> Result<(PathBuf, String), String> {
    if let Ok(folder) = cases() {
        return Ok((folder, "already there".to_owned()));
    }
    let cache = cache()?;
    let text = |e: io::Error| e.to_string();
    fs::create_dir_all(&cache).map_err(|e| format!("{}: {e}", cache.display()))?;
    let work = tempfile::Builder::new().prefix(".onnx-").tempdir_in(&cache).map_err(text)?;
    download(work.path())?;
    let wheel = wheel_in(work.path())?;
    let checked = check(&wheel)?;
    let unpacked = work.path().join("unpacked");
    let count = unpack(&wheel, &unpacked.join("node"))?;
    if count != CASES {
        return Err(format!("expected {CASES} cases in {}, found {count}", wheel.display()));
    }
    let target = cache.join(format!("onnx-{RELEASE}"));
    fs::rename(&unpacked, &target).map_err(|e| format!("{}: {e}", target.display()))?;
    Ok((target.join("node"), format!("{count} cases, {checked}")))
}

fn download(folder: &Path) -> Result<(), String> {
    let requirement = format!("onnx=={RELEASE}");
    let output = Command::new("python3")
        .args(["-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "-d"])
        .arg(folder)
        .arg(&requirement)
        .output()
        .map_err(|e| format!("python3 is needed to download {requirement} from PyPI: {e}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("python3 -m pip could not download {requirement}: {}", said.trim().lines().last().unwrap_or("")))
}

fn wheel_in(folder: &Path) -> Result<PathBuf, String> {
    let files = fs::read_dir(folder).map_err(|e| e.to_string())?;
    let mut paths = files.filter_map(|f| f.ok().map(|f| f.path()));
    paths.find(|p| p.extension().is_some_and(|e| e == "whl")).ok_or_else(|| "pip left no wheel behind".to_owned())
}

/// Compares the checksum where it is known. Returns what to say of it.
fn check(wheel: &Path) -> Result<String, String> {
    let name = wheel.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let Some((_, expected)) = WHEELS.iter().find(|(platform, _)| name.contains(platform)) else {
        return Ok(format!("checksum of {name} not known, not checked"));
    };
    let mut hash = Sha256::new();
    hash.update(fs::read(wheel).map_err(|e| e.to_string())?);
    let found: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    if found == *expected {
        Ok("checksum right".to_owned())
    } else {
        Err(format!("{name}: expected SHA-256 {expected}, found {found}"))
    }
}

/// Unpacks the folder of the cases. Returns how many there are.
fn unpack(wheel: &Path, target: &Path) -> Result<usize, String> {
    let failed = |e: &dyn std::fmt::Display| format!("{}: {e}", wheel.display());
    let file = File::open(wheel).map_err(|e| failed(&e))?;
    let mut archive = zip::ZipArchive::new(file).map_err(|e| failed(&e))?;
    let mut count = 0;
    for i in 0..archive.len() {
        let mut entry = archive.by_index(i).map_err(|e| failed(&e))?;
        let Some(path) = entry.enclosed_name() else { continue };
        let Ok(inside) = path.strip_prefix(INSIDE) else { continue };
        if !entry.is_file() {
            continue;
        }
        count += usize::from(inside.file_name().is_some_and(|n| n == "model.onnx"));
        let path = target.join(inside);
        let folder = path.parent().unwrap_or(target);
        fs::create_dir_all(folder).map_err(|e| failed(&e))?;
        let mut file = File::create(&path).map_err(|e| failed(&e))?;
        io::copy(&mut entry, &mut file).map_err(|e| failed(&e))?;
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn one_variable_moves_the_cache() {
        let with = |set: &[(&str, &str)]| {
            cache_in(|name| set.iter().find(|(n, _)| *n == name).map(|(_, value)| OsString::from(value)))
        };
        let home = ("HOME", "/h");
        assert_eq!(with(&[home]).unwrap(), Path::new("/h/.cache/ocellus"));
        assert_eq!(with(&[home, ("XDG_CACHE_HOME", "/x")]).unwrap(), Path::new("/x/ocellus"));
        assert_eq!(with(&[home, ("XDG_CACHE_HOME", ""), ("OCELLUS_CACHE", "/o")]).unwrap(), Path::new("/o"));
        assert!(with(&[]).unwrap_err().contains("OCELLUS_CACHE"));
    }

    #[test]
    fn only_the_cases_are_unpacked() {
        let folder = tempfile::tempdir().unwrap();
        let wheel = folder.path().join("onnx-1.20.1-any.whl");
        let mut archive = zip::ZipWriter::new(File::create(&wheel).unwrap());
        let case = format!("{INSIDE}test_abs/model.onnx");
        for name in [case.as_str(), "onnx/__init__.py", &format!("{INSIDE}../../../../../../../../evil")] {
            archive.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
            archive.write_all(b"bytes").unwrap();
        }
        archive.finish().unwrap();
        let target = folder.path().join("out/node");
        assert_eq!(unpack(&wheel, &target), Ok(1));
        assert_eq!(fs::read(target.join("test_abs/model.onnx")).unwrap(), b"bytes");
        let names: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|f| f.unwrap().file_name()).collect();
        assert_eq!(names.len(), 2, "{names:?}");
        assert!(check(&wheel).unwrap().contains("not checked"));
    }

    #[test]
    fn a_wheel_with_another_checksum_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let wheel = folder.path().join(format!("onnx-{RELEASE}-{}.whl", WHEELS[0].0));
        fs::write(&wheel, b"not the wheel").unwrap();
        assert!(check(&wheel).unwrap_err().contains(WHEELS[0].1));
    }
}
