//! Sum of two int8 tensors.

use core::ops::Range;

use ocellus_kernels::add_i8::{self, Params};
use ocellus_kernels::round::Output;
use ocellus_kernels::view_mut;
use ocellus_plan::args::AddI8;

use super::{OpEntry, broadcast, units};
use crate::{Check, Operands, Outline, Split, StepFault, Units};

/// `add_i8`.
pub const ADD_I8: OpEntry = OpEntry::new::<AddI8>(check, run).shared(Split { units: parts, run: part });

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

fn parts(o: &Outline<'_>) -> Option<Units> {
    units::slices(&params(&o.args()?).broadcast, 1, 4)
}

fn part(o: &Operands<'_>, slices: Range<u32>, y: &mut [u8]) -> Option<()> {
    let p = params(&o.args()?);
    let (broadcast, [a, b]) = units::of_slices(&p.broadcast, &slices)?;
    let (a, b) = (units::within(o.read(0), a)?, units::within(o.read(1), b)?);
    add_i8::run(o.isa, &Params { broadcast, ..p }, a, b, view_mut(y)?);
    Some(())
}
