//! f32 average pooling.

use ocellus_kernels::average_pool_f32::{self, Params};
use ocellus_plan::args::AveragePoolF32;

use super::{OpEntry, geometry};
use crate::{Check, Operands, StepFault};

/// `average_pool_f32`.
pub const AVERAGE_POOL_F32: OpEntry = OpEntry::new::<AveragePoolF32>(check, run);

fn params(args: &AveragePoolF32) -> Params {
    Params { geometry: geometry::pool(&args.geometry), count_include_pad: args.count_include_pad != 0 }
}

fn check(c: &Check<'_>) -> Result<(), StepFault> {
    let args: AveragePoolF32 = c.args()?;
    let p = params(&args);
    c.count(1, 1)?;
    c.not_in_place()?;
    if !p.check() || args.count_include_pad > 1 {
        return Err(StepFault::Arguments);
    }
    c.write::<f32>(0, p.geometry.outputs())?;
    c.read::<f32>(0, p.geometry.inputs())
}

fn run(o: &mut Operands<'_>) -> Option<()> {
    let p = params(&o.args()?);
    average_pool_f32::run(o.isa, &p, o.read(0)?, o.write(0)?);
    Some(())
}
