//! int8 convolution with the sum that follows it.

use core::ops::Range;

use ocellus_kernels::columns::ask;
use ocellus_kernels::conv_add_i8::{self, Params};
use ocellus_kernels::round::Output;
use ocellus_kernels::{conv_i8, view_mut};
use ocellus_plan::args::ConvAddI8;

use super::{OpEntry, geometry, units};
use crate::{Check, ColumnSplit, ColumnUnits, Columns, Operands, Outline, Split, StepFault, Units};

/// `conv_add_i8`.
pub const CONV_ADD_I8: OpEntry = OpEntry::new::<ConvAddI8>(check, run)
    .shared(Split { units: parts, run: part })
    .shared_by_columns(ColumnSplit { units: columns, run: column_part });

fn params(args: &ConvAddI8) -> Params {
    let inner = Output { zero_point: args.conv_zero_point, low: args.conv_low, high: args.conv_high };
    Params {
        conv: conv_i8::Params {
            geometry: geometry::conv(&args.geometry),
            input_zero_point: args.input_zero_point,
            output: inner,
            layout: args.layout,
        },
        zero_points: [args.conv_zero_point, args.other_zero_point],
        scales: [args.conv_scale, args.other_scale],
        output: Output { zero_point: args.zero_point, low: args.low, high: args.high },
    }
}

fn check(c: &Check<'_>) -> Result<(), StepFault> {
    let p = params(&c.args()?);
    let g = &p.conv.geometry;
    c.count(1, 5)?;
    c.in_place_from(4)?;
    if !conv_i8::layouts(c.isa.level()).contains(&p.conv.layout) {
        return Err(StepFault::Layout(p.conv.layout));
    }
    if !p.check() {
        return Err(StepFault::Arguments);
    }
    c.write::<i8>(0, g.outputs())?;
    c.read::<i8>(0, g.inputs())?;
    c.read::<i8>(1, p.conv.weights())?;
    c.read::<i32>(2, Some(g.out_channels))?;
    c.read::<f32>(3, Some(g.out_channels))?;
    c.read::<i8>(4, g.outputs())
}

fn run(o: &mut Operands<'_>) -> Option<()> {
    let (p, other) = (params(&o.args()?), o.read(4));
    let operands = super::conv_i8::operands(o)?;
    conv_add_i8::run_pixels(o.isa, &p, &operands, other, 0..p.conv.geometry.pixels()?, o.write(0)?);
    Some(())
}

fn parts(o: &Outline<'_>) -> Option<Units> {
    let p = params(&o.args()?).conv;
    let g = p.geometry;
    units::groups(units::pixels(g.pixels(), g.out_channels, 1, units::macs(&g), 64), p.together())
}

fn part(o: &Operands<'_>, units: Range<u32>, y: &mut [u8]) -> Option<()> {
    let p = params(&o.args()?);
    let pixels = units::of_groups(&units, p.conv.together(), p.conv.geometry.pixels())?;
    let other = units::within(o.read(4), units::of_pixels(&p.conv.geometry, &pixels))?;
    conv_add_i8::run_pixels(o.isa, &p, &super::conv_i8::operands(o)?, other, pixels, view_mut(y)?);
    Some(())
}

/// Where the sum is computed in place, which most are: parts of another tensor's columns stand apart.
fn columns(o: &Outline<'_>) -> Option<ColumnUnits> {
    super::conv_i8::blocks(o.isa, &params(&o.args()?).conv, parts(o)).filter(|_| o.is_in_place(4))
}

fn column_part(o: &Operands<'_>, units: Range<u32>, mut y: Columns<'_>) -> Option<()> {
    let p = params(&o.args()?);
    let channels = units::of_channels(&units, p.conv.geometry.out_channels);
    let (conv, operands) = super::conv_i8::of_channels(&p.conv, &super::conv_i8::operands(o)?, channels)?;
    let (p, pixels) = (Params { conv, ..p }, 0..conv.geometry.pixels()?);
    ask(operands.x);
    y.update(|y| view_mut(y).map(|y| conv_add_i8::run_pixels(o.isa, &p, &operands, None, pixels, y)))?
}
