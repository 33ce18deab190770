//! f32 resampling of rows and columns.

use ocellus_kernels::resize_f32::{self, Params, Table};
use ocellus_plan::args::ResizeF32;

use super::OpEntry;
use crate::{Check, Operands, StepFault};

/// `resize_f32`.
pub const RESIZE_F32: OpEntry = OpEntry::new::<ResizeF32>(check, run);

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

fn run(o: &mut Operands<'_>) -> Option<()> {
    let p = params(&o.args()?);
    let rows = Table { index: o.read(1)?, weights: o.read(2)? };
    let columns = Table { index: o.read(3)?, weights: o.read(4)? };
    resize_f32::run(o.isa, &p, o.read(0)?, rows, columns, o.write(0)?);
    Some(())
}
