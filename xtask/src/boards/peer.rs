//! TensorFlow Lite Micro on the same networks, from the record of a measurement.

use std::fmt::Write;
use std::fs;

use super::nets::NETS;
use super::row::Row;
use crate::process::root;

/// The record, from the workspace's folder.
const RECORD: &str = "benches/record/tflm.tsv";

/// A line for every network that was counted on a core of which the record has figures.
pub fn compared(rows: &[Row]) -> String {
    let record = fs::read_to_string(root().join(RECORD)).unwrap_or_default();
    let mut text =
        format!("instructions of one inference beside TensorFlow Lite Micro ({RECORD}); they are not cycles\n");
    for row in rows {
        if let Some(line) = line(row, &record) {
            let _ = writeln!(text, "{line}");
        }
    }
    text.trim_end().to_owned()
}

fn line(row: &Row, record: &str) -> Option<String> {
    let (core, net) = row.target.split_once(' ')?;
    let column = match core {
        "cortex-m4" => 2,
        "cortex-m55" => 3,
        _ => return None,
    };
    let (_, macs) = NETS.into_iter().find(|(name, _)| *name == net)?;
    let fields: Vec<&str> = record.lines().map(|l| l.split('\t').collect::<Vec<_>>()).find(|f| f[0] == net)?;
    let (ram, theirs): (usize, u64) = (fields.get(1)?.parse().ok()?, fields.get(column)?.parse().ok()?);
    let ours = (row.instr_per_mac? * macs as f64).round() as u64;
    let times = theirs as f64 / ours as f64;
    Some(format!(
        "{:<34} {ours:>9} of {theirs:>9} ({times:.2} times fewer), arena {} of {ram}",
        row.target, row.ram_predicted?
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_compared_with_its_core() {
        let row = Row {
            target: "cortex-m4 keyword_spotting".to_owned(),
            instr_per_mac: Some(1.0),
            ram_predicted: Some(16_000),
            ..Row::default()
        };
        let text = line(&row, "# head\nkeyword_spotting\t22824\t5313536\t1784086\n").unwrap();
        assert!(text.ends_with("2656768 of   5313536 (2.00 times fewer), arena 16000 of 22824"), "{text}");
        assert!(line(&Row { target: "cortex-m7 x".to_owned(), ..row }, "").is_none());
    }
}
