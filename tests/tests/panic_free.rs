//! The panic promise: in a release, LTO, `panic=abort` static library of load, run, preparation and decoders, no symbol
//! of `core::panicking` is referenced. The library is built, linked as a firmware would be (unreachable code dropped), and its symbols read.

use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_path_buf()
}

/// Runs a command and returns what it printed; panics with its errors.
fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|e| panic!("{command:?} does not start: {e}"));
    assert!(output.status.success(), "{command:?} failed:\n{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn has(tool: &str) -> bool {
    Command::new(tool).arg("--version").output().is_ok()
}

#[test]
fn load_and_run_reference_no_panic() {
    if !(cfg!(all(target_os = "linux", target_arch = "x86_64")) && has("cc") && has("nm")) {
        println!("skipped: needs cc and nm on x86-64 Linux");
        return;
    }
    let target = root().join("target/bare-metal");
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    run(Command::new(cargo)
        .args(["build", "--release", "--locked", "--manifest-path"])
        .arg(root().join("tests/bare-metal/Cargo.toml"))
        .arg("--target-dir")
        .arg(&target)
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env_remove("RUSTFLAGS"));
    let elf = target.join("release/load-and-run.elf");
    run(Command::new("cc")
        .args([
            "-nostdlib",
            "-static",
            "-Wl,--gc-sections,-e,ocellus_run,-u,ocellus_run,-u,ocellus_see,--unresolved-symbols=ignore-all",
            "-o",
        ])
        .arg(&elf)
        .arg(target.join("release/libocellus_bare_metal.a")));
    let symbols = run(Command::new("nm").arg("-C").arg(&elf));
    for entry in ["ocellus_run", "ocellus_see"] {
        assert!(symbols.contains(entry), "the library's entry {entry} is linked:\n{symbols}");
    }
    let panics: Vec<_> = symbols.lines().filter(|l| l.contains("core::panicking") || l.contains("panic_")).collect();
    assert!(panics.is_empty(), "panic paths are linked:\n{}", panics.join("\n"));
    let allocator: Vec<_> = symbols.lines().filter(|l| l.contains("__rust_alloc") || l.contains("malloc")).collect();
    assert!(allocator.is_empty(), "an allocator is linked:\n{}", allocator.join("\n"));
}
