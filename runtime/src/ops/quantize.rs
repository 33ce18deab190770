//! Float to int8.

use core::ops::Range;

use ocellus_kernels::quantize::{self, Params};
use ocellus_kernels::view_mut;
use ocellus_plan::args::Quantize;

use super::{OpEntry, units};
use crate::{Check, Operands, Outline, Split, StepFault, Units};

/// `quantize`.
pub const QUANTIZE: OpEntry = OpEntry::new::<Quantize>(check, run).shared(Split { units: parts, run: part });

fn params(args: &Quantize) -> Params {
    Params { scale: args.scale, zero_point: args.zero_point }
}

fn check(c: &Check<'_>) -> Result<(), StepFault> {
    let args: Quantize = c.args()?;
    c.count(1, 1)?;
    c.not_in_place()?;
    if !params(&args).check() {
        return Err(StepFault::Arguments);
    }
    c.write::<i8>(0, Some(args.len))?;
    c.read::<f32>(0, Some(args.len))
}

fn run(o: &mut Operands<'_>) -> Option<()> {
    let p = params(&o.args()?);
    quantize::run(o.isa, &p, o.read(0)?, o.write(0)?);
    Some(())
}

fn parts(o: &Outline<'_>) -> Option<Units> {
    units::blocks(o.args::<Quantize>()?.len as usize, 1, 4)
}

fn part(o: &Operands<'_>, blocks: Range<u32>, y: &mut [u8]) -> Option<()> {
    quantize::run(o.isa, &params(&o.args()?), units::elements(o.read(0)?, &blocks)?, view_mut(y)?);
    Some(())
}
