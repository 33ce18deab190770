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
}

impl Counts {
    /// Takes a line of `cargo test -- --show-output`, and returns what to show of it.
    fn line(&mut self, line: &str) -> Option<String> {
        if let Some(result) = line.strip_prefix("test result: ") {
            self.quiet = false;
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
        }
        if let Some(name) = line.strip_prefix("---- ").and_then(|l| l.strip_suffix(" stdout ----")) {
            self.current = name.to_owned();
        }
        if line.starts_with("skipped") {
            self.skipped += 1;
            return Some(format!("{} {line}", self.current).trim_start().to_owned());
        }
        if self.quiet { None } else { Some(line.to_owned()) }
    }
}

/// Installs what is missing, checks the device crates, runs what boards run under emulation, and runs `cargo test`.
pub fn test(may_install: bool) -> Outcome {
    say_first_build();
    let missing = install(may_install);
    let mut counts = Counts { skipped: missing, ..Counts::default() };
    counts.skipped += device_check()?;
    let rows = boards::rows(boards::Options { full: false, json: false, install: may_install })?;
    println!("{}", boards::table(&rows));
    counts.skipped += rows.iter().map(|r| r.skipped.len()).sum::<usize>();
    counts.passed += rows.iter().filter(|r| r.holds() && r.skipped.is_empty()).count();
    counts.failed += rows.iter().filter(|r| !r.holds()).count();
    let arguments = ["test", "--release", "--workspace", "--locked", "--no-fail-fast", "--", "--show-output"];
    let mut command = cargo(&arguments);
    let mut child =
        command.stdout(Stdio::piped()).spawn().map_err(|e| format!("`{}` does not start: {e}", words(&command)))?;
    let output = child.stdout.take().ok_or("the output of cargo cannot be read")?;
    for line in BufReader::new(output).lines() {
        let line = line.map_err(|e| e.to_string())?;
        if let Some(shown) = counts.line(&line) {
            println!("{shown}");
        }
    }
    let status = child.wait().map_err(|e| e.to_string())?;
    println!("\n{} passed, {} failed, {} skipped", counts.passed, counts.failed, counts.skipped);
    if status.success() && counts.failed == 0 { Ok(()) } else { Err("there are tests that fail".to_owned()) }
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
}
