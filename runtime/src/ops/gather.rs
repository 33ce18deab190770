//! Rows by index.

use ocellus_kernels::gather::{self, Params};
use ocellus_plan::args::{Gather, element};

use super::OpEntry;
use crate::{Check, Operands, StepFault};

/// `gather`.
pub const GATHER: OpEntry = OpEntry::new::<Gather>(check, run);

fn params(args: &Gather) -> Params {
    Params {
        element_bytes: args.element_bytes,
        outer: args.outer,
        axis: args.axis,
        inner: args.inner,
        count: args.count,
    }
}

fn check(c: &Check<'_>) -> Result<(), StepFault> {
    let args: Gather = c.args()?;
    let p = params(&args);
    c.count(1, 2)?;
    c.not_in_place()?;
    if !p.check() {
        return Err(StepFault::Arguments);
    }
    c.write::<u8>(0, p.outputs())?;
    c.read::<u8>(0, p.inputs())?;
    match args.index_element {
        element::I32 => c.read::<i32>(1, Some(p.count)),
        element::I64 => c.read::<i64>(1, Some(p.count)),
        _ => Err(StepFault::Arguments),
    }
}

fn run(o: &mut Operands<'_>) -> Option<()> {
    let args: Gather = o.args()?;
    let (p, y) = (params(&args), o.write(0)?);
    match args.index_element {
        element::I32 => gather::run::<i32>(o.isa, &p, o.read(0)?, o.read(1)?, y),
        _ => gather::run::<i64>(o.isa, &p, o.read(0)?, o.read(1)?, y),
    }
    Some(())
}
