//! Movement of elements.

use core::ops::Range;

use ocellus_kernels::copy::{self, Params};
use ocellus_plan::args::Copy;

use super::OpEntry;
use crate::{Check, ColumnSplit, ColumnUnits, Columns, Operands, Outline, Split, StepFault, Units};

/// `copy`.
pub const COPY: OpEntry = OpEntry::new::<Copy>(check, run)
    .shared(Split { units: parts, run: part })
    .shared_by_columns(ColumnSplit { units: columns, run: column_part });

fn params(args: &Copy) -> Params {
    Params {
        element_bytes: args.element_bytes,
        sizes: args.sizes,
        x_strides: args.x_strides,
        y_strides: args.y_strides,
        x_offset: args.x_offset,
        y_offset: args.y_offset,
    }
}

fn check(c: &Check<'_>) -> Result<(), StepFault> {
    let p = params(&c.args()?);
    c.count(1, 1)?;
    c.not_in_place()?;
    // Elements move as bytes, so that neither length nor alignment is bound to them: the box alone decides.
    let (y, x) = (c.step.writes().next(), c.step.reads().next());
    let (Some(y), Some(x)) = (y, x) else { return Err(StepFault::Operand) };
    c.write::<u8>(0, Some(y.len))?;
    c.read::<u8>(0, Some(x.len))?;
    if p.check(x.len as usize, y.len as usize) { Ok(()) } else { Err(StepFault::Arguments) }
}

fn run(o: &mut Operands<'_>) -> Option<()> {
    let p = params(&o.args()?);
    copy::run(o.isa, &p, o.read(0)?, o.write(0)?);
    Some(())
}

/// Slices along the outermost axis, where none reaches into the next one's stretch of y.
fn parts(o: &Outline<'_>) -> Option<Units> {
    let p = params(&o.args()?);
    let (axis, stride) = p.outermost()?;
    let count = *p.sizes.get(axis)?;
    Some(Units { count, bytes: (stride as usize).wrapping_mul(p.element_bytes as usize), work: work(&p) })
}

/// Rows of bytes are moved as such, mostly short ones; single elements one by one.
fn work(p: &Params) -> u64 {
    let elements = p.sizes.iter().fold(1u64, |n, &size| n.saturating_mul(u64::from(size)));
    if p.in_rows() { elements.saturating_mul(u64::from(p.element_bytes)) >> 2 } else { elements >> 2 }
}

fn part(o: &Operands<'_>, slices: Range<u32>, y: &mut [u8]) -> Option<()> {
    copy::run(o.isa, &params(&o.args()?).slices(slices)?, o.read(0)?, y);
    Some(())
}

/// Fewest bytes of every row of y that are worth it: two threads meet in a line of the cache of each.
const LONG: usize = 1024;

/// Rows of x that become columns of y: each thread takes those that most likely it has written, for all rows of y.
fn columns(o: &Outline<'_>) -> Option<ColumnUnits> {
    let p = params(&o.args()?);
    let across = p.across()?;
    let (first, count, bytes) = (across.first, across.count, p.element_bytes as usize);
    let units = ColumnUnits { first, count, bytes, pitch: across.pitch, work: work(&p), room: false };
    ((count as usize).wrapping_mul(bytes) >= LONG).then_some(units)
}

fn column_part(o: &Operands<'_>, units: Range<u32>, mut y: Columns<'_>) -> Option<()> {
    copy::run_columns(o.isa, &params(&o.args()?), units.start, o.read(0)?, &mut y);
    Some(())
}
