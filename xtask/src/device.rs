//! Every device crate alone: a build of the whole workspace unifies features and hides an accidental `std`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::run::{cargo, install, output, root, run};

const CRATES: &[&str] = &["plan", "kernels", "runtime", "vision"];

/// Bare-metal targets: Cortex-M4F and M7, and a RISC-V core without atomics' friends.
const TARGETS: &[&str] = &["thumbv7em-none-eabihf", "riscv32imac-unknown-none-elf"];

/// Builds every device crate alone, without std here and for bare metal. Returns what was skipped, with reasons.
pub fn check(may_install: bool) -> Result<Vec<String>, String> {
    for name in CRATES {
        let package = format!("ocellus-{name}");
        run(cargo().args(["check", "--release", "--locked", "--quiet", "--no-default-features", "-p", &package]))?;
        println!("{name}: builds alone without std");
    }
    if let Err(reason) = install(&["rustc-web", "rust-web-src"], may_install) {
        return Ok(vec![format!("skipped: bare-metal builds: {reason}")]);
    }
    let compiler = PathBuf::from("/usr/bin/rustc");
    let mut skips = Vec::new();
    for target in TARGETS {
        match sysroot(&compiler, target) {
            Ok(sysroot) => build(&compiler, target, &sysroot)?,
            Err(reason) => skips.push(format!("skipped: {target}: {reason}")),
        }
    }
    Ok(skips)
}

fn build(compiler: &Path, target: &str, sysroot: &Path) -> Result<(), String> {
    for name in CRATES {
        let mut command = cargo();
        command.args(["build", "--release", "--locked", "--quiet", "--no-default-features", "--target", target]);
        command.args(["-p", &format!("ocellus-{name}"), "--target-dir"]).arg(root().join("target/device"));
        command.env("RUSTC", compiler).env("RUSTFLAGS", format!("--sysroot {}", sysroot.display()));
        run(&mut command)?;
    }
    println!("{target}: {} build", CRATES.join(", "));
    Ok(())
}

/// A private sysroot with `core` for a target, built once from Debian's sources and kept per compiler version.
fn sysroot(compiler: &Path, target: &str) -> Result<PathBuf, String> {
    let version = output(Command::new(compiler).arg("-vV"))?;
    let release = version.lines().find_map(|l| l.strip_prefix("release: ")).unwrap_or("unknown").to_owned();
    let base = root().join("target/device");
    let sysroot = base.join(format!("sysroot-{release}"));
    let library = sysroot.join("lib/rustlib").join(target).join("lib");
    if library.join("done").exists() {
        return Ok(sysroot);
    }
    let seed = base.join("seed");
    let io = |e: std::io::Error| format!("{}: {e}", seed.display());
    fs::create_dir_all(seed.join("src")).map_err(io)?;
    let manifest = "[package]\nname = \"seed\"\nversion = \"0.0.0\"\nedition = \"2021\"\n[lib]\n[workspace]\n[profile.release]\npanic = \"abort\"\n";
    fs::write(seed.join("Cargo.toml"), manifest).map_err(io)?;
    fs::write(seed.join("src/lib.rs"), "#![no_std]\n").map_err(io)?;
    let mut command = cargo();
    command.current_dir(&seed).args(["build", "--release", "--quiet", "-Zbuild-std=core", "--target", target]);
    command.env("RUSTC", compiler).env("RUSTC_BOOTSTRAP", "1").env("RUSTFLAGS", "-Cembed-bitcode=yes");
    command.env("CARGO_TARGET_DIR", seed.join("target"));
    run(&mut command)?;
    fs::create_dir_all(&library).map_err(io)?;
    let built = seed.join("target").join(target).join("release/deps");
    for entry in fs::read_dir(&built).map_err(io)?.flatten() {
        if entry.path().extension().is_some_and(|e| e == "rlib") {
            fs::copy(entry.path(), library.join(entry.file_name())).map_err(io)?;
        }
    }
    link_host(compiler, &sysroot)?;
    fs::write(library.join("done"), "").map_err(io)?;
    Ok(sysroot)
}

/// Build scripts and procedural macros of the host need the host's own library in the same sysroot.
fn link_host(compiler: &Path, sysroot: &Path) -> Result<(), String> {
    let host = "x86_64-unknown-linux-gnu";
    let own = output(Command::new(compiler).args(["--print", "sysroot"]))?;
    let (from, to) = (Path::new(own.trim()).join("lib/rustlib").join(host), sysroot.join("lib/rustlib").join(host));
    if to.exists() {
        return Ok(());
    }
    std::os::unix::fs::symlink(&from, &to).map_err(|e| format!("{}: {e}", to.display()))
}
