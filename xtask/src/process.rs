//! Programs that are run.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The workspace's folder.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new(".")).to_path_buf()
}

/// The folder of what is built.
pub fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// Cargo, in the workspace's folder.
pub fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).current_dir(root());
    command
}

/// The command as a person would type it.
pub fn words(command: &Command) -> String {
    let parts = std::iter::once(command.get_program()).chain(command.get_args());
    parts.map(|p| p.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}

/// Runs a command to its end, with its output on the terminal.
///
/// # Errors
/// It does not start, or fails.
pub fn run(command: &mut Command) -> Result<(), String> {
    let status = command.status().map_err(|e| format!("`{}` does not start: {e}", words(command)))?;
    if status.success() { Ok(()) } else { Err(format!("`{}` failed ({status})", words(command))) }
}

/// Runs a command and returns what it prints.
///
/// # Errors
/// It does not start, or fails; the message has its own words.
pub fn read(command: &mut Command) -> Result<String, String> {
    let output = command.output().map_err(|e| format!("`{}` does not start: {e}", words(command)))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("`{}` failed: {}", words(command), said.trim()))
}

/// A program of the workspace, built. The features are those of the whole workspace, so that nothing is compiled once for
/// this program and again for `cargo test --workspace`.
///
/// # Errors
/// It does not build.
pub fn program(name: &str) -> Result<Command, String> {
    let path = target().join("release").join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    let mut build = cargo(&["build", "--release", "--locked", "--workspace", "--bin", name]);
    if path.is_file() {
        build.arg("--quiet");
    }
    run(&mut build)?;
    let mut command = Command::new(std::path::absolute(&path).map_err(|e| format!("{}: {e}", path.display()))?);
    command.current_dir(root());
    Ok(command)
}

/// Whether a program is there.
pub fn has(program: &str) -> bool {
    Command::new(program).arg("--version").output().is_ok_and(|o| o.status.success())
}

/// Says how long the first build takes, where nothing is built yet.
pub fn say_first_build() {
    if !target().join("release/deps").is_dir() {
        eprintln!(
            "The first build compiles about 350 crates and takes 8 to 15 minutes on two cores; later ones, seconds."
        );
    }
}
