//! f32 convolution that computes in f16.

use core::ops::Range;

use ocellus_kernels::conv_f16::{self, Operands as Reads, Params};
use ocellus_kernels::half::F16;
use ocellus_kernels::view_mut;
use ocellus_plan::args::{ConvF16, FloatLayout};

use super::{OpEntry, geometry, units};
use crate::{Check, Operands, Outline, Split, StepFault, Units};

/// `conv_f16`.
pub const CONV_F16: OpEntry = OpEntry::new::<ConvF16>(check, run).shared(Split { units: parts, run: part });

fn params(args: &ConvF16) -> Params {
    Params { geometry: geometry::conv(&args.geometry), low: args.low, high: args.high }
}

fn check(c: &Check<'_>) -> Result<(), StepFault> {
    let args = c.args()?;
    let p = params(&args);
    c.count(1, 3)?;
    c.not_in_place()?;
    if !p.check() {
        return Err(StepFault::Arguments);
    }
    if args.layout != FloatLayout::O16_F16 {
        return Err(StepFault::Layout(args.layout));
    }
    c.write::<f32>(0, p.geometry.outputs())?;
    c.read::<f32>(0, p.geometry.inputs())?;
    c.read::<F16>(1, p.weights())?;
    c.read::<f32>(2, Some(p.geometry.out_channels))
}

fn reads<'a>(o: &Operands<'a>) -> Option<Reads<'a>> {
    Some(Reads { x: o.read(0)?, weights: o.read(1)?, bias: o.read(2)? })
}

fn run(o: &mut Operands<'_>) -> Option<()> {
    let p = params(&o.args()?);
    conv_f16::run(o.isa, &p, &reads(o)?, o.write(0)?);
    Some(())
}

fn parts(o: &Outline<'_>) -> Option<Units> {
    let g = params(&o.args()?).geometry;
    units::pixels(g.pixels(), g.out_channels, 4, units::macs(&g), 32)
}

fn part(o: &Operands<'_>, pixels: Range<u32>, y: &mut [u8]) -> Option<()> {
    let p = params(&o.args()?);
    conv_f16::run_pixels(o.isa, &p, &reads(o)?, pixels, view_mut(y)?);
    Some(())
}
