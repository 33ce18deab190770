//! Commands: how they are started and what is said about them.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The root of the checkout.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map_or_else(|| PathBuf::from("."), Path::to_path_buf)
}

/// The cargo that runs us, at the root of the checkout.
pub fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    command
}

/// Says how long a first build takes, where there has been none.
pub fn say_first_build() {
    if !root().join("target/release/ocellus").exists() {
        eprintln!("The first build takes about ten minutes on two cores (most of it is the training backend); later ones seconds.");
    }
}

/// Runs a command to its end.
pub fn run(command: &mut Command) -> Result<(), String> {
    let status = command.status().map_err(|e| format!("{} does not start: {e}", name(command)))?;
    if status.success() { Ok(()) } else { Err(format!("{} failed: {status}", name(command))) }
}

/// Runs a command and returns what it printed.
pub fn output(command: &mut Command) -> Result<String, String> {
    let output = command.output().map_err(|e| format!("{} does not start: {e}", name(command)))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(text);
    }
    Err(format!("{} failed: {}", name(command), String::from_utf8_lossy(&output.stderr)))
}

fn name(command: &Command) -> String {
    let words: Vec<_> = std::iter::once(command.get_program()).chain(command.get_args()).collect();
    words.iter().map(|w| w.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

/// Whether Debian packages can be installed here: by root, with apt-get.
pub fn can_install() -> bool {
    let root = output(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0");
    root && Command::new("apt-get").arg("--version").output().is_ok()
}

/// Installs Debian packages that are missing, after saying so; without root or Debian says which command would do it.
///
/// # Errors
/// The reason for a skip.
pub fn install(packages: &[&str], install: bool) -> Result<(), String> {
    let missing = |p: &&&str| {
        let status = output(Command::new("dpkg-query").args(["-W", "-f=${Status}", p]));
        !status.is_ok_and(|s| s.contains("install ok installed"))
    };
    let missing: Vec<&str> = packages.iter().filter(missing).copied().collect();
    if missing.is_empty() {
        return Ok(());
    }
    let line = format!("apt-get install -y --no-install-recommends {}", missing.join(" "));
    if !install || !can_install() {
        return Err(format!("needs `{line}`, which was not run (no root, no Debian, or --no-install)"));
    }
    println!("installing: {line}");
    run(Command::new("apt-get").args(["update", "-qq"]))?;
    let mut command = Command::new("apt-get");
    command.env("DEBIAN_FRONTEND", "noninteractive").args(["install", "-y", "-qq", "--no-install-recommends"]);
    run(command.args(missing))
}
