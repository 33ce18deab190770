//! Elementwise functions of one float.

use ocellus_kernels::unary::{self, Function, Params};
use ocellus_plan::args::Unary;

use super::OpEntry;
use crate::{Check, Operands, StepFault};

/// `unary`.
pub const UNARY: OpEntry = OpEntry::new::<Unary>(check, run);

fn params(args: &Unary) -> Option<Params> {
    Some(Params { function: Function::from_number(args.function)?, alpha: args.alpha, beta: args.beta })
}

fn check(c: &Check<'_>) -> Result<(), StepFault> {
    let args: Unary = c.args()?;
    params(&args).ok_or(StepFault::Arguments)?;
    c.count(1, 1)?;
    c.write::<f32>(0, Some(args.len))?;
    c.read::<f32>(0, Some(args.len))
}

fn run(o: &mut Operands<'_>) -> Option<()> {
    let p = params(&o.args()?)?;
    let y = o.write(0)?;
    match o.read(0) {
        Some(x) => unary::run(o.isa, &p, x, y),
        None => unary::run_in_place(o.isa, &p, y),
    }
    Some(())
}
