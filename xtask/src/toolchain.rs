//! Compilers for other targets: the toolchain in use where it has the target's libraries, else Debian's compiler with a
//! private sysroot that is built once.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::process::{cargo, read, root, run, target};

/// Which libraries a target needs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Library {
    /// `core`, for bare metal and wasm.
    Core,
    /// `std` and `test`, for Linux.
    Std,
}

/// A compiler that builds for a target.
pub struct Toolchain {
    target: &'static str,
    /// Debian's compiler and its private sysroot; `None` where the toolchain in use has the target.
    debian: Option<(PathBuf, PathBuf)>,
}

/// How a person gets a compiler for a target.
pub fn advice(target: &str) -> String {
    format!(
        "no compiler for {target} is here; `rustup target add {target}`, or on Debian `apt-get install -y \
         --no-install-recommends rustc-web rust-web-src`, brings one"
    )
}

impl Toolchain {
    /// The compiler for a target, where there is one; builds the libraries of Debian's the first time.
    ///
    /// # Errors
    /// The libraries do not build.
    pub fn find(target: &'static str, library: Library) -> Result<Option<Self>, String> {
        if rustup_has(target) {
            return Ok(Some(Self { target, debian: None }));
        }
        let Some(compiler) = debian_compiler() else { return Ok(None) };
        let sysroot = sysroot(&compiler, target, library)?;
        Ok(Some(Self { target, debian: Some((compiler, sysroot)) }))
    }

    /// Cargo for this target, with flags for its compiler. What it builds lies in [`Toolchain::folder`].
    pub fn cargo(&self, arguments: &[&str], flags: &[&str]) -> Command {
        self.cargo_into(&Self::folder(), arguments, flags)
    }

    /// The same with what it builds in another folder.
    pub fn cargo_into(&self, folder: &Path, arguments: &[&str], flags: &[&str]) -> Command {
        let mut command = cargo(arguments);
        let mut flags: Vec<String> = flags.iter().map(|&f| f.to_owned()).collect();
        if let Some((compiler, sysroot)) = &self.debian {
            command.env("RUSTC", compiler).env("RUSTDOC", compiler.with_file_name("rustdoc"));
            flags.push(format!("--sysroot={}", sysroot.display()));
        }
        command.env_remove("CARGO_ENCODED_RUSTFLAGS").env("RUSTFLAGS", flags.join(" "));
        command.args(["--target", self.target, "--target-dir"]).arg(folder);
        command
    }

    /// The folder of everything that is built for other targets.
    pub fn folder() -> PathBuf {
        target().join("boards")
    }

    /// Where a program of this target lies after `cargo build --release`.
    pub fn program(&self, name: &str) -> PathBuf {
        Self::folder().join(self.target).join("release").join(name)
    }
}

/// Whether the toolchain in use has the target's core library.
fn rustup_has(target: &str) -> bool {
    let folder = read(Command::new("rustc").args(["--print", "target-libdir", "--target", target]).current_dir(root()));
    folder.is_ok_and(|f| has_core(Path::new(f.trim())))
}

/// Whether a compiler for bare metal, or what builds its libraries, is there.
pub fn any(target: &str) -> bool {
    rustup_has(target) || debian_compiler().is_some()
}

fn has_core(folder: &Path) -> bool {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.into_iter().any(|e| e.file_name().to_string_lossy().starts_with("libcore-"))
}

/// The linker for bare metal and wasm that comes with the toolchain in use.
pub fn linker() -> Option<PathBuf> {
    let sysroot = read(Command::new("rustc").args(["--print", "sysroot"]).current_dir(root())).ok()?;
    let host = read(Command::new("rustc").arg("-vV").current_dir(root())).ok()?;
    let host = host.lines().find_map(|l| l.strip_prefix("host: "))?.to_owned();
    let linker = Path::new(sysroot.trim()).join("lib/rustlib").join(host).join("bin/rust-lld");
    linker.is_file().then_some(linker)
}

