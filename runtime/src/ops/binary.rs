//! Elementwise functions of two operands.

use core::ops::Range;

use ocellus_kernels::binary::{self, Element, Function, Params};
use ocellus_kernels::view_mut;
use ocellus_plan::args::{Binary, element};

use super::{OpEntry, broadcast, units};
use crate::{Check, Operands, Outline, Split, StepFault, Units};

/// `binary`.
pub const BINARY: OpEntry = OpEntry::new::<Binary>(check, run).shared(Split { units: parts, run: part });

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

/// Floats alone are worth it.
fn parts(o: &Outline<'_>) -> Option<Units> {
    let args: Binary = o.args()?;
    if args.element == element::F32 { units::slices(&broadcast::of(&args.broadcast), 4, 2) } else { None }
}

fn part(o: &Operands<'_>, slices: Range<u32>, y: &mut [u8]) -> Option<()> {
    let p = params(&o.args()?)?;
    let (broadcast, [a, b]) = units::of_slices(&p.broadcast, &slices)?;
    let (a, b) = (units::within(o.read(0), a)?, units::within(o.read(1), b)?);
    binary::run::<f32>(o.isa, &Params { broadcast, ..p }, a, b, view_mut(y)?);
    Some(())
}
