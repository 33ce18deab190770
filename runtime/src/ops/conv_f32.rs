//! f32 convolution.

use core::ops::Range;

use ocellus_kernels::conv_f32::{self, Params};
use ocellus_kernels::geometry::Geometry;
use ocellus_kernels::view_mut;
use ocellus_plan::args::ConvF32;

use super::{OpEntry, geometry, units};
use crate::{Check, Operands, Split, StepFault, Units};

/// `conv_f32`.
pub const CONV_F32: OpEntry = OpEntry::new::<ConvF32>(check, run).shared(Split { units: parts, run: part });

fn params(args: &ConvF32) -> Params {
    Params { geometry: geometry::conv(&args.geometry), low: args.low, high: args.high, layout: args.layout }
}

fn check(c: &Check<'_>) -> Result<(), StepFault> {
    let p = params(&c.args()?);
    c.count(1, 3)?;
    c.not_in_place()?;
    if !p.geometry.check() {
        return Err(StepFault::Arguments);
    }
    if !p.check() {
        return Err(StepFault::Layout(p.layout));
    }
    c.write::<f32>(0, p.geometry.outputs())?;
    c.read::<f32>(0, p.geometry.inputs())?;
    c.read::<f32>(1, p.weights())?;
    c.read::<f32>(2, Some(p.geometry.out_channels))
}

fn run(o: &mut Operands<'_>) -> Option<()> {
    let p = params(&o.args()?);
    conv_f32::run(o.isa, &p, o.read(0)?, o.read(1)?, o.read(2)?, o.write(0)?);
    Some(())
}

/// Output channels that a fully connected layer's weights keep together.
const BLOCK: u32 = 16;

/// Whether a step is a fully connected layer of one row.
fn one_pixel(g: &Geometry) -> bool {
    g.pixels() == Some(1) && g.groups == 1
}

/// Rows; of a layer with one pixel blocks of output channels, and of a batch of rows nothing.
fn parts(o: &Operands<'_>) -> Option<Units> {
    let g = params(&o.args()?).geometry;
    if one_pixel(&g) {
        // Bound by the weights: four bytes each.
        return units::pixels(Some(g.out_channels.div_ceil(BLOCK)), BLOCK, 4, units::macs(&g), 4);
    }
    units::rows(&g, 4, 32)
}

fn part(o: &Operands<'_>, units: Range<u32>, y: &mut [u8]) -> Option<()> {
    let p = params(&o.args()?);
    let (x, weights, bias) = (o.read::<f32>(0)?, o.read::<f32>(1)?, o.read::<f32>(2)?);
    if !one_pixel(&p.geometry) {
        let (geometry, seen) = units::of_rows(&p.geometry, &units)?;
        conv_f32::run(o.isa, &Params { geometry, ..p }, x.get(seen)?, weights, bias, view_mut(y)?);
        return Some(());
    }
    let channels = units.start.checked_mul(BLOCK)?..units.end.checked_mul(BLOCK)?.min(p.geometry.out_channels);
    let of = |out_channels: u32| Params { geometry: Geometry { out_channels, ..p.geometry }, ..p };
    // Whole blocks lie one behind the other in every layout.
    let start = if channels.start == 0 { 0 } else { of(channels.start).weights()? as usize };
    let part = of(channels.end.checked_sub(channels.start)?);
    let weights = weights.get(start..start.checked_add(part.weights()? as usize)?)?;
    let bias = bias.get(channels.start as usize..channels.end as usize)?;
    conv_f32::run(o.isa, &part, x, weights, bias, view_mut(y)?);
    Some(())
}
