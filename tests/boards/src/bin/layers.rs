//! Prints, for every instruction set of this CPU, a line with its name and one with the checksum of every layer.
//!
//! `layers COUNT [PROBES]`; with 1 for PROBES it computes the probes instead, and prints what the work of each is.

use std::io::Write;

use ocellus_boards::{Scratch, layers, probes};
use ocellus_kernels::Isa;

fn main() -> std::io::Result<()> {
    let argument = |place| std::env::args().nth(place).and_then(|n| n.parse().ok());
    let count = argument(1).unwrap_or(1000);
    let mut scratch = Box::new(Scratch::new());
    if argument(2) == Some(1) {
        probes::all(&mut scratch, |name, work| println!("probe {} {} {name}", work.count(), work.unit()));
        return Ok(());
    }
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    for isa in Isa::available() {
        writeln!(out, "isa {}", isa.level().name())?;
        for number in 0..count {
            writeln!(out, "{:08x}", layers::checksum(isa, number, &mut scratch))?;
        }
    }
    out.flush()
}
