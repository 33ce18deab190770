//! int8 depthwise convolution.

use core::ops::Range;

use ocellus_kernels::depthwise_i8::{self, Params};
use ocellus_kernels::round::Output;
use ocellus_kernels::view_mut;
use ocellus_plan::args::DepthwiseI8;

use super::{OpEntry, conv_i8, geometry, units};
use crate::{Check, ColumnSplit, ColumnUnits, Columns, Operands, Outline, Split, StepFault, Units};

/// `depthwise_i8`.
pub const DEPTHWISE_I8: OpEntry = OpEntry::new::<DepthwiseI8>(check, run)
    .shared(Split { units: parts, run: part })
    .shared_by_columns(ColumnSplit { units: columns, run: column_part });

fn params(args: &DepthwiseI8) -> Params {
    Params {
        geometry: geometry::conv(&args.geometry),
        input_zero_point: args.input_zero_point,
        output: Output { zero_point: args.output_zero_point, low: args.low, high: args.high },
    }
}

fn check(c: &Check<'_>) -> Result<(), StepFault> {
    let p = params(&c.args()?);
    conv_i8::count_with_table(c, 4)?;
    c.not_in_place()?;
    if !p.check() {
        return Err(StepFault::Arguments);
    }
    c.write::<i8>(0, p.geometry.outputs())?;
    c.read::<i8>(0, p.geometry.inputs())?;
    c.read::<i8>(1, p.geometry.weights())?;
    c.read::<i32>(2, Some(p.geometry.out_channels))?;
    c.read::<f32>(3, Some(p.geometry.out_channels))
}

fn run(o: &mut Operands<'_>) -> Option<()> {
    let p = params(&o.args()?);
    depthwise_i8::run(o.isa, &p, &conv_i8::with_table(o)?, o.write(0)?);
    Some(())
}

fn parts(o: &Outline<'_>) -> Option<Units> {
    let g = params(&o.args()?).geometry;
    units::pixels(g.pixels(), g.out_channels, 1, units::macs(&g), 8)
}

fn part(o: &Operands<'_>, pixels: Range<u32>, y: &mut [u8]) -> Option<()> {
    let p = params(&o.args()?);
    depthwise_i8::run_pixels(o.isa, &p, &conv_i8::with_table(o)?, pixels, view_mut(y)?);
    Some(())
}

fn columns(o: &Outline<'_>) -> Option<ColumnUnits> {
    let p = params(&o.args()?);
    units::depthwise_channels(o.isa, &p.geometry, parts(o)).filter(|_| depthwise_i8::has_channels(o.isa, &p))
}

fn column_part(o: &Operands<'_>, units: Range<u32>, mut y: Columns<'_>) -> Option<()> {
    let p = params(&o.args()?);
    let first = units::of_channels(&units, p.geometry.out_channels).start;
    depthwise_i8::run_channels(o.isa, &p, &conv_i8::with_table(o)?, first, &mut y);
    Some(())
}
