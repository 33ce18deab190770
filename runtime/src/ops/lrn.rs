//! Local response normalization.

use ocellus_kernels::lrn::{self, Params};
use ocellus_plan::args::Lrn;

use super::OpEntry;
use crate::{Check, Operands, StepFault};

/// `lrn`.
pub const LRN: OpEntry = OpEntry::new::<Lrn>(check, run);

fn params(args: &Lrn) -> Params {
    Params {
        pixels: args.pixels,
        channels: args.channels,
        size: args.size,
        alpha: args.alpha,
        beta: args.beta,
        bias: args.bias,
    }
}

fn check(c: &Check<'_>) -> Result<(), StepFault> {
    let elements = params(&c.args()?).elements();
    if elements.is_none() {
        return Err(StepFault::Arguments);
    }
    c.count(1, 1)?;
    c.not_in_place()?;
    c.write::<f32>(0, elements)?;
    c.read::<f32>(0, elements)
}

fn run(o: &mut Operands<'_>) -> Option<()> {
    let p = params(&o.args()?);
    lrn::run(o.isa, &p, o.read(0)?, o.write(0)?);
    Some(())
}
