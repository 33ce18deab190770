//! int8 maximum pooling.

use ocellus_kernels::max_pool_i8::{self, Params};
use ocellus_plan::args::MaxPoolI8;

use super::{OpEntry, geometry};
use crate::{Check, Operands, StepFault};

/// `max_pool_i8`.
pub const MAX_POOL_I8: OpEntry = OpEntry::new::<MaxPoolI8>(check, run);

fn params(args: &MaxPoolI8) -> Params {
    Params { geometry: geometry::pool(&args.geometry) }
}

fn check(c: &Check<'_>) -> Result<(), StepFault> {
    let p = params(&c.args()?);
    c.count(1, 1)?;
    c.not_in_place()?;
    if !p.check() {
        return Err(StepFault::Arguments);
    }
    c.write::<i8>(0, p.geometry.outputs())?;
    c.read::<i8>(0, p.geometry.inputs())
}

fn run(o: &mut Operands<'_>) -> Option<()> {
    let p = params(&o.args()?);
    max_pool_i8::run(o.isa, &p, o.read(0)?, o.write(0)?);
    Some(())
}
