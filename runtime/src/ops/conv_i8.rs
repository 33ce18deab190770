//! int8 convolution.

use core::ops::Range;

use ocellus_kernels::columns::ask;
use ocellus_kernels::conv_i8::{self, Params};
use ocellus_kernels::geometry::Geometry;
use ocellus_kernels::round::Output;
use ocellus_kernels::{Isa, view_mut};
use ocellus_plan::args::ConvI8;

use super::{OpEntry, geometry, units};
use crate::{Check, ColumnSplit, ColumnUnits, Columns, Operands, Outline, Split, StepFault, Units};

/// `conv_i8`.
pub const CONV_I8: OpEntry = OpEntry::new::<ConvI8>(check, run)
    .shared(Split { units: parts, run: part })
    .shared_by_columns(ColumnSplit { units: columns, run: column_part });

fn params(args: &ConvI8) -> Params {
    Params {
        geometry: geometry::conv(&args.geometry),
        input_zero_point: args.input_zero_point,
        output: Output { zero_point: args.output_zero_point, low: args.low, high: args.high },
        layout: args.layout,
    }
}

fn check(c: &Check<'_>) -> Result<(), StepFault> {
    let p = params(&c.args()?);
    count_with_table(c, 4)?;
    c.not_in_place()?;
    if !conv_i8::layouts(c.isa.level()).contains(&p.layout) {
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

/// Checks that there are as many reads, or one more that is a table.
pub(super) fn count_with_table(c: &Check<'_>, reads: usize) -> Result<(), StepFault> {
    if conv_i8::TABLES && c.step.reads().count() > reads {
        c.count(1, reads.wrapping_add(1))?;
        return c.read::<i8>(reads, Some(256));
    }
    c.count(1, reads)
}

/// What a convolution reads.
pub(super) fn operands<'a>(o: &Operands<'a>) -> Option<conv_i8::Operands<'a>> {
    let (x, weights, bias, multipliers) = (o.read(0)?, o.read(1)?, o.read(2)?, o.read(3)?);
    Some(conv_i8::Operands { x, weights, bias, multipliers, table: None })
}

/// With the table behind them, where there is one.
pub(super) fn with_table<'a>(o: &Operands<'a>) -> Option<conv_i8::Operands<'a>> {
    let table = if conv_i8::TABLES { o.read::<i8>(4).and_then(|table| table.first_chunk()) } else { None };
    Some(conv_i8::Operands { table, ..operands(o)? })
}

fn run(o: &mut Operands<'_>) -> Option<()> {
    let p = params(&o.args()?);
    conv_i8::run(o.isa, &p, &with_table(o)?, o.write(0)?);
    Some(())
}

/// Output channels that a fully connected layer's weights keep together.
const BLOCK: u32 = 16;

/// Pixels, or as many as tiles have in whole rows; of a layer with one pixel blocks of output channels.
fn parts(o: &Outline<'_>) -> Option<Units> {
    let p = params(&o.args()?);
    let g = p.geometry;
    let (pixels, macs) = (g.pixels(), units::macs(&g));
    if pixels == Some(1) && g.groups == 1 {
        // Bound by the weights: a byte each.
        return units::pixels(Some(g.out_channels.div_ceil(BLOCK)), BLOCK, 1, macs, 16);
    }
    units::groups(units::pixels(pixels, g.out_channels, 1, macs, 64), p.together())
}

fn part(o: &Operands<'_>, units: Range<u32>, y: &mut [u8]) -> Option<()> {
    let (p, all) = (params(&o.args()?), with_table(o)?);
    let y = view_mut(y)?;
    if p.geometry.pixels() != Some(1) || p.geometry.groups != 1 {
        let pixels = units::of_groups(&units, p.together(), p.geometry.pixels())?;
        conv_i8::run_pixels(o.isa, &p, &all, pixels, y);
        return Some(());
    }
    let channels = units.start.checked_mul(BLOCK)?..units.end.checked_mul(BLOCK)?.min(p.geometry.out_channels);
    let (p, operands) = of_channels(&p, &all, channels)?;
    conv_i8::run(o.isa, &p, &operands, y);
    Some(())
}

/// The same for some output channels, which begin with a block.
pub(super) fn of_channels<'a>(
    p: &Params,
    all: &conv_i8::Operands<'a>,
    channels: Range<u32>,
) -> Option<(Params, conv_i8::Operands<'a>)> {
    let of = |out_channels: u32| Params { geometry: Geometry { out_channels, ..p.geometry }, ..*p };
    // Whole blocks lie one behind the other in every layout.
    let start = if channels.start == 0 { 0 } else { of(channels.start).weights()? as usize };
    let part = of(channels.end.checked_sub(channels.start)?);
    let range = channels.start as usize..channels.end as usize;
    let operands = conv_i8::Operands {
        x: all.x,
        weights: all.weights.get(start..start.checked_add(part.weights()? as usize)?)?,
        bias: all.bias.get(range.clone())?,
        multipliers: all.multipliers.get(range)?,
        table: all.table,
    };
    Some((part, operands))
}

/// Blocks of channels, where the weights are many.
pub(super) fn blocks(isa: Isa, p: &Params, units: Option<Units>) -> Option<ColumnUnits> {
    units::channels(isa, &p.geometry, p.weights()?, units)
}

fn columns(o: &Outline<'_>) -> Option<ColumnUnits> {
    blocks(o.isa, &params(&o.args()?), parts(o))
}

fn column_part(o: &Operands<'_>, units: Range<u32>, mut y: Columns<'_>) -> Option<()> {
    let p = params(&o.args()?);
    let (p, operands) = of_channels(&p, &with_table(o)?, units::of_channels(&units, p.geometry.out_channels))?;
    ask(operands.x);
    conv_i8::run_columns(o.isa, &p, &operands, &mut y);
    Some(())
}
