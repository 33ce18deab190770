//! One arithmetic everywhere: the checksums of generated layers, against the portable ones of this machine.

use std::path::PathBuf;
use std::process::Command;

use super::emulate::{self, output};
use super::row::Row;
use super::targets::{AARCH64, BOARDS, Board, LINUX, WASM};
use crate::process::{cargo, has, root, run};
use crate::toolchain::{Library, Toolchain, advice, linker};

/// The program, as cargo knows it.
const PACKAGE: [&str; 9] =
    ["--quiet", "--release", "--locked", "-p", "ocellus-boards", "--features", "std", "--bin", "layers"];

/// The checksums of one instruction set.
#[derive(Debug, PartialEq, Eq)]
struct Checksums {
    isa: String,
    layers: Vec<u32>,
}

/// Reads what the program prints: `isa NAME`, then a checksum per line.
fn read(text: &str) -> Result<Vec<Checksums>, String> {
    let mut all: Vec<Checksums> = Vec::new();
    for line in text.lines() {
        if let Some(isa) = line.strip_prefix("isa ") {
            all.push(Checksums { isa: isa.to_owned(), layers: Vec::new() });
        } else if let (Ok(crc), Some(last)) = (u32::from_str_radix(line, 16), all.last_mut()) {
            last.layers.push(crc);
        } else {
            return Err(format!("a line that is no checksum: {line}"));
        }
    }
    Ok(all)
}

/// Compares every instruction set with what is expected.
fn compare(target: &str, want: &[u32], text: &str) -> Result<Row, String> {
    let mut row = Row { target: target.to_owned(), ..Row::default() };
    let all = read(text)?;
    for found in &all {
        if found.layers.len() != want.len() {
            return Err(format!("{target}: {} layers of {} were computed", found.layers.len(), want.len()));
        }
        let wrong: Vec<usize> = (0..want.len()).filter(|&k| want[k] != found.layers[k]).collect();
        row.layers += want.len();
        row.mismatches += wrong.len();
        if let Some(first) = wrong.first() {
            eprintln!("{target}: {}: {} layers differ, the first is {first}", found.isa, wrong.len());
        }
    }
    let names: Vec<&str> = all.iter().map(|c| c.isa.as_str()).collect();
    eprintln!("{target}: {} layers of {}: {} mismatches", want.len(), names.join(", "), row.mismatches);
    Ok(row)
}

/// Runs `count` layers everywhere.
///
/// # Errors
/// Something does not build, or does not run to its end.
pub fn rows(count: usize) -> Result<Vec<Row>, String> {
    let count_text = count.to_string();
    let mut host = cargo(&["run"]);
    let text = output(host.args(PACKAGE).args(["--", &count_text]))?;
    let portable = read(&text)?;
    let want = &portable.first().ok_or("the workstation computes no layers")?.layers;
    let mut rows = vec![compare(std::env::consts::ARCH, want, &text)?];
    rows.extend(linux(&count_text, want)?);
    for board in &BOARDS {
        rows.push(bare(board, &count_text, want)?);
    }
    for (name, flags) in WASM {
        rows.push(wasm(name, flags, &count_text, want)?);
    }
    Ok(rows)
}

fn linux(count: &str, want: &[u32]) -> Result<Vec<Row>, String> {
    match linux_program()? {
        Ok(program) => {
            let text = |l| output(&mut emulate::linux(l, &program, &[count]));
            LINUX.iter().map(|l| compare(l.name, want, &text(l)?)).collect()
        }
        Err(why) => Ok(LINUX.iter().map(|l| Row::skipped(l.name, why.clone())).collect()),
    }
}

fn bare(board: &Board, count: &str, want: &[u32]) -> Result<Row, String> {
    match bare_program(board)? {
        Ok(program) => compare(board.name, want, &output(&mut emulate::board(board, &program, &[count]))?),
        Err(why) => Ok(Row::skipped(board.name, why)),
    }
}

/// The program for 64-bit Arm processors with Linux, or why there is none.
///
/// # Errors
/// It does not build.
pub fn linux_program() -> Result<Result<PathBuf, String>, String> {
    if !has("qemu-aarch64") || !has("aarch64-linux-gnu-gcc") {
        return Ok(Err("needs qemu-aarch64 and aarch64-linux-gnu-gcc".to_owned()));
    }
    let Some(toolchain) = Toolchain::find(AARCH64, Library::Std)? else { return Ok(Err(advice(AARCH64))) };
    run(toolchain.cargo(&["build"], &["-Clinker=aarch64-linux-gnu-gcc"]).args(PACKAGE))?;
    Ok(Ok(toolchain.program("layers")))
}

/// The program for a board, or why there is none.
///
/// # Errors
/// It does not build.
pub fn bare_program(board: &Board) -> Result<Result<PathBuf, String>, String> {
    if !has("qemu-system-arm") {
        return Ok(Err("needs qemu-system-arm".to_owned()));
    }
    let Some(toolchain) = Toolchain::find(board.target, Library::Core)? else {
        return Ok(Err(advice(board.target)));
    };
    let linker = linker().map(|l| format!("-Clinker={}", l.display()));
    let flags: Vec<&str> = board.flags.iter().copied().chain(linker.as_deref()).collect();
    let mut build = toolchain.cargo(&["build", "--quiet", "--release", "--locked", "--bin", "layers"], &flags);
    run(build.args(["--features", board.machine]).current_dir(root().join("firmware")))?;
    Ok(Ok(toolchain.program("layers")))
}

fn wasm(name: &str, flags: &[&str], count: &str, want: &[u32]) -> Result<Row, String> {
    const TARGET: &str = "wasm32-unknown-unknown";
    if !has("node") {
        return Ok(Row::skipped(name, "needs node"));
    }
    let Some(toolchain) = Toolchain::find(TARGET, Library::Core)? else {
        return Ok(Row::skipped(name, advice(TARGET)));
    };
    let linker = linker().map(|l| format!("-Clinker={}", l.display()));
    let flags: Vec<&str> = flags.iter().copied().chain(linker.as_deref()).collect();
    let mut build = toolchain.cargo(&["build", "--quiet", "--release", "--locked"], &flags);
    run(build.current_dir(root().join("tests/wasm")))?;
    let mut node = Command::new("node");
    node.arg(root().join("tests/wasm/run.mjs")).arg(toolchain.program("ocellus_wasm_layers.wasm"));
    compare(name, want, &output(node.args([name, count]))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_compared_by_instruction_set() {
        let text = "isa portable\n00000001\n0000000a\nisa neon\n00000001\n0000000b\n";
        let row = compare("x", &[1, 10], text).unwrap();
        assert_eq!((row.layers, row.mismatches), (4, 1));
        assert!(compare("x", &[1], text).is_err());
        assert!(read("hello").is_err());
    }
}
