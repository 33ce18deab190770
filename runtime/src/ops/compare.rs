//! Comparisons and logic of two operands.

use ocellus_kernels::compare::{self, Element, Function, Params};
use ocellus_plan::args::{Compare, element};

use super::{OpEntry, broadcast};
use crate::{Check, Operands, StepFault};

/// `compare`.
pub const COMPARE: OpEntry = OpEntry::new::<Compare>(check, run);

fn params(args: &Compare) -> Option<Params> {
    Some(Params { function: Function::from_number(args.function)?, broadcast: broadcast::of(&args.broadcast) })
}

fn check(c: &Check<'_>) -> Result<(), StepFault> {
    let args: Compare = c.args()?;
    let p = params(&args).ok_or(StepFault::Arguments)?;
    match args.element {
        element::F32 => check_operands::<f32>(c, &p),
        element::I8 => check_operands::<i8>(c, &p),
        element::U8 | element::BOOL => check_operands::<u8>(c, &p),
        element::I32 => check_operands::<i32>(c, &p),
        element::I64 => check_operands::<i64>(c, &p),
        _ => Err(StepFault::Arguments),
    }
}

fn check_operands<T: Element>(c: &Check<'_>, p: &Params) -> Result<(), StepFault> {
    c.count(1, 2)?;
    c.not_in_place()?;
    c.write::<u8>(0, p.broadcast.outputs())?;
    c.read::<T>(0, p.broadcast.a_len())?;
    c.read::<T>(1, p.broadcast.b_len())
}

fn run(o: &mut Operands<'_>) -> Option<()> {
    let args: Compare = o.args()?;
    let p = params(&args)?;
    match args.element {
        element::F32 => run_operands::<f32>(o, &p),
        element::I8 => run_operands::<i8>(o, &p),
        element::U8 | element::BOOL => run_operands::<u8>(o, &p),
        element::I32 => run_operands::<i32>(o, &p),
        element::I64 => run_operands::<i64>(o, &p),
        _ => None,
    }
}

fn run_operands<T: Element>(o: &mut Operands<'_>, p: &Params) -> Option<()> {
    let y = o.write(0)?;
    compare::run::<T>(o.isa, p, o.read(0)?, o.read(1)?, y);
    Some(())
}
