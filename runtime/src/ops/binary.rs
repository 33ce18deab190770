//! Elementwise functions of two operands.

use ocellus_kernels::binary::{self, Element, Function, Params};
use ocellus_plan::Space;
use ocellus_plan::args::{Binary, element};

use super::OpEntry;
use crate::{Check, Operands, StepFault};

/// `binary`.
pub const BINARY: OpEntry = OpEntry::new::<Binary>(check, run);

fn params(args: &Binary) -> Option<Params> {
    Some(Params {
        function: Function::from_number(args.function)?,
        sizes: args.broadcast.sizes,
        a_strides: args.broadcast.a_strides,
        b_strides: args.broadcast.b_strides,
        low: args.low,
        high: args.high,
    })
}

fn check(c: &Check<'_>) -> Result<(), StepFault> {
    let args: Binary = c.args()?;
    let p = params(&args).ok_or(StepFault::Arguments)?;
    match args.element {
        element::F32 => check_operands::<f32>(c, &p),
        element::I32 => check_operands::<i32>(c, &p),
        element::I64 => check_operands::<i64>(c, &p),
        _ => Err(StepFault::Arguments),
    }
}

fn check_operands<T: Element>(c: &Check<'_>, p: &Params) -> Result<(), StepFault> {
    c.count(1, 2)?;
    c.write::<T>(0, p.outputs())?;
    c.read::<T>(0, p.a_len())?;
    c.read::<T>(1, p.b_len())?;
    let in_place = |index| c.step.reads().nth(index).is_some_and(|o| o.space == Space::InPlace);
    let allowed = (!in_place(0) || p.a_in_place()) && (!in_place(1) || p.b_in_place());
    if allowed { Ok(()) } else { Err(StepFault::Operand) }
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
