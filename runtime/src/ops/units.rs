//! Units of steps that threads share.

use core::ops::Range;

use ocellus_kernels::broadcast::Broadcast;
use ocellus_kernels::geometry::Geometry;
use ocellus_kernels::{Isa, Level};

use crate::{ColumnUnits, Units};

/// Elements of an elementwise step that stay together, so that parts begin at the same places in a cache line.
pub(super) const BLOCK: u32 = 256;

/// Blocks of `len` elements of `bytes` bytes, of which `per_nanosecond` take a nanosecond.
pub(super) fn blocks(len: usize, bytes: usize, per_nanosecond: u64) -> Option<Units> {
    let count = u32::try_from(len.div_ceil(BLOCK as usize)).ok()?;
    Some(Units { count, bytes: bytes.wrapping_mul(BLOCK as usize), work: (len as u64).checked_div(per_nanosecond)? })
}

/// The elements of blocks.
pub(super) fn elements<'a, T>(x: &'a [T], blocks: &Range<u32>) -> Option<&'a [T]> {
    let place = |block: u32| (block as usize).wrapping_mul(BLOCK as usize).min(x.len());
    x.get(place(blocks.start)..place(blocks.end))
}

/// Output pixels of a window operation with `macs` per nanosecond; `element` bytes for every one of `channels`.
pub(super) fn pixels(
    pixels: Option<u32>,
    channels: u32,
    element: usize,
    macs: Option<u64>,
    per_ns: u64,
) -> Option<Units> {
    Some(Units { count: pixels?, bytes: (channels as usize).wrapping_mul(element), work: macs?.checked_div(per_ns)? })
}

/// As [`pixels`], `together` of which are a unit.
pub(super) fn groups(units: Option<Units>, together: u32) -> Option<Units> {
    let Units { count, bytes, work } = units?;
    let count = count.checked_add(together.checked_sub(1)?)?.checked_div(together)?;
    Some(Units { count, bytes: bytes.checked_mul(together as usize)?, work })
}

/// The pixels of units of `together`, of `all`.
pub(super) fn of_groups(units: &Range<u32>, together: u32, all: Option<u32>) -> Option<Range<u32>> {
    let all = all?;
    let place = |unit: u32| unit.saturating_mul(together).min(all);
    Some(place(units.start)..place(units.end))
}

/// The outputs of these pixels.
pub(super) fn of_pixels(g: &Geometry, pixels: &Range<u32>) -> Range<usize> {
    let element = |pixel: u32| (pixel as usize).wrapping_mul(g.out_channels as usize);
    element(pixels.start)..element(pixels.end)
}

/// Multiply-accumulates of a convolution, padded taps included.
pub(super) fn macs(g: &Geometry) -> Option<u64> {
    let per_output = u64::from(g.kernel_height) * u64::from(g.kernel_width) * u64::from(g.group_inputs());
    u64::from(g.outputs()?).checked_mul(per_output)
}

/// Channels, of so many, that threads leave together where they share those: where they are many whole cache lines, since what
/// two threads write in one costs both.
pub(super) fn together(channels: u32) -> u32 {
    if channels >= 512 { 64 } else { 32 }
}

/// The most output pixels with which that pays: as many as AMX's tiles take at once.
pub(super) const PIXELS: u32 = 64;
/// Bytes that a core's nearest cache holds, more or less.
const NEAR: u32 = 64 << 10;

/// Blocks of output channels of an int8 convolution, where reading its weights of so many bytes takes longer than the products:
/// they are more than the nearest caches hold, and than twice its input, and AMX multiplies.
pub(super) fn channels(isa: Isa, g: &Geometry, weights: u32, rows: Option<Units>) -> Option<ColumnUnits> {
    let pays = weights > NEAR && weights.div_euclid(2) > g.inputs()? && (2..=PIXELS).contains(&g.pixels()?);
    (pays && g.groups == 1 && isa.level() == Level::Amx).then(|| columns(g.out_channels, rows))?
}

