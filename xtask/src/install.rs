//! What the tests need beside a Rust toolchain: said first, then installed, or skipped with the command that would do it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::process::{has, program, root, run, words};

/// The release of ONNX Runtime that backends are tested with.
const ONNX_RUNTIME: &str = "1.24.4";

/// Installs everything, or says what is left out. Returns how many things are missing afterwards.
pub fn install(allowed: bool) -> usize {
    let mut missing = debian(allowed);
    if !python_has_pip() {
        println!("skipped: python3 with pip is not here, so no conformance cases and no ONNX Runtime can be fetched");
        return missing + 1;
    }
    let runtime = onnx_runtime_folder();
    if let Some(folder) = runtime.filter(|f| !has_library(f)) {
        missing += attempt(allowed, &mut pip_download(&folder), |()| unpack(&folder));
    }
    if !cases_folder().is_some_and(|f| f.is_dir()) {
        missing += match program("fetch-conformance") {
            Ok(mut cases) => attempt(allowed, &mut cases, |()| Ok(())),
            Err(problem) => {
                println!("skipped: {problem}");
                1
            }
        };
    }
    missing
}

/// Says a command and runs it, where that is allowed; then what follows it.
fn attempt(allowed: bool, command: &mut Command, then: impl FnOnce(()) -> Result<(), String>) -> usize {
    if !allowed {
        println!("skipped: `{}` was not run (--no-install)", words(command));
        return 1;
    }
    println!("installing: {}", words(command));
    match run(command).and_then(then) {
        Ok(()) => 0,
        Err(problem) => {
            println!("skipped: {problem}");
            1
        }
    }
}

/// Debian's packages: the tools that read a static library's symbols, Python, and a compiler for bare metal.
fn debian(allowed: bool) -> usize {
    let mut packages = Vec::new();
    if !has("cc") {
        packages.push("gcc");
    }
    if !has("nm") {
        packages.push("binutils");
    }
    if !python_has_pip() {
        packages.push("python3-pip");
    }
    if !crate::toolchain::any(crate::device_check::TARGET) {
        packages.extend(["rustc-web", "rust-web-src"]);
    }
    install_packages(allowed, &packages)
}

/// Installs packages with apt-get, where that is there and may be used.
fn install_packages(allowed: bool, packages: &[&str]) -> usize {
    if packages.is_empty() {
        return 0;
    }
    let mut install = Command::new("apt-get");
    install.args(["install", "-y", "-q", "--no-install-recommends"]).args(packages);
    install.env("DEBIAN_FRONTEND", "noninteractive");
    if !(is_root() && has("apt-get")) {
        println!("skipped: without root or Debian nothing is installed; as root this would be `{}`", words(&install));
        return packages.len();
    }
    if allowed {
        // The lists of a fresh machine are empty or old, and old ones have packages that are too old.
        println!("installing: apt-get update");
        let _ = run(Command::new("apt-get").args(["update", "-q"]));
    }
    attempt(allowed, &mut install, |()| Ok(()))
}

/// Emulators and cross compilers, as Debian has them. Returns how many packages are missing afterwards.
pub fn boards(allowed: bool) -> usize {
    let mut packages = Vec::new();
    if !crate::toolchain::any(crate::device_check::TARGET) {
        packages.extend(["rustc-web", "rust-web-src"]);
    }
    if !has("qemu-aarch64") {
        packages.push("qemu-user");
    }
    if !has("qemu-system-arm") {
        packages.push("qemu-system-arm");
    }
    if !has("aarch64-linux-gnu-gcc") {
        packages.extend(["gcc-aarch64-linux-gnu", "libc6-dev-arm64-cross"]);
    }
    if !has("cc") {
        packages.extend(["gcc", "libc6-dev"]);
    }
    if !has("node") {
        packages.push("nodejs");
    }
    install_packages(allowed, &packages)
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|o| o.stdout.trim_ascii() == b"0")
}

fn python_has_pip() -> bool {
    Command::new("python3").args(["-m", "pip", "--version"]).output().is_ok_and(|o| o.status.success())
}

/// The cache folder of Ocellus.
fn cache() -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    set("OCELLUS_CACHE")
        .or_else(|| set("XDG_CACHE_HOME").map(|f| f.join("ocellus")))
        .or_else(|| std::env::home_dir().map(|f| f.join(".cache/ocellus")))
}

fn onnx_runtime_folder() -> Option<PathBuf> {
    cache().map(|c| c.join("onnxruntime"))
}

fn cases_folder() -> Option<PathBuf> {
    cache().map(|c| c.join("onnx-1.20.1/node"))
}

fn has_library(folder: &Path) -> bool {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.into_iter().any(|e| e.file_name().to_string_lossy().starts_with("libonnxruntime."))
}

fn pip_download(folder: &Path) -> Command {
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "-d"])
        .arg(folder.join("wheel"))
        .arg(format!("onnxruntime=={ONNX_RUNTIME}"))
        .current_dir(root());
    pip
}

/// Takes the shared library out of the wheel, and drops the rest.
fn unpack(folder: &Path) -> Result<(), String> {
    let said = |e: std::io::Error| format!("{}: {e}", folder.display());
    let wheels = fs::read_dir(folder.join("wheel")).map_err(said)?.flatten().map(|e| e.path());
    let wheel = wheels.into_iter().find(|p| p.extension().is_some_and(|x| x == "whl"));
    let wheel = wheel.ok_or("pip left no wheel behind")?;
    let content = folder.join("content");
    run(Command::new("python3").args(["-m", "zipfile", "-e"]).arg(&wheel).arg(&content))?;
    for entry in fs::read_dir(content.join("onnxruntime/capi")).map_err(said)?.flatten() {
        let name = entry.file_name();
        if name.to_string_lossy().starts_with("libonnxruntime") {
            fs::rename(entry.path(), folder.join(name)).map_err(said)?;
        }
    }
    fs::remove_dir_all(&content).map_err(said)?;
    fs::remove_dir_all(folder.join("wheel")).map_err(said)
}
