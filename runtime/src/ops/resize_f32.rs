//! f32 resampling of rows and columns.

use core::ops::Range;

use ocellus_kernels::resize_f32::{self, Params, Table};
use ocellus_kernels::view_mut;
use ocellus_plan::args::ResizeF32;

use super::OpEntry;
use crate::{Check, Operands, Outline, Split, StepFault, Units};

/// `resize_f32`.
pub const RESIZE_F32: OpEntry = OpEntry::new::<ResizeF32>(check, run).shared(Split { units: parts, run: part });

fn params(args: &ResizeF32) -> Params {
    Params {
        batch: args.batch,
        in_height: args.in_height,
        in_width: args.in_width,
        out_height: args.out_height,
        out_width: args.out_width,
        channels: args.channels,
        row_taps: args.row_taps,
        column_taps: args.column_taps,
    }
}

fn check(c: &Check<'_>) -> Result<(), StepFault> {
    let p = params(&c.args()?);
    c.count(1, 5)?;
    c.not_in_place()?;
    c.write::<f32>(0, p.outputs())?;
    c.read::<f32>(0, p.inputs())?;
    c.read::<u32>(1, p.row_table())?;
    c.read::<f32>(2, p.row_table())?;
    c.read::<u32>(3, p.column_table())?;
    c.read::<f32>(4, p.column_table())
}

fn tables<'a>(o: &Operands<'a>) -> Option<(Table<'a>, Table<'a>)> {
    let rows = Table { index: o.read(1)?, weights: o.read(2)? };
    Some((rows, Table { index: o.read(3)?, weights: o.read(4)? }))
}

fn run(o: &mut Operands<'_>) -> Option<()> {
    let (p, tables) = (params(&o.args()?), tables(o)?);
    resize_f32::run_lines(o.isa, &p, o.read(0)?, tables, 0..p.lines()?, o.write(0)?);
    Some(())
}

/// Rows.
fn parts(o: &Outline<'_>) -> Option<Units> {
    let p = params(&o.args()?);
    let taps = u64::from(p.row_taps) * u64::from(p.column_taps);
    let work = u64::from(p.outputs()?).checked_mul(taps)? >> 2;
    Some(Units { count: p.lines()?, bytes: (p.line()? as usize).wrapping_mul(4), work })
}

fn part(o: &Operands<'_>, lines: Range<u32>, y: &mut [u8]) -> Option<()> {
    resize_f32::run_lines(o.isa, &params(&o.args()?), o.read(0)?, tables(o)?, lines, view_mut(y)?);
    Some(())
}
