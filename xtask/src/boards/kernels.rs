//! Executed instructions of every int8 kernel and of float convolutions on one shape, over what the shape has to compute.

use std::fmt::Write;

use super::count::{Counter, Counts};
use super::emulate;
use super::layers::{bare_program, linux_program};
use super::row::{aligned, quoted};
use super::targets::{BOARDS, Linux};

/// The function between whose calls instructions are counted, as it stands in a mangled symbol.
const MARK: &str = "6probes4mark";

/// The bare-metal cores; Cortex-M7 has the kernels of M4.
const CORES: [&str; 2] = ["cortex-m4", "cortex-m55"];

/// The vector instructions of 64-bit Arm, each by a processor on which they are the best.
const VECTORS: [Linux; 3] = [
    Linux { name: "aarch64 neon", cpu: "cortex-a53" },
    Linux { name: "aarch64 dotprod", cpu: "cortex-a76" },
    Linux { name: "aarch64 i8mm", cpu: "max" },
];

/// What was counted.
#[derive(Debug, Default)]
pub struct Kernels {
    all: Vec<Kernel>,
    skipped: Vec<String>,
}

/// A kernel on one shape of one target.
#[derive(Debug)]
struct Kernel {
    target: &'static str,
    name: String,
    /// What the shape has to compute: so many multiply-accumulates, outputs or inputs.
    work: u64,
    unit: String,
    instructions: u64,
    symbols: Vec<(String, u64)>,
}

impl Kernel {
    fn ratio(&self) -> f64 {
        self.instructions as f64 / self.work as f64
    }
}

/// Counts everywhere.
///
/// # Errors
/// The program does not build, or does not run to its end.
pub fn kernels() -> Result<Kernels, String> {
    let mut found = Kernels::default();
    let counter = match Counter::build() {
        Ok(counter) => counter,
        Err(why) => {
            found.skipped.push(why);
            return Ok(found);
        }
    };
    // The firmware for the other boards of a core's target replaces its program, so that it is built right before it runs.
    for board in BOARDS.iter().filter(|b| CORES.contains(&b.name)) {
        match bare_program(board)? {
            Ok(program) => {
                let (parts, printed) = counter.parts(&emulate::board(board, &program, &["0", "1"]), MARK)?;
                found.all.extend(read(board.name, &parts, &printed)?);
            }
            Err(why) => found.skipped.push(format!("{}: {why}", board.name)),
        }
    }
    match linux_program()? {
        Ok(program) => {
            for linux in &VECTORS {
                let (parts, printed) = counter.parts(&emulate::linux(linux, &program, &["0", "1"]), MARK)?;
                found.all.extend(read(linux.name, &parts, &printed)?);
            }
        }
        Err(why) => found.skipped.push(format!("aarch64: {why}")),
    }
    Ok(found)
}

/// What lies between the marks: first nothing, then a kernel, each after a part that prepares it.
fn read(target: &'static str, parts: &[Counts], printed: &str) -> Result<Vec<Kernel>, String> {
    let mut between = parts.iter().skip(1).step_by(2);
    let nothing = between.next().ok_or("no mark was passed")?;
    let mut all = Vec::new();
    for line in printed.lines().filter_map(|l| l.strip_prefix("probe ")) {
        let mut words = line.splitn(3, ' ');
        let (Some(work), Some(unit), Some(name)) = (words.next(), words.next(), words.next()) else {
            return Err(format!("{target}: a line that is no probe: {line}"));
        };
        let work = work.parse().ok().filter(|&n| n > 0).ok_or_else(|| format!("{target}: no work: {line}"))?;
        let counts = between.next().ok_or_else(|| format!("{target}: nothing was counted of {name}"))?;
        all.push(Kernel {
            target,
            name: name.to_owned(),
            work,
            unit: unit.to_owned(),
            instructions: counts.total().saturating_sub(nothing.total()),
            symbols: counts.symbols(3),
        });
    }
    if all.is_empty() { Err(format!("{target}: no probe was computed")) } else { Ok(all) }
}