/// Debian's compiler, where its library's source, of the same version, is there too, and it is new enough for this workspace.
fn debian_compiler() -> Option<PathBuf> {
    let compiler = PathBuf::from("/usr/bin/rustc");
    let source = Path::new("/usr/lib/rustlib/src/rust/library/core");
    let here = compiler.is_file() && source.is_dir();
    let version = read(Command::new(&compiler).arg("-V")).ok().filter(|_| here)?;
    new_enough(&version, env!("CARGO_PKG_RUST_VERSION")).then_some(compiler)
}

/// Whether what a compiler says of its version is at least this one.
fn new_enough(said: &str, wanted: &str) -> bool {
    let numbers = |text: &str| -> Vec<u32> {
        text.split(|c: char| !c.is_ascii_digit()).map_while(|part| part.parse().ok()).take(2).collect()
    };
    let said = said.split_whitespace().nth(1).unwrap_or_default();
    numbers(said) >= numbers(wanted)
}

/// A private sysroot with the libraries of a target, built once for every version of the compiler.
fn sysroot(compiler: &Path, target: &str, library: Library) -> Result<PathBuf, String> {
    let version = read(Command::new(compiler).arg("-V"))?;
    let version: String = version.trim().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let sysroot = crate::process::target().join("sysroot").join(version);
    let sysroot = std::path::absolute(&sysroot).map_err(|e| e.to_string())?;
    let libraries = sysroot.join("lib/rustlib").join(target).join("lib");
    if has_core(&libraries) {
        return Ok(sysroot);
    }
    eprintln!("building the libraries of {target}, once, into {}", sysroot.display());
    let work = sysroot.with_extension(target);
    let said = |e: std::io::Error| format!("{}: {e}", work.display());
    fs::create_dir_all(work.join("src")).map_err(said)?;
    let manifest = "[package]\nname = \"nothing\"\nversion = \"0.0.0\"\nedition = \"2024\"\n[workspace]\n";
    fs::write(work.join("Cargo.toml"), manifest).map_err(said)?;
    let (crates, source) = match library {
        Library::Core => ("-Zbuild-std=core", "#![no_std]\n"),
        Library::Std => ("-Zbuild-std=std,test,panic_unwind", ""),
    };
    fs::write(work.join("src/lib.rs"), source).map_err(said)?;
    let mut build = cargo(&["build", "--quiet", "--release", crates, "--target", target]);
    build.current_dir(&work).env("RUSTC", compiler).env("RUSTC_BOOTSTRAP", "1");
    build.env("RUSTFLAGS", "-Cembed-bitcode=yes").env("CARGO_TARGET_DIR", work.join("target"));
    run(&mut build)?;
    // Moved into place at the end, so that a build that was stopped leaves no half sysroot.
    let ready = work.join("ready");
    fs::create_dir_all(&ready).map_err(said)?;
    for entry in fs::read_dir(work.join("target").join(target).join("release/deps")).map_err(said)?.flatten() {
        let name = entry.file_name();
        let text = name.to_string_lossy();
        if text.starts_with("lib") && text.ends_with(".rlib") && !text.starts_with("libnothing") {
            fs::copy(entry.path(), ready.join(&name)).map_err(said)?;
        }
    }
    fs::create_dir_all(libraries.parent().unwrap_or(&libraries)).map_err(said)?;
    let _ = fs::remove_dir_all(&libraries);
    fs::rename(&ready, &libraries).map_err(said)?;
    fs::remove_dir_all(&work).map_err(said).map(|()| sysroot)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        assert!(new_enough("rustc 1.96.0 (abc 2026-01-01) (built from a source tarball)", "1.92"));
        assert!(new_enough("rustc 1.92.0", "1.92") && new_enough("rustc 2.0.0-nightly", "1.92"));
        assert!(!new_enough("rustc 1.85.0 (4d91de4e4 2025-02-17)", "1.92") && !new_enough("rustc 1.9.0", "1.92"));
        assert!(!new_enough("", "1.92"));
    }
}
