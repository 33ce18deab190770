//! int8 average pooling.

use core::ops::Range;

use ocellus_kernels::average_pool_i8::{self, Params, Sums};
use ocellus_kernels::view_mut;
use ocellus_plan::args::AveragePoolI8;

use super::{OpEntry, geometry, units};
use crate::{Check, Operands, Outline, Split, StepFault, SumSplit, Units};

/// `average_pool_i8`.
pub const AVERAGE_POOL_I8: OpEntry = OpEntry::new::<AveragePoolI8>(check, run)
    .shared(Split { units: parts, run: part })
    .shared_by_sums(SumSplit { units: rows, run: add, finish });

fn params(args: &AveragePoolI8) -> Params {
    Params {
        geometry: geometry::pool(&args.geometry),
        count_include_pad: args.count_include_pad != 0,
        input_zero_point: args.input_zero_point,
        output_zero_point: args.output_zero_point,
    }
}

fn check(c: &Check<'_>) -> Result<(), StepFault> {
    let args: AveragePoolI8 = c.args()?;
    let p = params(&args);
    c.count(1, 2)?;
    c.not_in_place()?;
    if args.count_include_pad > 1 || !p.check() {
        return Err(StepFault::Arguments);
    }
    c.write::<i8>(0, p.geometry.outputs())?;
    c.read::<i8>(0, p.geometry.inputs())?;
    c.read::<f32>(1, p.geometry.taps())
}

fn run(o: &mut Operands<'_>) -> Option<()> {
    let p = params(&o.args()?);
    average_pool_i8::run(o.isa, &p, o.read(0)?, o.read(1)?, o.write(0)?);
    Some(())
}

/// Channels of an input pixel from which on parts of them lie in other cache lines.
const WIDE: u32 = 128;

/// Pixels; of an output with one pixel blocks of channels, if there are many.
fn parts(o: &Outline<'_>) -> Option<Units> {
    let g = params(&o.args()?).geometry;
    let terms = u64::from(g.outputs()?).checked_mul(u64::from(g.taps()?));
    if g.pixels() == Some(1) {
        if g.channels < WIDE {
            return None;
        }
        return units::groups(units::pixels(Some(g.channels), 1, 1, terms, 8), units::together(g.channels));
    }
    units::pixels(g.pixels(), g.channels, 1, terms, 16)
}

fn part(o: &Operands<'_>, units: Range<u32>, y: &mut [u8]) -> Option<()> {
    let p = params(&o.args()?);
    let (x, multipliers, y) = (o.read(0)?, o.read(1)?, view_mut(y)?);
    if p.geometry.pixels() == Some(1) {
        let channels = units::of_channels(&units, p.geometry.channels);
        average_pool_i8::run_channels(o.isa, &p, x, multipliers, channels, y);
    } else {
        average_pool_i8::run_pixels(o.isa, &p, x, multipliers, units, y);
    }
    Some(())
}

/// Rows of the input of an output with one pixel, where most likely the steps before and behind it are shared by rows too.
fn rows(o: &Outline<'_>) -> Option<Units> {
    let p = params(&o.args()?);
    let g = p.geometry;
    let work = u64::from(g.inputs()?).div_euclid(8);
    let many = g.in_height.checked_mul(g.in_width)? > units::PIXELS;
    (many && average_pool_i8::has_sums(o.isa, &p)).then_some(Units {
        count: g.in_height,
        bytes: average_pool_i8::used(g.channels).wrapping_mul(size_of::<i32>()),
        work,
    })
}

fn add(o: &Operands<'_>, rows: Range<u32>, sums: &mut Sums) -> Option<()> {
    average_pool_i8::add_rows(o.isa, &params(&o.args()?), o.read(0)?, rows, sums);
    Some(())
}

fn finish(o: &mut Operands<'_>, sums: &Sums) -> Option<()> {
    let p = params(&o.args()?);
    average_pool_i8::finish(o.isa, &p, sums, o.read(1)?, o.write(0)?);
    Some(())
}