impl Kernels {
    /// The table: a line for every kernel, a column for every target.
    pub fn table(&self) -> String {
        let mut targets: Vec<&str> = self.all.iter().map(|k| k.target).collect();
        targets.dedup();
        let head = ["kernel", "per"].into_iter().chain(targets.iter().copied()).map(str::to_owned).collect();
        let mut lines: Vec<Vec<String>> = vec![head];
        // Every kernel once, in the order in which targets have them.
        let mut names: Vec<&str> = Vec::new();
        for first in &self.all {
            if names.contains(&first.name.as_str()) {
                continue;
            }
            names.push(&first.name);
            let ratio = |target: &&str| {
                let kernel = self.all.iter().find(|k| k.target == *target && k.name == first.name);
                kernel.map_or_else(|| "-".to_owned(), |k| format!("{:.3}", k.ratio()))
            };
            let mut line = vec![first.name.clone(), first.unit.clone()];
            line.extend(targets.iter().map(ratio));
            lines.push(line);
        }
        let mut text = "executed instructions of one execution, over its work; they are not cycles\n".to_owned();
        text.push_str(&aligned(&lines));
        for why in &self.skipped {
            let _ = writeln!(text, "skipped: kernels: {why}");
        }
        text.trim_end().to_owned()
    }

    /// The functions in which the instructions are.
    pub fn symbols(&self) -> String {
        let mut text = String::new();
        for kernel in &self.all {
            let _ = writeln!(text, "{}: {}: {} instructions", kernel.target, kernel.name, kernel.instructions);
            for (symbol, n) in &kernel.symbols {
                let _ = writeln!(text, "  {n:>10}  {symbol}");
            }
        }
        text.trim_end().to_owned()
    }

    /// A JSON array with an object for every kernel and target.
    pub fn json(&self) -> String {
        let one = |k: &Kernel| {
            let symbols: Vec<String> = k.symbols.iter().map(|(symbol, n)| format!("{}:{n}", quoted(symbol))).collect();
            format!(
                "{{\"target\":{},\"kernel\":{},\"work\":{},\"unit\":{},\"instructions\":{},\"symbols\":{{{}}}}}",
                quoted(k.target),
                quoted(&k.name),
                k.work,
                quoted(&k.unit),
                k.instructions,
                symbols.join(",")
            )
        };
        format!("[{}]", self.all.iter().map(one).collect::<Vec<_>>().join(","))
    }

    /// How many targets were not run.
    pub fn skipped(&self) -> usize {
        self.skipped.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_second_part_is_a_kernel() {
        let parts: Vec<Counts> =
            ["900 Reset\n", "3 mark\n", "70 prepare\n", "40 f\n3 mark\n", "9 exit\n"].map(Counts::read).into();
        let all = read("m4", &parts, "probe 20 MAC conv 3x3\nprobed\n").unwrap();
        assert_eq!((all[0].instructions, all[0].ratio()), (40, 2.0));
        assert!(read("m4", &parts, "probe 20 MAC a\nprobe 20 MAC b\nprobe 20 MAC c\n").is_err());
        assert!(read("m4", &parts, "").is_err() && read("m4", &parts, "probe x\n").is_err());
        let found = Kernels { all, skipped: vec!["m55: nothing".to_owned()] };
        let table = found.table();
        assert!(table.contains("conv 3x3  MAC  2.000\n"), "{table}");
        assert!(table.ends_with("skipped: kernels: m55: nothing"), "{table}");
        assert_eq!(
            found.json(),
            "[{\"target\":\"m4\",\"kernel\":\"conv 3x3\",\"work\":20,\"unit\":\"MAC\",\"instructions\":40,\
             \"symbols\":{\"f\":40,\"mark\":3}}]"
        );
    }
}
