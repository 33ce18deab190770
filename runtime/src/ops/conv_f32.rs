//! f32 convolution.

use core::ops::Range;

use ocellus_kernels::conv_f32::{self, Operands as Reads, Params};
use ocellus_kernels::geometry::Geometry;
use ocellus_kernels::view_mut;
use ocellus_plan::args::ConvF32;

use super::{OpEntry, geometry, storage, units};
use crate::{Check, Operands, Outline, Split, StepFault, Units};

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
    storage::check(c, 1, conv_f32::storage(p.layout), p.weights())?;
    c.read::<f32>(2, Some(p.geometry.out_channels))
}

/// What a convolution with weights in this layout reads.
pub(super) fn reads<'a>(o: &Operands<'a>, layout: u32) -> Option<Reads<'a>> {
    let weights = storage::read(o, 1, conv_f32::storage(layout))?;
    Some(Reads { x: o.read(0)?, weights, bias: o.read(2)? })
}

fn run(o: &mut Operands<'_>) -> Option<()> {
    let p = params(&o.args()?);
    conv_f32::run(o.isa, &p, &reads(o, p.layout)?, o.write(0)?);
    Some(())
}

/// Output channels that a fully connected layer's weights keep together.
const BLOCK: u32 = 16;

/// Whether a step is a fully connected layer of one row.
fn one_pixel(g: &Geometry) -> bool {
    g.pixels() == Some(1) && g.groups == 1
}

/// Pixels, or as many as tiles have in whole rows; of a layer with one pixel blocks of output channels.
fn parts(o: &Outline<'_>) -> Option<Units> {
    let p = params(&o.args()?);
    let (g, macs) = (p.geometry, units::macs(&p.geometry));
    if one_pixel(&g) {
        // Bound by the weights.
        let per_ns = 16u64.checked_div(conv_f32::storage(p.layout).bytes() as u64)?;
        return units::pixels(Some(g.out_channels.div_ceil(BLOCK)), BLOCK, 4, macs, per_ns);
    }
    units::groups(units::pixels(g.pixels(), g.out_channels, 4, macs, 32), p.together())
}

fn part(o: &Operands<'_>, units: Range<u32>, y: &mut [u8]) -> Option<()> {
    let p = params(&o.args()?);
    let all = reads(o, p.layout)?;
    let y = view_mut(y)?;
    if !one_pixel(&p.geometry) {
        let pixels = units::of_groups(&units, p.together(), p.geometry.pixels())?;
        conv_f32::run_pixels(o.isa, &p, &all, pixels, y);
        return Some(());
    }
    let channels = units.start.checked_mul(BLOCK)?..units.end.checked_mul(BLOCK)?.min(p.geometry.out_channels);
    let of = |out_channels: u32| Params { geometry: Geometry { out_channels, ..p.geometry }, ..p };
    // Whole blocks lie one behind the other in every layout.
    let start = if channels.start == 0 { 0 } else { of(channels.start).weights()? as usize };
    let part = of(channels.end.checked_sub(channels.start)?);
    let weights = all.weights.get(start..start.checked_add(part.weights()? as usize)?)?;
    let bias = all.bias.get(channels.start as usize..channels.end as usize)?;
    conv_f32::run(o.isa, &part, &Reads { weights, bias, ..all }, y);
    Some(())
}
