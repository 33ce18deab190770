//! Product of two int8 tensors.

use ocellus_kernels::mul_i8::{self, Params};
use ocellus_kernels::round::Output;
use ocellus_plan::args::MulI8;

use super::{OpEntry, broadcast};
use crate::{Check, Operands, StepFault};

/// `mul_i8`.
pub const MUL_I8: OpEntry = OpEntry::new::<MulI8>(check, run);

fn params(args: &MulI8) -> Params {
    Params {
        broadcast: broadcast::of(&args.broadcast),
        scale: args.scale,
        a_zero_point: args.a_zero_point,
        b_zero_point: args.b_zero_point,
        output: Output { zero_point: args.zero_point, low: args.low, high: args.high },
    }
}

fn check(c: &Check<'_>) -> Result<(), StepFault> {
    let p = params(&c.args()?);
    if !p.check() {
        return Err(StepFault::Arguments);
    }
    broadcast::check::<i8>(c, &p.broadcast)
}

fn run(o: &mut Operands<'_>) -> Option<()> {
    let p = params(&o.args()?);
    let y = o.write(0)?;
    mul_i8::run(o.isa, &p, o.read(0), o.read(1), y);
    Some(())
}
