//! f32 transposed convolution.

use core::ops::Range;

use ocellus_kernels::conv_transpose_f32::{self, Params};
use ocellus_kernels::view_mut;
use ocellus_plan::args::ConvTransposeF32;

use super::conv_f32::reads;
use super::{OpEntry, geometry, storage, units};
use crate::{Check, Operands, Outline, Split, StepFault, Units};

/// `conv_transpose_f32`.
pub const CONV_TRANSPOSE_F32: OpEntry =
    OpEntry::new::<ConvTransposeF32>(check, run).shared(Split { units: parts, run: part });

fn params(args: &ConvTransposeF32) -> Params {
    Params { geometry: geometry::conv(&args.geometry), low: args.low, high: args.high, layout: args.layout }
}

fn check(c: &Check<'_>) -> Result<(), StepFault> {
    let p = params(&c.args()?);
    c.count(1, 3)?;
    c.not_in_place()?;
    if !p.geometry.check_transposed() {
        return Err(StepFault::Arguments);
    }
    if !p.check() {
        return Err(StepFault::Layout(p.layout));
    }
    c.write::<f32>(0, p.geometry.outputs())?;
    c.read::<f32>(0, p.geometry.inputs())?;
    storage::check(c, 1, conv_transpose_f32::storage(p.layout), p.weights())?;
    c.read::<f32>(2, Some(p.geometry.out_channels))
}

fn run(o: &mut Operands<'_>) -> Option<()> {
    let p = params(&o.args()?);
    conv_transpose_f32::run(o.isa, &p, &reads(o, p.layout)?, o.write(0)?);
    Some(())
}

fn parts(o: &Outline<'_>) -> Option<Units> {
    let g = params(&o.args()?).geometry;
    units::pixels(g.pixels(), g.out_channels, 4, units::macs(&g), 8)
}

fn part(o: &Operands<'_>, pixels: Range<u32>, y: &mut [u8]) -> Option<()> {
    let p = params(&o.args()?);
    conv_transpose_f32::run_pixels(o.isa, &p, &reads(o, p.layout)?, pixels, view_mut(y)?);
    Some(())
}
