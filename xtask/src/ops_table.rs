//! `docs/ops.md`, made from the operators' own records.

use std::fs;

use crate::Outcome;
use crate::process::{program, read, root, say_first_build};

/// Lists of conformance cases that pass, by column of the table.
const LISTS: [(&str, &str); 2] = [
    ("--eval-cases", "tests/conformance/expected_eval.txt"),
    ("--device-cases", "tests/conformance/expected_plan.txt"),
];

/// Writes the table, or checks that it is up to date.
pub fn ops_table(check: bool) -> Outcome {
    say_first_build();
    let mut command = program("ocellus")?;
    command.args(["ops", "--markdown"]);
    for (option, list) in LISTS {
        if root().join(list).is_file() {
            command.args([option, list]);
        }
    }
    let made = read(&mut command)?;
    let path = root().join("docs/ops.md");
    if check {
        let found = fs::read_to_string(&path).unwrap_or_default();
        return if found == made { Ok(()) } else { Err("docs/ops.md is old: run `cargo xtask ops-table`".to_owned()) };
    }
    fs::write(&path, made).map_err(|e| format!("{}: {e}", path.display()))
}
