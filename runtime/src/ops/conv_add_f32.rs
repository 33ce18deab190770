//! f32 convolution with the sum that follows it.

use core::ops::Range;

use ocellus_kernels::conv_add_f32::{self, Params};
use ocellus_kernels::{conv_f32, view_mut};
use ocellus_plan::args::ConvAddF32;

use super::conv_f32::reads;
use super::{OpEntry, geometry, storage, units};
use crate::{Check, Operands, Outline, Split, StepFault, Units};

/// `conv_add_f32`.
pub const CONV_ADD_F32: OpEntry = OpEntry::new::<ConvAddF32>(check, run).shared(Split { units: parts, run: part });

fn params(args: &ConvAddF32) -> Params {
    let geometry = geometry::conv(&args.geometry);
    let conv = conv_f32::Params { geometry, low: args.conv_low, high: args.conv_high, layout: args.layout };
    Params { conv, low: args.low, high: args.high }
}

fn check(c: &Check<'_>) -> Result<(), StepFault> {
    let p = params(&c.args()?);
    let g = &p.conv.geometry;
    c.count(1, 4)?;
    c.in_place_from(3)?;
    if !g.check() {
        return Err(StepFault::Arguments);
    }
    if !p.conv.check() {
        return Err(StepFault::Layout(p.conv.layout));
    }
    if !p.check() {
        return Err(StepFault::Arguments);
    }
    c.write::<f32>(0, g.outputs())?;
    c.read::<f32>(0, g.inputs())?;
    storage::check(c, 1, conv_f32::storage(p.conv.layout), p.conv.weights())?;
    c.read::<f32>(2, Some(g.out_channels))?;
    c.read::<f32>(3, g.outputs())
}

fn run(o: &mut Operands<'_>) -> Option<()> {
    let (p, other) = (params(&o.args()?), o.read(3));
    let reads = reads(o, p.conv.layout)?;
    conv_add_f32::run_pixels(o.isa, &p, &reads, other, 0..p.conv.geometry.pixels()?, o.write(0)?);
    Some(())
}

fn parts(o: &Outline<'_>) -> Option<Units> {
    let p = params(&o.args()?).conv;
    let g = p.geometry;
    units::groups(units::pixels(g.pixels(), g.out_channels, 4, units::macs(&g), 32), p.together())
}

fn part(o: &Operands<'_>, units: Range<u32>, y: &mut [u8]) -> Option<()> {
    let p = params(&o.args()?);
    let pixels = units::of_groups(&units, p.conv.together(), p.conv.geometry.pixels())?;
    let other = units::within(o.read(3), units::of_pixels(&p.conv.geometry, &pixels))?;
    conv_add_f32::run_pixels(o.isa, &p, &reads(o, p.conv.layout)?, other, pixels, view_mut(y)?);
    Some(())
}
