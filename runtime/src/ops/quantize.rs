//! Float to int8.

use ocellus_kernels::quantize::{self, Params};
use ocellus_plan::args::Quantize;

use super::OpEntry;
use crate::{Check, Operands, StepFault};

/// `quantize`.
pub const QUANTIZE: OpEntry = OpEntry::new::<Quantize>(check, run);

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
