//! Checks every device crate alone, so that no feature of another crate hides what it lacks: for this machine, and for a
//! bare-metal target where a compiler for one is at hand.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::process::{cargo, read, root, run, target};

/// The crates that run on the device.
const DEVICE: [&str; 4] = ["ocellus-plan", "ocellus-kernels", "ocellus-runtime", "ocellus-vision"];

/// A Cortex-M4 or M7 with floating point.
const TARGET: &str = "thumbv7em-none-eabihf";

/// Checks; returns how many checks were skipped.
pub fn device_check() -> Result<usize, String> {
    for package in DEVICE {
        for features in ["--no-default-features", "--all-features"] {
            println!("checking {package} alone, {features}");
            run(&mut cargo(&["check", "--quiet", "--release", "--locked", features, "--package", package]))?;
        }
    }
    if rustup_has_target() {
        return bare_metal(&|command| {
            command.arg("--target").arg(TARGET);
        });
    }
    let Some(compiler) = debian_compiler() else {
        println!(
            "skipped: no compiler for {TARGET} is here; `rustup target add {TARGET}`, or on Debian \
             `apt-get install -y --no-install-recommends rustc-web rust-web-src`, brings one"
        );
        return Ok(1);
    };
    let sysroot = sysroot(&compiler)?;
    bare_metal(&|command| {
        command.arg("--target").arg(TARGET).env("RUSTC", &compiler);
        command.env("RUSTFLAGS", format!("--sysroot={}", sysroot.display()));
        command.arg("--target-dir").arg(target().join("device-check"));
    })
}

fn bare_metal(with: &dyn Fn(&mut Command)) -> Result<usize, String> {
    for package in DEVICE {
        println!("checking {package} alone for {TARGET}");
        let arguments = ["check", "--quiet", "--release", "--locked", "--no-default-features", "--package", package];
        let mut command = cargo(&arguments);
        with(&mut command);
        run(&mut command)?;
    }
    Ok(0)
}

/// Whether the toolchain in use has the target's core library.
pub fn rustup_has_target() -> bool {
    let folder = read(Command::new("rustc").args(["--print", "target-libdir", "--target", TARGET]).current_dir(root()));
    folder.is_ok_and(|f| has_core(Path::new(f.trim())))
}

fn has_core(folder: &Path) -> bool {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.into_iter().any(|e| e.file_name().to_string_lossy().starts_with("libcore-"))
}

/// Debian's compiler, where its library's source, of the same version, is there too.
fn debian_compiler() -> Option<PathBuf> {
    let compiler = PathBuf::from("/usr/bin/rustc");
    let source = Path::new("/usr/lib/rustlib/src/rust/library/core");
    (compiler.is_file() && source.is_dir()).then_some(compiler)
}

/// A private sysroot with the core library for the target, built once for every version of the compiler.
fn sysroot(compiler: &Path) -> Result<PathBuf, String> {
    let version = read(Command::new(compiler).arg("-V"))?;
    let version: String = version.trim().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let sysroot = target().join("sysroot").join(version);
    let sysroot = std::path::absolute(&sysroot).map_err(|e| e.to_string())?;
    let library = sysroot.join("lib/rustlib").join(TARGET).join("lib");
    if has_core(&library) {
        return Ok(sysroot);
    }
    println!("building the core library for {TARGET}, once, into {}", sysroot.display());
    let work = sysroot.with_extension("work");
    let said = |e: std::io::Error| format!("{}: {e}", work.display());
    fs::create_dir_all(work.join("src")).map_err(said)?;
    fs::create_dir_all(&library).map_err(said)?;
    let manifest = "[package]\nname = \"nothing\"\nversion = \"0.0.0\"\nedition = \"2024\"\n[workspace]\n";
    fs::write(work.join("Cargo.toml"), manifest).map_err(said)?;
    fs::write(work.join("src/lib.rs"), "#![no_std]\n").map_err(said)?;
    let mut build = cargo(&["build", "--quiet", "--release", "-Zbuild-std=core", "--target", TARGET]);
    build.current_dir(&work).env("RUSTC", compiler).env("RUSTC_BOOTSTRAP", "1");
    build.env("RUSTFLAGS", "-Cembed-bitcode=yes").env("CARGO_TARGET_DIR", work.join("target"));
    run(&mut build)?;
    let made = work.join("target").join(TARGET).join("release/deps");
    for entry in fs::read_dir(&made).map_err(said)?.flatten() {
        let name = entry.file_name();
        let text = name.to_string_lossy();
        if text.starts_with("lib") && text.ends_with(".rlib") && !text.starts_with("libnothing") {
            fs::copy(entry.path(), library.join(&name)).map_err(said)?;
        }
    }
    fs::remove_dir_all(&work).map_err(said)?;
    Ok(sysroot)
}
