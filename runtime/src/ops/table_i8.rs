//! Any function of one byte.

use core::ops::Range;

use ocellus_kernels::{table_i8, view_mut};
use ocellus_plan::args::TableI8;

use super::{OpEntry, units};
use crate::{Check, Operands, Outline, Split, StepFault, Units};

/// `table_i8`.
pub const TABLE_I8: OpEntry = OpEntry::new::<TableI8>(check, run).shared(Split { units: parts, run: part });

fn check(c: &Check<'_>) -> Result<(), StepFault> {
    let args: TableI8 = c.args()?;
    c.count(1, 2)?;
    c.write::<i8>(0, Some(args.len))?;
    c.read::<i8>(0, Some(args.len))?;
    c.read::<i8>(1, Some(256))
}

fn run(o: &mut Operands<'_>) -> Option<()> {
    let y = o.write::<i8>(0)?;
    let table = o.read::<i8>(1)?.first_chunk()?;
    match o.read::<i8>(0) {
        Some(x) => table_i8::run(o.isa, table, x, y),
        None => table_i8::run_in_place(o.isa, table, y),
    }
    Some(())
}

fn parts(o: &Outline<'_>) -> Option<Units> {
    units::blocks(o.args::<TableI8>()?.len as usize, 1, 4)
}

fn part(o: &Operands<'_>, blocks: Range<u32>, y: &mut [u8]) -> Option<()> {
    let (table, y) = (o.read::<i8>(1)?.first_chunk()?, view_mut(y)?);
    match o.read::<i8>(0) {
        Some(x) => table_i8::run(o.isa, table, units::elements(x, &blocks)?, y),
        None => table_i8::run_in_place(o.isa, table, y),
    }
    Some(())
}
