//! int8 convolution into a part of a larger tensor.

use core::ops::Range;

use ocellus_kernels::conv_rows_i8::{self, Params};
use ocellus_kernels::round::Output;
use ocellus_kernels::{conv_i8, view_mut};
use ocellus_plan::args::ConvRowsI8;

use super::{OpEntry, geometry, units};
use crate::{Check, Operands, Outline, Split, StepFault, Units};

/// `conv_rows_i8`.
pub const CONV_ROWS_I8: OpEntry = OpEntry::new::<ConvRowsI8>(check, run).shared(Split { units: parts, run: part });

fn params(args: &ConvRowsI8) -> Params {
    Params {
        conv: conv_i8::Params {
            geometry: geometry::conv(&args.geometry),
            input_zero_point: args.input_zero_point,
            output: Output { zero_point: args.output_zero_point, low: args.low, high: args.high },
            layout: args.layout,
        },
        y_stride: args.y_stride,
        y_offset: args.y_offset,
    }
}

fn check(c: &Check<'_>) -> Result<(), StepFault> {
    let p = params(&c.args()?);
    let g = &p.conv.geometry;
    super::conv_i8::count_with_table(c, 4)?;
    c.not_in_place()?;
    if !conv_i8::layouts(c.isa.level()).contains(&p.conv.layout) {
        return Err(StepFault::Layout(p.conv.layout));
    }
    if !p.check() {
        return Err(StepFault::Arguments);
    }
    c.write::<i8>(0, p.outputs())?;
    c.read::<i8>(0, g.inputs())?;
    c.read::<i8>(1, p.conv.weights())?;
    c.read::<i32>(2, Some(g.out_channels))?;
    c.read::<f32>(3, Some(g.out_channels))
}

fn run(o: &mut Operands<'_>) -> Option<()> {
    let p = params(&o.args()?);
    conv_rows_i8::run_pixels(o.isa, &p, &super::conv_i8::with_table(o)?, 0..p.conv.geometry.pixels()?, o.write(0)?);
    Some(())
}

/// Pixels, or as many as tiles have in whole rows.
fn parts(o: &Outline<'_>) -> Option<Units> {
    let p = params(&o.args()?);
    let g = p.conv.geometry;
    units::groups(units::pixels(g.pixels(), p.y_stride, 1, units::macs(&g), 64), p.conv.together())
}

fn part(o: &Operands<'_>, units: Range<u32>, y: &mut [u8]) -> Option<()> {
    let p = params(&o.args()?);
    let pixels = units::of_groups(&units, p.conv.together(), p.conv.geometry.pixels())?;
    conv_rows_i8::run_pixels(o.isa, &p, &super::conv_i8::with_table(o)?, pixels, view_mut(y)?);
    Some(())
}
