//! The tests of the crates on emulated 64-bit Arm processors.

use super::emulate::CROSS_LIBRARY;
use super::row::Row;
use super::targets::{AARCH64, LINUX, Linux};
use crate::process::has;
use crate::toolchain::{Library, Toolchain, advice};

/// What runs on a board and differs between processors.
const DEVICE: [&str; 3] = ["ocellus-plan", "ocellus-kernels", "ocellus-runtime"];

/// What runs on boards with Linux as everywhere.
const HOST: [&str; 8] = [
    "ocellus-vision",
    "ocellus-capi",
    "ocellus-boards",
    "ocellus-graph",
    "ocellus-ops",
    "ocellus-compiler",
    "ocellus-build",
    "ocellus-models",
];

/// The crates whose tests are not run there, and why.
const LEFT_OUT: [(&str, &str); 2] = [
    ("trainer, quantizer, backend, tests, cli", "their tests run whole graphs by an engine, which boards have not"),
    ("benches, xtask", "they serve the workstation"),
];

/// Runs those of the device crates with every instruction set and with the oldest one, the others with the first; a row
/// counts tests as layers.
///
/// # Errors
/// They do not build.
pub fn rows() -> Result<Vec<Row>, String> {
    let mut rows = Vec::new();
    for linux in LINUX.iter().filter(|l| matches!(l.cpu, "max" | "cortex-a53")) {
        rows.push(one(linux, "tests of device crates", &DEVICE)?);
    }
    let mut host = one(&LINUX[0], "tests of host crates", &HOST)?;
    host.skipped.extend(LEFT_OUT.map(|(crates, why)| format!("{crates}: {why}")));
    rows.push(host);
    Ok(rows)
}

fn one(linux: &Linux, what: &str, packages: &[&str]) -> Result<Row, String> {
    let target = format!("{} {what}", linux.name);
    if !has("qemu-aarch64") || !has("aarch64-linux-gnu-gcc") {
        return Ok(Row::skipped(&target, "needs qemu-aarch64 and aarch64-linux-gnu-gcc"));
    }
    let Some(toolchain) = Toolchain::find(AARCH64, Library::Std)? else {
        return Ok(Row::skipped(&target, advice(AARCH64)));
    };
    let arguments = ["test", "--quiet", "--release", "--locked", "--lib", "--tests", "--no-fail-fast"];
    let mut test = toolchain.cargo(&arguments, &["-Clinker=aarch64-linux-gnu-gcc"]);
    let runner = format!("qemu-aarch64 -cpu {} -L {CROSS_LIBRARY}", linux.cpu);
    test.args(packages.iter().flat_map(|package| ["-p", package]));
    test.env("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER", runner);
    let output = test.output().map_err(|e| format!("cargo does not start: {e}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let row = counted(target, &text);
    if row.mismatches > 0 {
        eprintln!("{}", failures(&text));
    }
    if row.layers == 0 || (!output.status.success() && row.mismatches == 0) {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("the tests for {AARCH64} do not run: {}", said.trim()));
    }
    Ok(row)
}

/// What tests that failed said.
fn failures(text: &str) -> String {
    let mut inside = false;
    let lines = text.lines().filter(|line| {
        inside = (inside || *line == "failures:") && !line.starts_with("test result: ");
        inside
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// The sums of cargo's results.
fn counted(target: String, text: &str) -> Row {
    let number = |what: &str| -> usize {
        let results = text.lines().filter_map(|l| l.strip_prefix("test result: "));
        let parts = results.flat_map(|r| r.split([';', '.']).map(str::trim));
        parts.filter_map(|p| p.strip_suffix(what)?.trim().parse::<usize>().ok()).sum()
    };
    let (passed, failed) = (number("passed"), number("failed"));
    Row { target, layers: passed + failed, mismatches: failed, ..Row::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_summed() {
        let text =
            "test result: ok. 5 passed; 0 failed; 0 ignored\n\ntest result: FAILED. 2 passed; 1 failed; 0 ignored";
        let row = counted("x".to_owned(), text);
        assert_eq!((row.layers, row.mismatches), (8, 1));
    }

    #[test]
    fn only_what_failed_is_repeated() {
        let text = "running 2 tests\n.F\nfailures:\n\n---- a stdout ----\nleft: 1\n\nfailures:\n    a\n\n\
                    test result: FAILED. 1 passed; 1 failed\nrunning 1 test\n.";
        assert_eq!(failures(text), "failures:\n\n---- a stdout ----\nleft: 1\n\nfailures:\n    a\n");
    }
}
