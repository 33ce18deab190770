//! Any function of one byte, between two strided places.

use core::ops::Range;

use ocellus_kernels::table_rows_i8::{self, Params};
use ocellus_plan::args::TableRowsI8;

use super::OpEntry;
use crate::{Check, Operands, Outline, Split, StepFault, Units};

/// `table_rows_i8`.
pub const TABLE_ROWS_I8: OpEntry = OpEntry::new::<TableRowsI8>(check, run).shared(Split { units: parts, run: part });

fn params(args: &TableRowsI8) -> Params {
    Params {
        count: args.count,
        row: args.row,
        x_stride: args.x_stride,
        y_stride: args.y_stride,
        x_offset: args.x_offset,
        y_offset: args.y_offset,
    }
}

fn check(c: &Check<'_>) -> Result<(), StepFault> {
    let p = params(&c.args()?);
    c.count(1, 2)?;
    c.not_in_place()?;
    // The rows alone decide how long both have to be.
    let (y, x) = (c.step.writes().next(), c.step.reads().next());
    let (Some(y), Some(x)) = (y, x) else { return Err(StepFault::Operand) };
    c.write::<i8>(0, Some(y.len))?;
    c.read::<i8>(0, Some(x.len))?;
    c.read::<i8>(1, Some(256))?;
    if p.check(x.len as usize, y.len as usize) { Ok(()) } else { Err(StepFault::Arguments) }
}

fn run(o: &mut Operands<'_>) -> Option<()> {
    let p = params(&o.args()?);
    table_rows_i8::run(o.isa, &p, o.read(1)?.first_chunk()?, o.read(0)?, o.write(0)?);
    Some(())
}

/// Rows, where each lies within its own stretch of y.
fn parts(o: &Outline<'_>) -> Option<Units> {
    let p = params(&o.args()?);
    let work = (u64::from(p.count) * u64::from(p.row)) >> 2;
    p.apart().then_some(Units { count: p.count, bytes: p.y_stride as usize, work })
}

fn part(o: &Operands<'_>, rows: Range<u32>, y: &mut [u8]) -> Option<()> {
    let p = params(&o.args()?).rows(rows)?;
    table_rows_i8::run(o.isa, &p, o.read(1)?.first_chunk()?, o.read(0)?, y);
    Some(())
}
