//! Lp pooling.

use ocellus_kernels::lp_pool::{self, Params};
use ocellus_plan::args::LpPool;

use super::{OpEntry, geometry};
use crate::{Check, Operands, StepFault};

/// `lp_pool`.
pub const LP_POOL: OpEntry = OpEntry::new::<LpPool>(check, run);

fn params(args: &LpPool) -> Params {
    Params { geometry: geometry::pool(&args.geometry), p: args.p }
}

fn check(c: &Check<'_>) -> Result<(), StepFault> {
    let p = params(&c.args()?);
    c.count(1, 1)?;
    c.not_in_place()?;
    if !p.check() {
        return Err(StepFault::Arguments);
    }
    c.write::<f32>(0, p.geometry.outputs())?;
    c.read::<f32>(0, p.geometry.inputs())
}

fn run(o: &mut Operands<'_>) -> Option<()> {
    let p = params(&o.args()?);
    lp_pool::run(o.isa, &p, o.read(0)?, o.write(0)?);
    Some(())
}
