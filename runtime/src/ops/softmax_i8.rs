//! int8 softmax.

use ocellus_kernels::softmax_i8::{self, Params};
use ocellus_plan::args::SoftmaxI8;

use super::OpEntry;
use crate::{Check, Operands, StepFault};

/// `softmax_i8`.
pub const SOFTMAX_I8: OpEntry = OpEntry::new::<SoftmaxI8>(check, run);

fn params(args: &SoftmaxI8) -> Params {
    Params { outer: args.outer, axis: args.axis, inner: args.inner }
}

fn check(c: &Check<'_>) -> Result<(), StepFault> {
    let p = params(&c.args()?);
    c.count(1, 2)?;
    c.not_in_place()?;
    c.write::<i8>(0, p.elements())?;
    c.read::<i8>(0, p.elements())?;
    c.read::<u32>(1, Some(256))
}

fn run(o: &mut Operands<'_>) -> Option<()> {
    let p = params(&o.args()?);
    softmax_i8::run(o.isa, &p, o.read(0)?, o.read(1)?.first_chunk()?, o.write(0)?);
    Some(())
}
