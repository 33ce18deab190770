//! Elementwise functions of two operands.

use ocellus_kernels::binary::{self, Element, Function, Params};
use ocellus_plan::args::{Binary, element};

use super::{OpEntry, broadcast};
use crate::{Check, Operands, StepFault};

/// `binary`.
pub const BINARY: OpEntry = OpEntry::new::<Binary>(check, run);

fn params(args: &Binary) -> Option<Params> {
    Some(Params {
        function: Function::from_number(args.function)?,
        broadcast: broadcast::of(&args.broadcast),
        low: args.low,
        high: args.high,
    })
}

fn check(c: &Check<'_>) -> Result<(), StepFault> {
    let args: Binary = c.args()?;
    let p = params(&args).ok_or(StepFault::Arguments)?;
    match args.element {
        element::F32 => broadcast::check::<f32>(c, &p.broadcast),
        element::I32 => broadcast::check::<i32>(c, &p.broadcast),
        element::I64 => broadcast::check::<i64>(c, &p.broadcast),
        _ => Err(StepFault::Arguments),
    }
}

fn run(o: &mut Operands<'_>) -> Option<()> {
    let args: Binary = o.args()?;
    let p = params(&args)?;
    match args.element {
        element::F32 => run_operands::<f32>(o, &p),
        element::I32 => run_operands::<i32>(o, &p),
        element::I64 => run_operands::<i64>(o, &p),
        _ => None,
    }
}

fn run_operands<T: Element>(o: &mut Operands<'_>, p: &Params) -> Option<()> {
    let y = o.write::<T>(0)?;
    binary::run(o.isa, p, o.read(0), o.read(1), y);
    Some(())
}
