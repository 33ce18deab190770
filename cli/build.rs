//! How the program is linked, so that little of it is in memory while a plan runs.
//!
//! - What runs once before `main` stands together, and so does what is rarely reached: a page of code that is touched brings
//!   its neighbours into memory with it (16 pages on Linux), and the engines register their operators from everywhere.
//!   Linkers that do not know the option (GNU's, which does it anyway) go on without it.
//! - Relocations are in their packed form, which is a megabyte less to read at the start, where the C library of this machine
//!   knows it (glibc 2.36, of 2022).

use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let of = |name: &str| std::env::var(name).unwrap_or_default();
    if of("CARGO_CFG_TARGET_OS") == "linux" {
        println!("cargo::rustc-link-arg-bins=-Wl,-z,keep-text-section-prefix");
    }
    let native = of("HOST") == of("TARGET") && of("CARGO_CFG_TARGET_OS") == "linux";
    if native && of("CARGO_CFG_TARGET_ENV") == "gnu" && glibc().is_some_and(|version| version >= (2, 36)) {
        println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
}

/// The C library's version; `None` where there is none of this kind.
fn glibc() -> Option<(u32, u32)> {
    let output = Command::new("getconf").arg("GNU_LIBC_VERSION").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let (major, minor) = text.trim().strip_prefix("glibc ")?.split_once('.')?;
    Some((major.parse().ok()?, minor.split('.').next()?.parse().ok()?))
}
