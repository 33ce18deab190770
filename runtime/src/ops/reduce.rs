//! Reductions.

use ocellus_kernels::reduce::{self, Function, Params};
use ocellus_plan::args::Reduce;

use super::OpEntry;
use crate::{Check, Operands, StepFault};

/// `reduce`.
pub const REDUCE: OpEntry = OpEntry::new::<Reduce>(check, run);

fn params(args: &Reduce) -> Option<Params> {
    Some(Params {
        function: Function::from_number(args.function)?,
        kept: args.kept,
        kept_strides: args.kept_strides,
        reduced: args.reduced,
        reduced_strides: args.reduced_strides,
    })
}

fn check(c: &Check<'_>) -> Result<(), StepFault> {
    let p = params(&c.args()?).ok_or(StepFault::Arguments)?;
    c.count(1, 1)?;
    c.not_in_place()?;
    c.write::<f32>(0, p.outputs())?;
    c.read::<f32>(0, p.inputs())
}

fn run(o: &mut Operands<'_>) -> Option<()> {
    let p = params(&o.args()?)?;
    reduce::run(o.isa, &p, o.read(0)?, o.write(0)?);
    Some(())
}
