//! The place of the greatest or least.

use ocellus_kernels::arg_max::{self, Params};
use ocellus_plan::args::{ArgMax, element};

use super::OpEntry;
use crate::{Check, Operands, StepFault};

/// `arg_max`.
pub const ARG_MAX: OpEntry = OpEntry::new::<ArgMax>(check, run);

fn params(args: &ArgMax) -> Params {
    Params {
        outer: args.outer,
        axis: args.axis,
        inner: args.inner,
        least: args.least != 0,
        select_last: args.select_last != 0,
    }
}

fn check(c: &Check<'_>) -> Result<(), StepFault> {
    let args: ArgMax = c.args()?;
    let p = params(&args);
    c.count(1, 1)?;
    c.not_in_place()?;
    if args.least > 1 || args.select_last > 1 {
        return Err(StepFault::Arguments);
    }
    c.write::<i64>(0, p.outputs())?;
    match args.element {
        element::F32 => c.read::<f32>(0, p.inputs()),
        element::I8 => c.read::<i8>(0, p.inputs()),
        _ => Err(StepFault::Arguments),
    }
}

fn run(o: &mut Operands<'_>) -> Option<()> {
    let args: ArgMax = o.args()?;
    let (p, y) = (params(&args), o.write(0)?);
    match args.element {
        element::F32 => arg_max::run::<f32>(o.isa, &p, o.read(0)?, y),
        _ => arg_max::run::<i8>(o.isa, &p, o.read(0)?, y),
    }
    Some(())
}
