//! int8 resampling of rows and columns.

use core::ops::Range;

use ocellus_kernels::resize_f32::Params as Sizes;
use ocellus_kernels::resize_i8::{self, Params, Table};
use ocellus_kernels::view_mut;
use ocellus_plan::args::ResizeI8;

use super::OpEntry;
use crate::{Check, Operands, Outline, Split, StepFault, Units};

/// `resize_i8`.
pub const RESIZE_I8: OpEntry = OpEntry::new::<ResizeI8>(check, run).shared(Split { units: parts, run: part });

fn params(args: &ResizeI8) -> Params {
    let sizes = Sizes {
        batch: args.batch,
        in_height: args.in_height,
        in_width: args.in_width,
        out_height: args.out_height,
        out_width: args.out_width,
        channels: args.channels,
        row_taps: args.row_taps,
        column_taps: args.column_taps,
    };
    Params { sizes, zero_point: args.zero_point }
}

fn check(c: &Check<'_>) -> Result<(), StepFault> {
    let p = params(&c.args()?);
    c.count(1, 5)?;
    c.not_in_place()?;
    if !p.check() {
        return Err(StepFault::Arguments);
    }
    c.write::<i8>(0, p.sizes.outputs())?;
    c.read::<i8>(0, p.sizes.inputs())?;
    c.read::<u32>(1, p.sizes.row_table())?;
    c.read::<f32>(2, p.sizes.row_table())?;
    c.read::<u32>(3, p.sizes.column_table())?;
    c.read::<f32>(4, p.sizes.column_table())
}

fn tables<'a>(o: &Operands<'a>) -> Option<(Table<'a>, Table<'a>)> {
    let rows = Table { index: o.read(1)?, weights: o.read(2)? };
    Some((rows, Table { index: o.read(3)?, weights: o.read(4)? }))
}

fn run(o: &mut Operands<'_>) -> Option<()> {
    let (p, tables) = (params(&o.args()?), tables(o)?);
    resize_i8::run_lines(o.isa, &p, o.read(0)?, tables, 0..p.sizes.lines()?, o.write(0)?);
    Some(())
}

/// Rows.
fn parts(o: &Outline<'_>) -> Option<Units> {
    let p = params(&o.args()?).sizes;
    let taps = u64::from(p.row_taps) * u64::from(p.column_taps);
    let work = u64::from(p.outputs()?).checked_mul(taps)? >> 2;
    Some(Units { count: p.lines()?, bytes: (p.line()? as usize).wrapping_mul(1), work })
}

fn part(o: &Operands<'_>, lines: Range<u32>, y: &mut [u8]) -> Option<()> {
    resize_i8::run_lines(o.isa, &params(&o.args()?), o.read(0)?, tables(o)?, lines, view_mut(y)?);
    Some(())
}
