//! Prints, for every instruction set of this CPU, a line with its name and one with the checksum of every layer.
//!
//! `layers COUNT`

use std::io::Write;

use ocellus_boards::{Scratch, layers};
use ocellus_kernels::Isa;

fn main() -> std::io::Result<()> {
    let count = std::env::args().nth(1).and_then(|n| n.parse().ok()).unwrap_or(1000);
    let mut scratch = Box::new(Scratch::new());
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    for isa in Isa::available() {
        writeln!(out, "isa {}", isa.level().name())?;
        for number in 0..count {
            writeln!(out, "{:08x}", layers::checksum(isa, number, &mut scratch))?;
        }
    }
    out.flush()
}
