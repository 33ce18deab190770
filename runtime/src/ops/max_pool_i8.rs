//! int8 maximum pooling.

use core::ops::Range;

use ocellus_kernels::max_pool_i8::{self, Params};
use ocellus_kernels::view_mut;
use ocellus_plan::args::MaxPoolI8;

use super::{OpEntry, geometry, units};
use crate::{Check, Operands, Outline, Split, StepFault, Units};

/// `max_pool_i8`.
pub const MAX_POOL_I8: OpEntry = OpEntry::new::<MaxPoolI8>(check, run).shared(Split { units: parts, run: part });

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

fn parts(o: &Outline<'_>) -> Option<Units> {
    let g = params(&o.args()?).geometry;
    let terms = u64::from(g.outputs()?).checked_mul(u64::from(g.taps()?));
    units::pixels(g.pixels(), g.channels, 1, terms, 16)
}

fn part(o: &Operands<'_>, pixels: Range<u32>, y: &mut [u8]) -> Option<()> {
    let p = params(&o.args()?);
    max_pool_i8::run_pixels(o.isa, &p, o.read(0)?, pixels, view_mut(y)?);
    Some(())
}
