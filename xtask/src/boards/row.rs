//! What was found for a target, and how it is printed.

use std::fmt::Write;

use super::pictures::Answers;

/// A line of the table.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Row {
    /// The processor, with the network where there is one.
    pub target: String,
    /// Layers that were compared, over all instruction sets.
    pub layers: usize,
    /// How many of them differ from the workstation's portable result.
    pub mismatches: usize,
    /// Bytes of memory that the compiler says.
    pub ram_predicted: Option<usize>,
    /// Bytes of memory that were touched.
    pub ram_measured: Option<usize>,
    /// Executed instructions over multiply-accumulates.
    pub instr_per_mac: Option<f64>,
    /// Pictures that were answered right, and all of them.
    pub right: Option<(usize, usize)>,
    /// Why something was not run.
    pub skipped: Vec<String>,
    /// What is not as promised.
    pub wrong: Vec<String>,
}

impl Row {
    /// A line for a target that could not be run.
    pub fn skipped(target: &str, why: impl Into<String>) -> Self {
        Self { target: target.to_owned(), skipped: vec![why.into()], ..Self::default() }
    }

    /// Takes the answers to pictures; too few right ones are a mismatch.
    pub fn pictures(&mut self, answers: Answers) {
        let Answers { all, right, mismatches, wanted } = answers;
        if let Some(right) = right {
            eprintln!("{}: {right} of {all} pictures right", self.target);
            if right < wanted {
                self.fails(format!("{right} pictures are right, {wanted} have to be"));
            }
        }
        eprintln!("{}: {mismatches} of {all} answers to pictures unlike the workstation's", self.target);
        self.layers += all;
        self.mismatches += mismatches;
        self.right = right.map(|right| (right, all));
    }

    /// Takes what is not as promised, which is a mismatch too.
    pub fn fails(&mut self, why: impl Into<String>) {
        self.mismatches += 1;
        self.wrong.push(why.into());
    }

    /// What does not hold, one reason after the other.
    pub fn reasons(&self) -> Vec<String> {
        let mut reasons = self.wrong.clone();
        if self.mismatches > self.wrong.len() {
            reasons.push(format!("{} results unlike the workstation's", self.mismatches - self.wrong.len()));
        }
        if let Row { ram_measured: Some(measured), ram_predicted: Some(predicted), .. } = self
            && measured != predicted
        {
            reasons.push(format!("{measured} bytes of memory were touched, {predicted} were predicted"));
        }
        reasons
    }

    /// Whether everything that was run is as on the workstation.
    pub fn holds(&self) -> bool {
        self.mismatches == 0 && (self.ram_measured.is_none() || self.ram_measured == self.ram_predicted)
    }
}

/// The table, aligned, with the reasons of skips below.
pub fn table(rows: &[Row]) -> String {
    let head =
        ["target", "layers", "mismatches", "ram predicted", "ram measured", "instr/MAC", "right"].map(str::to_owned);
    let dash = || "-".to_owned();
    let mut lines = vec![head.to_vec()];
    for row in rows {
        let bytes = |n: Option<usize>| n.map_or_else(dash, |n| n.to_string());
        let ratio = row.instr_per_mac.map_or_else(dash, |n| format!("{n:.3}"));
        let (layers, mismatches) = (row.layers.to_string(), row.mismatches.to_string());
        let (predicted, measured) = (bytes(row.ram_predicted), bytes(row.ram_measured));
        let right = row.right.map_or_else(dash, |(right, all)| format!("{right}/{all}"));
        lines.push(vec![row.target.clone(), layers, mismatches, predicted, measured, ratio, right]);
    }
    let mut text = aligned(&lines);
    for row in rows.iter().filter(|row| !row.holds()) {
        for why in row.reasons() {
            let _ = writeln!(text, "failed: {}: {why}", row.target);
        }
    }
    for row in rows {
        for why in &row.skipped {
            let _ = writeln!(text, "skipped: {}: {why}", row.target);
        }
    }
    text.trim_end().to_owned()
}

/// Lines whose cells stand below each other: the first of every line at the left, the others at the right.
pub fn aligned(lines: &[Vec<String>]) -> String {
    let width = |k: usize| lines.iter().filter_map(|l| l.get(k)).map(String::len).max().unwrap_or(0);
    let mut text = String::new();
    for line in lines {
        for (k, cell) in line.iter().enumerate() {
            let width = width(k);
            let _ = if k == 0 { write!(text, "{cell:<width$}") } else { write!(text, "  {cell:>width$}") };
        }
        text.push('\n');
    }
    text
}

/// A JSON string.
pub fn quoted(s: &str) -> String {
    format!("\"{}\"", s.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}

/// A JSON array with an object for every line.
pub fn json(rows: &[Row]) -> String {
    let number = |n: Option<usize>| n.map_or_else(|| "null".to_owned(), |n| n.to_string());
    let one = |row: &Row| {
        let skipped: Vec<String> = row.skipped.iter().map(|s| quoted(s)).collect();
        format!(
            "{{\"target\":{},\"layers\":{},\"mismatches\":{},\"ram_predicted\":{},\"ram_measured\":{},\
             \"instr_per_mac\":{},\"skipped\":[{}]}}",
            quoted(&row.target),
            row.layers,
            row.mismatches,
            number(row.ram_predicted),
            number(row.ram_measured),
            row.instr_per_mac.map_or_else(|| "null".to_owned(), |n| format!("{n:.4}")),
            skipped.join(",")
        )
    };
    format!("[{}]", rows.iter().map(one).collect::<Vec<_>>().join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_printed_both_ways() {
        let rows = [
            Row { target: "m4".to_owned(), layers: 1000, instr_per_mac: Some(1.25), ..Row::default() },
            Row::skipped("wasm32", "no \"node\""),
        ];
        assert_eq!(
            json(&rows),
            "[{\"target\":\"m4\",\"layers\":1000,\"mismatches\":0,\"ram_predicted\":null,\
             \"ram_measured\":null,\"instr_per_mac\":1.2500,\"skipped\":[]},{\"target\":\"wasm32\",\"layers\":0,\
             \"mismatches\":0,\"ram_predicted\":null,\"ram_measured\":null,\"instr_per_mac\":null,\
             \"skipped\":[\"no \\\"node\\\"\"]}]"
        );
        let text = table(&rows);
        assert!(text.contains("m4        1000           0              -             -      1.250      -"), "{text}");
        assert!(text.ends_with("skipped: wasm32: no \"node\""), "{text}");
    }

    #[test]
    fn memory_has_to_be_as_predicted() {
        let row = Row { ram_predicted: Some(100), ram_measured: Some(100), ..Row::default() };
        assert!(row.holds());
        assert!(!Row { ram_measured: Some(101), ..row.clone() }.holds());
        assert!(!Row { mismatches: 1, ..row }.holds());
    }

    #[test]
    fn what_does_not_hold_is_said() {
        let mut row = Row { target: "m4".to_owned(), mismatches: 2, ..Row::default() };
        row.fails("too much code");
        row.ram_measured = Some(101);
        row.ram_predicted = Some(100);
        assert!(!row.holds());
        let text = table(&[row]);
        assert!(text.contains("failed: m4: too much code\nfailed: m4: 2 results unlike"), "{text}");
        assert!(text.contains("101 bytes of memory were touched, 100"), "{text}");
    }
}
