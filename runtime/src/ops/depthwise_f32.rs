//! f32 depthwise convolution.

use core::ops::Range;

use ocellus_kernels::depthwise_f32::{self, Operands as Reads, Params, Weights};
use ocellus_kernels::view_mut;
use ocellus_plan::args::DepthwiseF32;

use super::{OpEntry, geometry, units};
use crate::{Check, Operands, Outline, Split, StepFault, Units};

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

fn reads<'a>(o: &Operands<'a>) -> Option<Reads<'a>> {
    Some(Reads { x: o.read(0)?, weights: Weights::F32(o.read(1)?), bias: o.read(2)? })
}

fn run(o: &mut Operands<'_>) -> Option<()> {
    let p = params(&o.args()?);
    depthwise_f32::run(o.isa, &p, &reads(o)?, o.write(0)?);
    Some(())
}

fn parts(o: &Outline<'_>) -> Option<Units> {
    let g = params(&o.args()?).geometry;
    units::pixels(g.pixels(), g.out_channels, 4, units::macs(&g), 4)
}

fn part(o: &Operands<'_>, pixels: Range<u32>, y: &mut [u8]) -> Option<()> {
    let p = params(&o.args()?);
    depthwise_f32::run_pixels(o.isa, &p, &reads(o)?, pixels, view_mut(y)?);
    Some(())
}
