//! int8 to float.

use core::ops::Range;

use ocellus_kernels::dequantize::{self, Params};
use ocellus_kernels::view_mut;
use ocellus_plan::args::Dequantize;

use super::{OpEntry, units};
use crate::{Check, Operands, Outline, Split, StepFault, Units};

/// `dequantize`.
pub const DEQUANTIZE: OpEntry = OpEntry::new::<Dequantize>(check, run).shared(Split { units: parts, run: part });

fn params(args: &Dequantize) -> Params {
    Params { scale: args.scale, zero_point: args.zero_point }
}

fn check(c: &Check<'_>) -> Result<(), StepFault> {
    let args: Dequantize = c.args()?;
    c.count(1, 1)?;
    c.not_in_place()?;
    if !params(&args).check() {
        return Err(StepFault::Arguments);
    }
    c.write::<f32>(0, Some(args.len))?;
    c.read::<i8>(0, Some(args.len))
}

fn run(o: &mut Operands<'_>) -> Option<()> {
    let p = params(&o.args()?);
    dequantize::run(o.isa, &p, o.read(0)?, o.write(0)?);
    Some(())
}

fn parts(o: &Outline<'_>) -> Option<Units> {
    units::blocks(o.args::<Dequantize>()?.len as usize, 4, 4)
}

fn part(o: &Operands<'_>, blocks: Range<u32>, y: &mut [u8]) -> Option<()> {
    let p = params(&o.args()?);
    dequantize::run(o.isa, &p, units::elements(o.read(0)?, &blocks)?, view_mut(y)?);
    Some(())
}
