//! Convolution of bytes in int32.

use ocellus_kernels::conv_integer::{self, Params};
use ocellus_plan::args::ConvInteger;

use super::{OpEntry, geometry};
use crate::{Check, Operands, StepFault};

/// `conv_integer`.
pub const CONV_INTEGER: OpEntry = OpEntry::new::<ConvInteger>(check, run);

fn params(args: &ConvInteger) -> Params {
    Params { geometry: geometry::conv(&args.geometry), signed: args.signed != 0 }
}

fn check(c: &Check<'_>) -> Result<(), StepFault> {
    let args: ConvInteger = c.args()?;
    let p = params(&args);
    c.count(1, 4)?;
    c.not_in_place()?;
    if !p.geometry.check() || args.signed > 1 {
        return Err(StepFault::Arguments);
    }
    c.write::<i32>(0, p.geometry.outputs())?;
    c.read::<u8>(0, p.geometry.inputs())?;
    c.read::<i8>(1, p.geometry.weights())?;
    c.read::<i32>(2, Some(p.geometry.out_channels))?;
    c.optional::<u8>(3, Some(1))?;
    Ok(())
}

fn run(o: &mut Operands<'_>) -> Option<()> {
    let p = params(&o.args()?);
    let x_zero = o.read::<u8>(3).and_then(|zero| zero.first().copied()).unwrap_or(0);
    let operands = conv_integer::Operands { x: o.read(0)?, weights: o.read(1)?, zero_points: o.read(2)?, x_zero };
    conv_integer::run(o.isa, &p, &operands, o.write(0)?);
    Some(())
}
