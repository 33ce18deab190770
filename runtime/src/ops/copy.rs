//! Movement of elements.

use core::ops::Range;

use ocellus_kernels::copy::{self, Params};
use ocellus_plan::args::Copy;

use super::OpEntry;
use crate::{Check, Operands, Split, StepFault, Units};

/// `copy`.
pub const COPY: OpEntry = OpEntry::new::<Copy>(check, run).shared(Split { units: parts, run: part });

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
fn parts(o: &Operands<'_>) -> Option<Units> {
    let p = params(&o.args()?);
    let (axis, stride) = p.outermost()?;
    let count = *p.sizes.get(axis)?;
    let elements = p.sizes.iter().fold(1u64, |n, &size| n.saturating_mul(u64::from(size)));
    // Rows of bytes are moved as such, mostly short ones; single elements one by one.
    let work = if p.in_rows() { elements.saturating_mul(u64::from(p.element_bytes)) >> 3 } else { elements >> 2 };
    Some(Units { count, bytes: (stride as usize).wrapping_mul(p.element_bytes as usize), work })
}

fn part(o: &Operands<'_>, slices: Range<u32>, y: &mut [u8]) -> Option<()> {
    copy::run(o.isa, &params(&o.args()?).slices(slices)?, o.read(0)?, y);
    Some(())
}
