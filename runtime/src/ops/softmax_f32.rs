//! f32 softmax.

use ocellus_kernels::softmax_f32::{self, Params};
use ocellus_plan::args::SoftmaxF32;

use super::OpEntry;
use crate::{Check, Operands, StepFault};

/// `softmax_f32`.
pub const SOFTMAX_F32: OpEntry = OpEntry::new::<SoftmaxF32>(check, run);

fn params(args: &SoftmaxF32) -> Params {
    Params { outer: args.outer, axis: args.axis, inner: args.inner, logarithm: args.logarithm != 0 }
}

fn check(c: &Check<'_>) -> Result<(), StepFault> {
    let args: SoftmaxF32 = c.args()?;
    let elements = params(&args).elements();
    if elements.is_none() || args.logarithm > 1 {
        return Err(StepFault::Arguments);
    }
    c.count(1, 1)?;
    c.write::<f32>(0, elements)?;
    c.read::<f32>(0, elements)
}

fn run(o: &mut Operands<'_>) -> Option<()> {
    let p = params(&o.args()?);
    let y = o.write(0)?;
    match o.read(0) {
        Some(x) => softmax_f32::run(o.isa, &p, x, y),
        None => softmax_f32::run_in_place(o.isa, &p, y),
    }
    Some(())
}
