//! f32 depthwise convolution with weights of 16 bits.

use core::ops::Range;

use ocellus_kernels::depthwise_f32::{self, Operands as Reads, Params};
use ocellus_kernels::half::Storage;
use ocellus_kernels::view_mut;
use ocellus_plan::args::{DepthwiseHalf, FloatLayout};

use super::{OpEntry, geometry, storage, units};
use crate::{Check, Operands, Outline, Split, StepFault, Units};

/// `depthwise_half`.
pub const DEPTHWISE_HALF: OpEntry = OpEntry::new::<DepthwiseHalf>(check, run).shared(Split { units: parts, run: part });

fn params(args: &DepthwiseHalf) -> Params {
    Params { geometry: geometry::conv(&args.geometry), low: args.low, high: args.high }
}

fn stored(args: &DepthwiseHalf) -> Option<Storage> {
    match args.layout {
        FloatLayout::TAPS_F16 => Some(Storage::F16),
        FloatLayout::TAPS_BF16 => Some(Storage::Bf16),
        _ => None,
    }
}

fn check(c: &Check<'_>) -> Result<(), StepFault> {
    let args = c.args()?;
    let p = params(&args);
    c.count(1, 3)?;
    c.not_in_place()?;
    if !p.check() {
        return Err(StepFault::Arguments);
    }
    c.write::<f32>(0, p.geometry.outputs())?;
    c.read::<f32>(0, p.geometry.inputs())?;
    storage::check(c, 1, stored(&args).ok_or(StepFault::Layout(args.layout))?, p.geometry.weights())?;
    c.read::<f32>(2, Some(p.geometry.out_channels))
}

fn reads<'a>(o: &Operands<'a>, args: &DepthwiseHalf) -> Option<Reads<'a>> {
    Some(Reads { x: o.read(0)?, weights: storage::read(o, 1, stored(args)?)?, bias: o.read(2)? })
}

fn run(o: &mut Operands<'_>) -> Option<()> {
    let args = o.args()?;
    depthwise_f32::run(o.isa, &params(&args), &reads(o, &args)?, o.write(0)?);
    Some(())
}

fn parts(o: &Outline<'_>) -> Option<Units> {
    let g = params(&o.args()?).geometry;
    units::pixels(g.pixels(), g.out_channels, 4, units::macs(&g), 4)
}

fn part(o: &Operands<'_>, pixels: Range<u32>, y: &mut [u8]) -> Option<()> {
    let args = o.args()?;
    depthwise_f32::run_pixels(o.isa, &params(&args), &reads(o, &args)?, pixels, view_mut(y)?);
    Some(())
}
