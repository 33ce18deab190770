//! Runs a plan on generated inputs and prints the checksum of every answer.
//!
//! `plan FILE RUNS`

use ocellus_boards::{Draw, answer};
use ocellus_runtime::{Isa, with_session};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let file = arguments.next().ok_or("plan FILE RUNS")?;
    let runs: u64 = arguments.next().and_then(|n| n.parse().ok()).unwrap_or(1);
    let answers = with_session(&std::fs::read(file)?, Isa::PORTABLE, |session| {
        (0..runs).map(|n| answer(session, &mut Draw::new(n))).collect::<Vec<_>>()
    })?;
    for answer in answers {
        println!("answer {answer:08x}");
    }
    Ok(())
}
