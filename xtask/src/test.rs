//! Runs every test and says what was skipped.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use crate::Outcome;
use crate::boards;
use crate::device_check::device_check;
use crate::install::install;
use crate::process::{cargo, say_first_build, words};

/// Counts over all test programs.
#[derive(Debug, Default, PartialEq, Eq)]
struct Counts {
    passed: usize,
    failed: usize,
    skipped: usize,
    /// Inside the output of tests that passed, of which only skips are shown.
    quiet: bool,
    /// The test whose output follows.
    current: String,
    /// What failed, with the end of what each test said: repeated after everything else, where it is looked for.
    failures: Vec<Failure>,
    /// Inside the output of tests that failed.
    failing: bool,
}

/// A test that failed.
#[derive(Debug, PartialEq, Eq)]
struct Failure {
    test: String,
    said: Vec<String>,
}

/// Lines of what a failed test said that are repeated: a panic's message is among the last ones.
const REPEATED: usize = 40;

impl Counts {
    /// Takes a line of `cargo test -- --show-output`, and returns what to show of it.
    fn line(&mut self, line: &str) -> Option<String> {
        if let Some(result) = line.strip_prefix("test result: ") {
            self.quiet = false;
            self.failing = false;
            let number = |what: &str| {
                let part = result.split([';', '.']).map(str::trim).find_map(|p| p.strip_suffix(what));
                part.and_then(|n| n.trim().parse::<usize>().ok()).unwrap_or(0)
            };
            self.passed += number("passed");
            self.failed += number("failed");
            self.skipped += number("ignored");
            return Some(line.to_owned());
        }
        if line == "successes:" {
            self.quiet = true;
            return None;
        }
        if line == "failures:" {
            self.quiet = false;
            // Their output comes first, their names alone afterwards.
            self.failing = !self.failing;
        }
        if let Some(name) = line.strip_prefix("---- ").and_then(|l| l.strip_suffix(" stdout ----")) {
            self.current = name.to_owned();
            if self.failing {
                self.failures.push(Failure { test: name.to_owned(), said: Vec::new() });
            }
        } else if let Some(failure) = self.failures.last_mut().filter(|_| self.failing) {
            failure.said.push(line.to_owned());
        }
        if line.starts_with("skipped") {
            self.skipped += 1;
            return Some(format!("{} {line}", self.current).trim_start().to_owned());
        }
        if self.quiet { None } else { Some(line.to_owned()) }
    }

    /// Says again what failed.
    fn repeat_failures(&self) {
        for Failure { test, said } in &self.failures {
            println!("\nfailed: {test}");
            let said: Vec<&String> = said.iter().filter(|l| !l.trim().is_empty()).collect();
            for line in said.iter().skip(said.len().saturating_sub(REPEATED)) {
                println!("  {line}");
            }
        }
    }
}

/// Installs what is missing, checks the device crates, runs what boards run under emulation, and runs `cargo test`.
pub fn test(may_install: bool) -> Outcome {
    say_first_build();
    let missing = install(may_install);
    let mut counts = Counts { skipped: missing, ..Counts::default() };
    counts.skipped += device_check()?;
    let found = boards::run(boards::Options { full: false, kernels: false, json: false, install: may_install })?;
    println!("{}", found.text());
    counts.skipped += found.skipped();
    let rows = found.rows;
    counts.passed += rows.iter().filter(|r| r.holds() && r.skipped.is_empty()).count();
    counts.failed += rows.iter().filter(|r| !r.holds()).count();
    let whole = run_tests(&["--workspace"], &mut counts)?;
    // Variants for AVX-VNNI and AVX-512 have run where the CPU has them; here they run with the meaning of every intrinsic.
    let emulated = run_tests(&["-p", "ocellus-kernels", "--features", "emulated"], &mut counts)?;

    counts.repeat_failures();
    for row in rows.iter().filter(|r| !r.holds()) {
        println!("\nfailed: {}: {}", row.target, row.reasons().join("; "));
    }
    println!("\n{} passed, {} failed, {} skipped", counts.passed, counts.failed, counts.skipped);
    if whole && emulated && counts.failed == 0 { Ok(()) } else { Err("there are tests that fail".to_owned()) }
}

/// Runs the tests of these packages, and returns whether all built and passed.
fn run_tests(packages: &[&str], counts: &mut Counts) -> Result<bool, String> {
    let mut command = cargo(&["test", "--release", "--locked", "--no-fail-fast"]);
    command.args(packages).args(["--", "--show-output"]);
    let mut child =
        command.stdout(Stdio::piped()).spawn().map_err(|e| format!("`{}` does not start: {e}", words(&command)))?;
    let output = child.stdout.take().ok_or("the output of cargo cannot be read")?;
    for line in BufReader::new(output).lines() {
        let line = line.map_err(|e| e.to_string())?;
        if let Some(shown) = counts.line(&line) {
            println!("{shown}");
        }
    }
    Ok(child.wait().map_err(|e| e.to_string())?.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_summed_and_skips_are_shown() {
        let text = "running 2 tests\ntest a ... ok\ntest b ... ok\n\nsuccesses:\n\n---- b stdout ----\nnoise\n\
                    skipped: no GPU\n\n\nsuccesses:\n    a\n    b\n\n\
                    test result: ok. 2 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s\n\
                    test result: FAILED. 3 passed; 4 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.1s";
        let mut counts = Counts::default();
        let shown: Vec<String> = text.lines().filter_map(|l| counts.line(l)).collect();
        assert_eq!((counts.passed, counts.failed, counts.skipped), (5, 4, 2));
        assert!(shown.contains(&"b skipped: no GPU".to_owned()), "{shown:?}");
        assert!(!shown.contains(&"noise".to_owned()));
    }

    #[test]
    fn failures_are_kept_with_what_they_said() {
        let text = "running 2 tests\ntest a ... ok\ntest b ... FAILED\n\nsuccesses:\n\n---- a stdout ----\nfine\n\n\n\
                    successes:\n    a\n\nfailures:\n\n---- b stdout ----\nleft: 1\nright: 2\n\n\nfailures:\n    b\n\n\
                    test result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.1s\n\
                    running 1 test\ntest c ... ok";
        let mut counts = Counts::default();
        text.lines().for_each(|l| drop(counts.line(l)));
        assert_eq!(counts.failures.len(), 1, "{:?}", counts.failures);
        assert_eq!(counts.failures[0].test, "b");
        assert_eq!(counts.failures[0].said[..2], ["left: 1", "right: 2"]);
        assert!(!counts.failing);
    }
}
