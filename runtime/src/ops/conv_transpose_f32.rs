//! f32 transposed convolution.

use ocellus_kernels::conv_transpose_f32::{self, Params};
use ocellus_plan::args::ConvTransposeF32;

use super::{OpEntry, geometry};
use crate::{Check, Operands, StepFault};

/// `conv_transpose_f32`.
pub const CONV_TRANSPOSE_F32: OpEntry = OpEntry::new::<ConvTransposeF32>(check, run);

fn params(args: &ConvTransposeF32) -> Params {
    Params { geometry: geometry::conv(&args.geometry), low: args.low, high: args.high }
}

fn check(c: &Check<'_>) -> Result<(), StepFault> {
    let p = params(&c.args()?);
    c.count(1, 3)?;
    c.not_in_place()?;
    if !p.check() {
        return Err(StepFault::Arguments);
    }
    c.write::<f32>(0, p.geometry.outputs())?;
    c.read::<f32>(0, p.geometry.inputs())?;
    c.read::<f32>(1, p.geometry.weights())?;
    c.read::<f32>(2, Some(p.geometry.out_channels))
}

fn run(o: &mut Operands<'_>) -> Option<()> {
    let p = params(&o.args()?);
    conv_transpose_f32::run(o.isa, &p, o.read(0)?, o.read(1)?, o.read(2)?, o.write(0)?);
    Some(())
}