/// Blocks of output channels, of steps that cost as much as in `rows`.
fn columns(channels: u32, rows: Option<Units>) -> Option<ColumnUnits> {
    let each = Units { count: channels, bytes: 1, ..rows? };
    let Units { count, bytes, work } = groups(Some(each), together(channels))?;
    Some(ColumnUnits { first: 0, count, bytes, pitch: channels as usize, work, room: true })
}

/// Blocks of channels of an int8 depthwise convolution, where most likely a convolution has been shared in such blocks before it:
/// the input has few pixels, and AMX multiplies.
pub(super) fn depthwise_channels(isa: Isa, g: &Geometry, rows: Option<Units>) -> Option<ColumnUnits> {
    let inputs = g.inputs()?.checked_div(g.in_channels)?;
    let pays = (2..=PIXELS).contains(&inputs) && g.pixels()? > 1 && isa.level() == Level::Amx;
    pays.then(|| columns(g.out_channels, rows))?
}

/// The channels of such blocks, of `all`.
pub(super) fn of_channels(units: &Range<u32>, all: u32) -> Range<u32> {
    let place = |unit: u32| unit.saturating_mul(together(all)).min(all);
    place(units.start)..place(units.end)
}

/// The outermost axis of a broadcast that has more than one element: its place.
fn outermost(b: &Broadcast) -> usize {
    b.sizes.iter().position(|&n| n > 1).unwrap_or(0)
}

/// Slices along the outermost axis of an elementwise step of two operands.
pub(super) fn slices(b: &Broadcast, element: usize, per_ns: u64) -> Option<Units> {
    let (outputs, count) = (b.outputs()?, *b.sizes.get(outermost(b))?);
    let bytes = (outputs.checked_div(count)? as usize).wrapping_mul(element);
    Some(Units { count, bytes, work: u64::from(outputs).checked_div(per_ns)? })
}

/// The broadcast of some of these slices, with the elements of both operands that they read.
pub(super) fn of_slices(b: &Broadcast, slices: &Range<u32>) -> Option<(Broadcast, [Range<usize>; 2])> {
    let axis = outermost(b);
    let mut part = *b;
    *part.sizes.get_mut(axis)? = slices.end.checked_sub(slices.start)?;
    let range = |strides: &[u32; 6], len: Option<u32>| -> Option<Range<usize>> {
        let start = slices.start.checked_mul(*strides.get(axis)?)? as usize;
        Some(start..start.checked_add(len? as usize)?)
    };
    let (a, b) = (range(&b.a_strides, part.a_len())?, range(&b.b_strides, part.b_len())?);
    Some((part, [a, b]))
}

/// A part of an operand; `Some(None)` where it is the output itself.
pub(super) fn within<T>(operand: Option<&[T]>, range: Range<usize>) -> Option<Option<&[T]>> {
    match operand {
        Some(x) => x.get(range).map(Some),
        None => Some(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padded_taps_count_as_work() {
        let g = Geometry {
            batch: 1,
            in_height: 9,
            in_width: 4,
            in_channels: 2,
            out_height: 5,
            out_width: 2,
            out_channels: 3,
            kernel_height: 3,
            kernel_width: 3,
            stride_height: 2,
            stride_width: 2,
            dilation_height: 1,
            dilation_width: 1,
            pad_top: 1,
            pad_left: 1,
            groups: 1,
        };
        assert_eq!(macs(&g), Some(5 * 2 * 3 * 9 * 2));
    }

    #[test]
    fn slices_keep_what_is_broadcast() {
        let (a_strides, b_strides) = ([0, 0, 0, 20, 5, 1], [0, 0, 0, 0, 0, 1]);
        let b = Broadcast { sizes: [1, 1, 1, 3, 4, 5], a_strides, b_strides };
        assert_eq!(slices(&b, 4, 1).map(|u| (u.count, u.bytes)), Some((3, 80)));
        let (part, [x, y]) = of_slices(&b, &(1..3)).unwrap();
        assert_eq!((part.sizes, x, y), ([1, 1, 1, 2, 4, 5], 20..60, 0..5));
    }
}
