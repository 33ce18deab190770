//! ONNX's conformance cases against the lists of those that must pass.
//!
//! The lists may only grow: `OCELLUS_UPDATE_EXPECTED=1` adds the cases that have come to pass, and changes nothing while
//! a listed one does not.

use std::fs;

use ocellus_tests::conformance::{self, Column, EVAL, Outcome};
use ocellus_tests::conformance_plan::PLAN;
use ocellus_tests::fetch;

#[test]
fn eval() {
    column(EVAL);
}

#[test]
fn plan() {
    column(PLAN);
}

fn column(column: Column) {
    let folder = match fetch::cases() {
        Ok(folder) => folder,
        Err(why) => {
            eprintln!("skipped: {why}");
            return;
        }
    };
    let reports = conformance::run_all(&folder, column).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(reports.len(), fetch::CASES, "cases in {}", folder.display());
    println!("{:<28} passed  not supported  failed", column.name);
    let totals = conformance::totals(&reports);
    for (op, [passed, refused, failed]) in &totals {
        println!("{op:<28} {passed:>6} {refused:>14} {failed:>7}");
    }
    let all = totals.values().fold([0; 3], |sum, counts| [0, 1, 2].map(|i| sum[i] + counts[i]));
    println!("{:<28} {:>6} {:>14} {:>7}", "all", all[0], all[1], all[2]);

    let path = conformance::list_path(column);
    let text = fs::read_to_string(&path).unwrap_or_default();
    let listed = conformance::read_list(&text);
    if let Err(problems) = conformance::judge(&reports, &listed, &conformance::deviations()) {
        panic!("{problems}");
    }
    let new = reports.iter().filter(|r| r.outcome == Outcome::Passed && !listed.contains(r.case.as_str())).count();
    if std::env::var_os("OCELLUS_UPDATE_EXPECTED").is_some() {
        fs::write(&path, conformance::write_list(&reports)).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        println!("{new} cases added to {}", path.display());
    } else if new > 0 {
        println!("{new} cases pass that are not listed yet; OCELLUS_UPDATE_EXPECTED=1 lists them");
    }
}
