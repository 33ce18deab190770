//! Sum of two int8 tensors.

use ocellus_kernels::add_i8::{self, Params};
use ocellus_kernels::round::Output;
use ocellus_plan::args::AddI8;

use super::{OpEntry, broadcast};
use crate::{Check, Operands, StepFault};

/// `add_i8`.
pub const ADD_I8: OpEntry = OpEntry::new::<AddI8>(check, run);

fn params(args: &AddI8) -> Params {
    Params {
        broadcast: broadcast::of(&args.broadcast),
        a_scale: args.a_scale,
        b_scale: args.b_scale,
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
    add_i8::run(o.isa, &p, o.read(0), o.read(1), y);
    Some(())
}
