//! int8 resampling of rows and columns.

use ocellus_kernels::resize_f32::Params as Sizes;
use ocellus_kernels::resize_i8::{self, Params, Table};
use ocellus_plan::args::ResizeI8;

use super::OpEntry;
use crate::{Check, Operands, StepFault};

/// `resize_i8`.
pub const RESIZE_I8: OpEntry = OpEntry::new::<ResizeI8>(check, run);

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

fn run(o: &mut Operands<'_>) -> Option<()> {
    let p = params(&o.args()?);
    let rows = Table { index: o.read(1)?, weights: o.read(2)? };
    let columns = Table { index: o.read(3)?, weights: o.read(4)? };
    resize_i8::run(o.isa, &p, o.read(0)?, rows, columns, o.write(0)?);
    Some(())
}
