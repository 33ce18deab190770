//! Elementwise functions of one float.

use core::ops::Range;

use ocellus_kernels::unary::{self, Function, Params};
use ocellus_kernels::view_mut;
use ocellus_plan::args::Unary;

use super::{OpEntry, units};
use crate::{Check, Operands, Outline, Split, StepFault, Units};

/// `unary`.
pub const UNARY: OpEntry = OpEntry::new::<Unary>(check, run).shared(Split { units: parts, run: part });

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

fn parts(o: &Outline<'_>) -> Option<Units> {
    units::blocks(o.args::<Unary>()?.len as usize, 4, 1)
}

fn part(o: &Operands<'_>, blocks: Range<u32>, y: &mut [u8]) -> Option<()> {
    let (p, y) = (params(&o.args()?)?, view_mut(y)?);
    match o.read(0) {
        Some(x) => unary::run(o.isa, &p, units::elements(x, &blocks)?, y),
        None => unary::run_in_place(o.isa, &p, y),
    }
    Some(())
}
