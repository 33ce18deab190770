//! f32 depthwise convolution.

use ocellus_kernels::depthwise_f32::{self, Operands as Reads, Params};
use ocellus_plan::args::DepthwiseF32;

use super::{OpEntry, geometry};
use crate::{Check, Operands, StepFault};

/// `depthwise_f32`.
pub const DEPTHWISE_F32: OpEntry = OpEntry::new::<DepthwiseF32>(check, run);

fn params(args: &DepthwiseF32) -> Params {
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
    let reads = Reads { x: o.read(0)?, weights: o.read(1)?, bias: o.read(2)? };
    depthwise_f32::run(o.isa, &p, &reads, o.write(0)?);
    Some(())
}
