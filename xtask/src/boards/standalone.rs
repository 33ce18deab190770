//! The `ocellus` command for 64-bit Arm as one file that needs no library, and what it answers under emulation.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::emulate::output;
use super::row::Row;
use super::targets::{AARCH64, LINUX};
use crate::process::{has, program, read, root, run};
use crate::toolchain::{Library, Toolchain, advice};

/// The compiler's flags: a system library within the program, and no names of functions.
const FLAGS: [&str; 3] = ["-Clinker=aarch64-linux-gnu-gcc", "-Ctarget-feature=+crt-static", "-Cstrip=symbols"];

/// The network of which pictures with known answers ship, and how many are run.
const NET: &str = "lenet5";
const PICTURES: &str = "100";

/// Builds the command, and compares its answers with the workstation's.
///
/// # Errors
/// It does not build, or does not run to its end.
pub fn row() -> Result<Row, String> {
    let target = "aarch64 standalone";
    if !has("qemu-aarch64") || !has("aarch64-linux-gnu-gcc") {
        return Ok(Row::skipped(target, "needs qemu-aarch64 and aarch64-linux-gnu-gcc"));
    }
    let Some(toolchain) = Toolchain::find(AARCH64, Library::Std)? else {
        return Ok(Row::skipped(target, advice(AARCH64)));
    };
    // Beside the other programs: what is compiled with other flags would be compiled again for every turn.
    let folder = Toolchain::folder().join("standalone");
    let program = folder.join(AARCH64).join("release/ocellus");
    if !program.is_file() {
        eprintln!("building the ocellus command for {AARCH64}; the first time that takes minutes");
    }
    let build =
        ["build", "--quiet", "--release", "--locked", "-p", "ocellus-cli", "--no-default-features", "--bin", "ocellus"];
    run(&mut toolchain.cargo_into(&folder, &build, &FLAGS))?;
    let mut row = Row { target: target.to_owned(), ..Row::default() };
    answers(&mut row, &program, &plan(&folder)?)?;
    Ok(row)
}

/// A plan for the processor, with its self-tests.
fn plan(folder: &Path) -> Result<PathBuf, String> {
    let out = std::path::absolute(folder.join("plans")).map_err(|e| e.to_string())?;
    let mut export = program("ocellus")?;
    export.arg("export").arg(root().join(format!("tests/boards/models/{NET}.int8.onnx")));
    read(export.args(["--target", "aarch64", "-o"]).arg(&out))?;
    Ok(out.join(format!("{NET}.aarch64.plan")))
}

/// Pictures and self-tests, on the newest and the oldest of the processors. Nothing of the system library is given to the
/// emulator.
fn answers(row: &mut Row, command: &Path, plan: &Path) -> Result<(), String> {
    let eval = ["eval", "--json", "--data", "samples", "--limit", PICTURES];
    let mut here = program("ocellus")?;
    let want = read(here.args(eval).args(["--target", "portable"]).arg(plan))?;
    let want = checksum(&want).ok_or("the workstation's answers have no checksum")?.to_owned();
    for linux in LINUX.iter().filter(|l| matches!(l.cpu, "max" | "cortex-a53")) {
        let emulated = |arguments: &[&str]| {
            let mut qemu = Command::new("qemu-aarch64");
            qemu.args(["-cpu", linux.cpu]).arg(command).args(arguments).arg(plan);
            output(&mut qemu)
        };
        row.layers += 2;
        let found = emulated(&eval)?;
        if checksum(&found) != Some(&want) {
            row.fails(format!("other answers than the workstation's on {}: {}", linux.name, found.trim()));
        }
        if let Err(why) = emulated(&["verify"]) {
            row.fails(format!("a self-test fails on {}: {why}", linux.name));
        }
    }
    Ok(())
}

/// The checksum of all outputs, of what `ocellus eval --json` prints.
fn checksum(text: &str) -> Option<&str> {
    text.split("\"outputs_crc\":\"").nth(1)?.split('"').next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_found() {
        assert_eq!(checksum("{\"targets\":[{\"isa\":\"neon\",\"outputs_crc\":\"23528042\"}]}"), Some("23528042"));
        assert_eq!(checksum("{\"correct\":90}"), None);
    }
}
