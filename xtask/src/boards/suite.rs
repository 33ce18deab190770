//! The device crates' own tests on an emulated 64-bit Arm processor.

use super::emulate::CROSS_LIBRARY;
use super::row::Row;
use super::targets::{AARCH64, LINUX, Linux};
use crate::process::has;
use crate::toolchain::{Library, Toolchain, advice};

/// The crates.
const PACKAGES: [&str; 6] = ["-p", "ocellus-plan", "-p", "ocellus-kernels", "-p", "ocellus-runtime"];

/// Runs them with every instruction set and with the oldest one; a row counts tests as layers.
///
/// # Errors
/// They do not build.
pub fn rows() -> Result<Vec<Row>, String> {
    let cpus = LINUX.iter().filter(|l| matches!(l.cpu, "max" | "cortex-a53"));
    cpus.map(one).collect()
}

fn one(linux: &Linux) -> Result<Row, String> {
    let target = format!("{} tests", linux.name);
    if !has("qemu-aarch64") || !has("aarch64-linux-gnu-gcc") {
        return Ok(Row::skipped(&target, "needs qemu-aarch64 and aarch64-linux-gnu-gcc"));
    }
    let Some(toolchain) = Toolchain::find(AARCH64, Library::Std)? else {
        return Ok(Row::skipped(&target, advice(AARCH64)));
    };
    let arguments = ["test", "--quiet", "--release", "--locked", "--lib", "--tests", "--no-fail-fast"];
    let mut test = toolchain.cargo(&arguments, &["-Clinker=aarch64-linux-gnu-gcc"]);
    let runner = format!("qemu-aarch64 -cpu {} -L {CROSS_LIBRARY}", linux.cpu);
    test.args(PACKAGES).env("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER", runner);
    let output = test.output().map_err(|e| format!("cargo does not start: {e}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let row = counted(target, &text);
    if row.layers == 0 || (!output.status.success() && row.mismatches == 0) {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("the tests for {AARCH64} do not run: {}", said.trim()));
    }
    Ok(row)
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
}
