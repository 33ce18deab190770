//! f32 average pooling.

use core::ops::Range;

use ocellus_kernels::average_pool_f32::{self, Params};
use ocellus_kernels::view_mut;
use ocellus_plan::args::AveragePoolF32;

use super::{OpEntry, geometry, units};
use crate::{Check, Operands, Outline, Split, StepFault, Units};

/// `average_pool_f32`.
pub const AVERAGE_POOL_F32: OpEntry =
    OpEntry::new::<AveragePoolF32>(check, run).shared(Split { units: parts, run: part });

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

fn parts(o: &Outline<'_>) -> Option<Units> {
    let g = params(&o.args()?).geometry;
    let terms = u64::from(g.outputs()?).checked_mul(u64::from(g.taps()?));
    units::pixels(g.pixels(), g.channels, 4, terms, 4)
}

fn part(o: &Operands<'_>, pixels: Range<u32>, y: &mut [u8]) -> Option<()> {
    let p = params(&o.args()?);
    average_pool_f32::run_pixels(o.isa, &p, o.read(0)?, pixels, view_mut(y)?);
    Some(())
}
