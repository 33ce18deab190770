//! f32 transposed convolution.

use ocellus_kernels::conv_transpose_f32::{self, Operands as Reads, Params};
use ocellus_plan::args::ConvTransposeF32;

use super::{OpEntry, geometry};
use crate::{Check, Operands, StepFault};

/// `conv_transpose_f32`.
pub const CONV_TRANSPOSE_F32: OpEntry = OpEntry::new::<ConvTransposeF32>(check, run);

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
    c.read::<f32>(1, p.weights())?;
    c.read::<f32>(2, Some(p.geometry.out_channels))
}

fn run(o: &mut Operands<'_>) -> Option<()> {
    let p = params(&o.args()?);
    let reads = Reads { x: o.read(0)?, weights: o.read(1)?, bias: o.read(2)? };
    conv_transpose_f32::run(o.isa, &p, &reads, o.write(0)?);
    Some(())
}
