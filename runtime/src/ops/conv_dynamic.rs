//! Convolution of bytes to real numbers.

use core::ops::Range;

use ocellus_kernels::conv_dynamic::{self, Affine, Params};
use ocellus_kernels::view_mut;
use ocellus_plan::args::ConvDynamic;

use super::OpEntry;
use super::conv_integer::{check_reads, params, pixels, reads};
use crate::{Check, Operands, Outline, Split, StepFault, Units};

/// `conv_dynamic`.
pub const CONV_DYNAMIC: OpEntry = OpEntry::new::<ConvDynamic>(check, run).shared(Split { units: parts, run: part });

fn known(args: &ConvDynamic) -> Params {
    params(&args.geometry, args.signed)
}

fn check(c: &Check<'_>) -> Result<(), StepFault> {
    let args: ConvDynamic = c.args()?;
    let p = known(&args);
    c.count(1, 5)?;
    c.not_in_place()?;
    check_reads(c, &p, args.signed, 4)?;
    if args.scales != 1 && args.scales != p.geometry.out_channels {
        return Err(StepFault::Arguments);
    }
    c.read::<f32>(2, Some(args.scales))?;
    c.read::<f32>(3, Some(p.geometry.out_channels))?;
    c.write::<f32>(0, p.geometry.outputs())
}

fn affine<'a>(o: &Operands<'a>, args: &ConvDynamic) -> Option<Affine<'a>> {
    Some(Affine { scales: o.read(2)?, bias: o.read(3)?, low: args.low, high: args.high })
}

fn run(o: &mut Operands<'_>) -> Option<()> {
    let args = o.args()?;
    conv_dynamic::run(o.isa, &known(&args), &reads(o, 4)?, &affine(o, &args)?, o.write(0)?);
    Some(())
}

fn parts(o: &Outline<'_>) -> Option<Units> {
    pixels(&known(&o.args()?))
}

fn part(o: &Operands<'_>, units: Range<u32>, y: &mut [u8]) -> Option<()> {
    let args = o.args()?;
    conv_dynamic::run_pixels(o.isa, &known(&args), &reads(o, 4)?, &affine(o, &args)?, units, view_mut(y)?);
    Some(())
}
