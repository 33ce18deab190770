//! Convolution of bytes in int32.

use core::ops::Range;

use ocellus_kernels::conv_integer::{self, Operands as Reads, Params};
use ocellus_kernels::view_mut;
use ocellus_plan::args::{ConvGeometry, ConvInteger};

use super::{OpEntry, geometry, units};
use crate::{Check, Operands, Outline, Split, StepFault, Units};

/// `conv_integer`.
pub const CONV_INTEGER: OpEntry = OpEntry::new::<ConvInteger>(check, run).shared(Split { units: parts, run: part });

/// What the kernel is told of a geometry, and of x.
pub(super) fn params(geometry: &ConvGeometry, signed: u32) -> Params {
    Params { geometry: geometry::conv(geometry), signed: signed != 0 }
}

/// Checks x and the weights, and the zero point at place `zero`.
pub(super) fn check_reads(c: &Check<'_>, p: &Params, signed: u32, zero: usize) -> Result<(), StepFault> {
    if !p.geometry.check() || signed > 1 {
        return Err(StepFault::Arguments);
    }
    c.read::<u8>(0, p.geometry.inputs())?;
    // The numbers behind the weights are words.
    c.read::<i32>(1, p.packed_bytes().map(|n| n / 4))?;
    c.optional::<u8>(zero, Some(1))?;
    Ok(())
}

/// What the kernel reads, with the zero point at place `zero`.
pub(super) fn reads<'a>(o: &Operands<'a>, zero: usize) -> Option<Reads<'a>> {
    let x_zero = o.read::<u8>(zero).and_then(|zero| zero.first().copied()).unwrap_or(0);
    Some(Reads { x: o.read(0)?, weights: o.read(1)?, x_zero })
}

/// Output pixels.
pub(super) fn pixels(p: &Params) -> Option<Units> {
    units::pixels(p.geometry.pixels(), p.geometry.out_channels, 4, units::macs(&p.geometry), 32)
}

fn check(c: &Check<'_>) -> Result<(), StepFault> {
    let args: ConvInteger = c.args()?;
    let p = params(&args.geometry, args.signed);
    c.count(1, 3)?;
    c.not_in_place()?;
    check_reads(c, &p, args.signed, 2)?;
    c.write::<i32>(0, p.geometry.outputs())
}

fn run(o: &mut Operands<'_>) -> Option<()> {
    let args: ConvInteger = o.args()?;
    conv_integer::run(o.isa, &params(&args.geometry, args.signed), &reads(o, 2)?, o.write(0)?);
    Some(())
}

fn parts(o: &Outline<'_>) -> Option<Units> {
    let args: ConvInteger = o.args()?;
    pixels(&params(&args.geometry, args.signed))
}

fn part(o: &Operands<'_>, units: Range<u32>, y: &mut [u8]) -> Option<()> {
    let args: ConvInteger = o.args()?;
    conv_integer::run_pixels(o.isa, &params(&args.geometry, args.signed), &reads(o, 2)?, units, view_mut(y)?);
    Some(())
}
