//! int8 transposed convolution.

use core::ops::Range;

use ocellus_kernels::conv_transpose_i8::{self, Params};
use ocellus_kernels::round::Output;
use ocellus_kernels::view_mut;
use ocellus_plan::args::ConvTransposeI8;

use super::conv_i8::operands;
use super::{OpEntry, geometry, units};
use crate::{Check, Operands, Outline, Split, StepFault, Units};

/// `conv_transpose_i8`.
pub const CONV_TRANSPOSE_I8: OpEntry =
    OpEntry::new::<ConvTransposeI8>(check, run).shared(Split { units: parts, run: part });

fn params(args: &ConvTransposeI8) -> Params {
    Params {
        geometry: geometry::conv(&args.geometry),
        input_zero_point: args.input_zero_point,
        output: Output { zero_point: args.output_zero_point, low: args.low, high: args.high },
        layout: args.layout,
    }
}

fn check(c: &Check<'_>) -> Result<(), StepFault> {
    let p = params(&c.args()?);
    c.count(1, 4)?;
    c.not_in_place()?;
    if !conv_transpose_i8::layouts(c.isa.level()).contains(&p.layout) {
        return Err(StepFault::Layout(p.layout));
    }
    if !p.check() {
        return Err(StepFault::Arguments);
    }
    c.write::<i8>(0, p.geometry.outputs())?;
    c.read::<i8>(0, p.geometry.inputs())?;
    c.read::<i8>(1, p.weights())?;
    c.read::<i32>(2, Some(p.geometry.out_channels))?;
    c.read::<f32>(3, Some(p.geometry.out_channels))
}

fn run(o: &mut Operands<'_>) -> Option<()> {
    let p = params(&o.args()?);
    conv_transpose_i8::run(o.isa, &p, &operands(o)?, o.write(0)?);
    Some(())
}

fn parts(o: &Outline<'_>) -> Option<Units> {
    let g = params(&o.args()?).geometry;
    units::pixels(g.pixels(), g.out_channels, 1, units::macs(&g), 8)
}

fn part(o: &Operands<'_>, pixels: Range<u32>, y: &mut [u8]) -> Option<()> {
    let p = params(&o.args()?);
    conv_transpose_i8::run_pixels(o.isa, &p, &operands(o)?, pixels, view_mut(y)?);
    Some(())
}
