//! Counts executed instructions with a plugin of QEMU, which is compiled when it is needed.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use super::emulate::output;
use crate::process::{has, read, root};
use crate::toolchain::Toolchain;

/// The compiled plugin.
pub struct Counter {
    plugin: PathBuf,
}

/// Executed instructions by symbol.
#[derive(Debug, PartialEq, Eq)]
pub struct Counts(BTreeMap<String, u64>);

impl Counter {
    /// Compiles the plugin.
    ///
    /// # Errors
    /// There is no C compiler, or it refuses.
    pub fn build() -> Result<Self, String> {
        if !has("cc") {
            return Err("needs cc".to_owned());
        }
        let folder = Toolchain::folder();
        fs::create_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
        let plugin = folder.join("count.so");
        read(
            Command::new("cc")
                .args(["-O2", "-shared", "-fPIC", "-o"])
                .arg(&plugin)
                .arg(root().join("xtask/src/boards/count.c")),
        )?;
        Ok(Self { plugin })
    }

    /// Runs an emulator with the plugin.
    ///
    /// # Errors
    /// The program does not run to its end.
    pub fn count(&self, emulator: &Command) -> Result<Counts, String> {
        Ok(Counts::read(&self.run(emulator, "")?.0))
    }

    /// The same in parts, cut wherever a function is entered whose symbol has `mark` in it; and what the program prints.
    ///
    /// # Errors
    /// The program does not run to its end.
    pub fn parts(&self, emulator: &Command, mark: &str) -> Result<(Vec<Counts>, String), String> {
        let (counts, printed) = self.run(emulator, &format!(",mark={mark}"))?;
        Ok((counts.split("mark\n").map(Counts::read).collect(), printed))
    }

    /// What the plugin writes, and what the program prints.
    fn run(&self, emulator: &Command, more: &str) -> Result<(String, String), String> {
        let out = self.plugin.with_extension("txt");
        let mut command = Command::new(emulator.get_program());
        command.arg("-plugin").arg(format!("{},out={}{more}", self.plugin.display(), out.display()));
        command.args(emulator.get_args());
        let printed = output(&mut command)?;
        let counts = fs::read_to_string(&out).map_err(|e| format!("{}: {e}", out.display()))?;
        Ok((counts, printed))
    }
}

impl Counts {
    /// Reads what the plugin writes.
    pub fn read(text: &str) -> Self {
        let line = |l: &str| {
            let (count, symbol) = l.split_once(' ')?;
            Some((symbol.to_owned(), count.parse().ok()?))
        };
        Self(text.lines().filter_map(line).collect())
    }

    /// What was executed beyond another run.
    pub fn since(self, less: &Self) -> Self {
        let rest = |(symbol, count): (String, u64)| {
            let count = count.saturating_sub(less.0.get(&symbol).copied().unwrap_or(0));
            (count > 0).then_some((symbol, count))
        };
        Self(self.0.into_iter().filter_map(rest).collect())
    }

    /// All together.
    pub fn total(&self) -> u64 {
        self.0.values().sum()
    }

    /// The symbols with the most, by their paths.
    pub fn symbols(&self, count: usize) -> Vec<(String, u64)> {
        let mut all: Vec<(&String, &u64)> = self.0.iter().collect();
        all.sort_by_key(|(_, n)| std::cmp::Reverse(**n));
        all.into_iter().take(count).map(|(symbol, n)| (short(symbol), *n)).collect()
    }

    /// A line for each of the symbols with the most.
    pub fn largest(&self, count: usize) -> String {
        let mut text = String::new();
        for (symbol, n) in self.symbols(count) {
            let _ = writeln!(text, "  {n:>10}  {symbol}");
        }
        text
    }
}

/// The path in a mangled symbol, without its hash: `_ZN3abc3def17h0123456789abcdefE` is `abc::def`.
fn short(symbol: &str) -> String {
    let Some(mut rest) = symbol.strip_prefix("_ZN") else { return symbol.to_owned() };
    let mut parts = Vec::new();
    while let Some(end) = rest.find(|c: char| !c.is_ascii_digit()).filter(|&end| end > 0) {
        let Some(part) = rest[..end].parse().ok().and_then(|len: usize| rest.get(end..end + len)) else { break };
        rest = &rest[end + part.len()..];
        parts.push(part);
    }
    if parts.last().is_some_and(|p| p.len() == 17 && p.starts_with('h')) {
        parts.pop();
    }
    parts.join("::")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_difference_of_two_runs_is_one_inference() {
        let (two, one) =
            (Counts::read("10 main\n70 _ZN3abc3def17h0123456789abcdefE\n"), Counts::read("10 main\n30 x\n"));
        let run = two.since(&one);
        assert_eq!(run.total(), 70);
        assert_eq!(run.largest(3), "          70  abc::def\n");
    }
}
