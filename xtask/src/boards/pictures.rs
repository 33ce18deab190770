//! Pictures with known answers, on a board and on the workstation.

use std::path::Path;

use super::emulate::{self, output};
use super::nets::model_file;
use super::targets::Board;
use crate::process::{program, read};

/// The networks that have pictures: how many are taken, and how many have to be right at least.
const NETS: [(&str, usize, usize); 4] =
    [("lenet5", 200, 170), ("image_classification", 20, 18), ("visual_wake_words", 20, 20), ("detector_micro", 6, 0)];

/// What a board answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Answers {
    /// Pictures.
    pub all: usize,
    /// Answers that are right (or, without labels, those of the reference engine); `None` where nothing says what is right.
    pub right: Option<usize>,
    /// Answers that are not the workstation's to the bit.
    pub mismatches: usize,
    /// How many have to be right.
    pub wanted: usize,
}

/// Brings the pictures that no repository holds, once; why they are missing is said where they are needed.
pub fn fetch(allowed: bool) {
    if !allowed {
        return;
    }
    if let Err(problem) = program("ocellus").and_then(|mut fetch| read(fetch.args(["fetch", "foolbox"]))) {
        println!("skipped: {problem}");
    }
}

/// Runs the pictures of a network; `None` where it has none, and why where they are not there.
///
/// # Errors
/// The board does not run to its end.
pub fn answers(
    board: &Board,
    net: &str,
    plan: &Path,
    program: &Path,
) -> Result<Option<Result<Answers, String>>, String> {
    let Some((_, count, wanted)) = NETS.into_iter().find(|(name, ..)| *name == net) else { return Ok(None) };
    let inputs = plan.with_extension("samples");
    let want = match expected(net, plan, count, &inputs) {
        Ok(want) => want,
        Err(problem) => return Ok(Some(Err(problem))),
    };
    let name = inputs.to_str().ok_or("the folder's name is not UTF-8")?;
    let found = output(&mut emulate::board(board, program, &["0", "0", "0", name]))?;
    Ok(Some(Ok(compare(&want, &found, wanted))))
}

/// The workstation's answers: checksum, class, right class.
fn expected(net: &str, plan: &Path, count: usize, inputs: &Path) -> Result<String, String> {
    let mut command = program("board-samples")?;
    command.arg(net).arg(model_file(net));
    read(command.arg(plan).arg(count.to_string()).arg(inputs))
}

fn compare(want: &str, found: &str, wanted: usize) -> Answers {
    let samples = |text: &str| -> Vec<Vec<String>> {
        let lines = text.lines().filter_map(|l| l.strip_prefix("sample "));
        lines.map(|l| l.split_whitespace().map(str::to_owned).collect()).collect()
    };
    let (want, found) = (samples(want), samples(found));
    // An answer that is no class has a checksum alone.
    let compared = |w: &[String]| if w.get(2).is_some_and(|right| right == "-") { 1 } else { 2 };
    let same = want.iter().zip(&found).filter(|(w, f)| w.get(..compared(w)) == f.get(..compared(w))).count();
    let known = want.iter().any(|w| w.get(2).is_some_and(|class| class != "-"));
    let right = known.then(|| want.iter().zip(&found).filter(|(w, f)| w.get(2) == f.get(1)).count());
    Answers { all: want.len(), right, mismatches: want.len().max(found.len()) - same, wanted }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_compared_with_both() {
        let want = "sample 00000001 3 3\nsample 00000002 5 4\nsample 00000003 1 1\n";
        let found = "answer 0\nsample 00000001 3\nsample 00000002 5\nsample 00000004 2\narena 12\n";
        assert_eq!(compare(want, found, 1), Answers { all: 3, right: Some(1), mismatches: 1, wanted: 1 });
        let unknown = compare("sample 00000001 3 -\n", "sample 00000001 4\n", 0);
        assert_eq!(unknown, Answers { all: 1, right: None, mismatches: 0, wanted: 0 });
        assert_eq!(compare(want, "", 1), Answers { all: 3, right: Some(0), mismatches: 3, wanted: 1 });
    }
}
