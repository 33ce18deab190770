//! f32 depthwise convolution.

use core::ops::Range;

use ocellus_kernels::depthwise_f32::{self, Params};
use ocellus_kernels::view_mut;
use ocellus_plan::args::DepthwiseF32;

use super::{OpEntry, geometry, units};
use crate::{Check, Operands, Split, StepFault, Units};

/// `depthwise_f32`.
pub const DEPTHWISE_F32: OpEntry = OpEntry::new::<DepthwiseF32>(check, run).shared(Split { units: parts, run: part });

fn params(args: &DepthwiseF32) -> Params {
    Params { geometry: geometry::conv(&args.geometry), low: args.low, high: args.high }
}

fn check(c: &Check<'_>) -> Result<(), StepFault> {
    let p = params(&c.args()?);
    c.count(1, 3)?;
    c.not_in_place()?;
    if !p.check() {
        return Err(StepFault::Arguments);
    }
    c.write::<f32>(0, p.geometry.outputs())?;
    c.read::<f32>(0, p.geometry.inputs())?;
    c.read::<f32>(1, p.geometry.weights())?;
    c.read::<f32>(2, Some(p.geometry.out_channels))
}

fn run(o: &mut Operands<'_>) -> Option<()> {
    let p = params(&o.args()?);
    depthwise_f32::run(o.isa, &p, o.read(0)?, o.read(1)?, o.read(2)?, o.write(0)?);
    Some(())
}

fn parts(o: &Operands<'_>) -> Option<Units> {
    units::rows(&params(&o.args()?).geometry, 4, 4)
}

fn part(o: &Operands<'_>, rows: Range<u32>, y: &mut [u8]) -> Option<()> {
    let p = params(&o.args()?);
    let (geometry, seen) = units::of_rows(&p.geometry, &rows)?;
    let x = o.read::<f32>(0)?.get(seen)?;
    depthwise_f32::run(o.isa, &Params { geometry, ..p }, x, o.read(1)?, o.read(2)?, view_mut(y)?);
    Some(())
}
