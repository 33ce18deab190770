//! int8 convolution and the sum of its output with another tensor: [`conv_i8`] and [`add_i8`], block by block.
//!
//! A table is that of the convolution: it is looked up before the sum.
//!
//! What the convolution gives never lies in memory whole, and y may lie where the other tensor lay. Every variant gives
//! the same bits, as those of the two kernels do.

use core::ops::Range;

use crate::broadcast::Broadcast;
use crate::conv_i8::{Operands, TILE_ROWS};
use crate::pixels::blocks;
use crate::room::Room;
use crate::round::Output;
use crate::{Isa, Level, add_i8, conv_i8};

/// Most output channels: a pixel has to fit into a block.
pub const CHANNELS: u32 = 512;

/// Bytes of a block, which lies on the stack; small cores have small ones.
const BLOCK: usize = if cfg!(target_arch = "arm") { 512 } else { 8192 };
/// Bytes of a block where a row of tiles of four rows, of which kernels compute whole ones, has no room in a smaller one, or
/// where the weights, which every block reads, are many.
const LARGE_BLOCK: usize = if cfg!(target_arch = "x86_64") { 1 << 16 } else { BLOCK };
/// Bytes of a block where AMX multiplies, for which every call takes a while.
const AMX_BLOCK: usize = if cfg!(target_arch = "x86_64") { 1 << 15 } else { BLOCK };
/// Bytes of weights that a core's nearest caches hold beside everything else, more or less.
const NEAR: usize = 32 << 10;

/// What a convolution with a sum is told.
#[derive(Clone, Copy, Debug)]
pub struct Params {
    /// The convolution.
    pub conv: conv_i8::Params,
    /// Zero points of the convolution's output and of the other tensor.
    pub zero_points: [i32; 2],
    /// Their scales over the scale of y; a negative one subtracts.
    pub scales: [f32; 2],
    /// The way from the sum to int8.
    pub output: Output,
}

impl Params {
    /// Whether everything can be computed; with operands of the lengths that geometry and layout give, nothing outside
    /// them is reached.
    pub fn check(&self) -> bool {
        self.conv.check() && self.conv.geometry.out_channels <= CHANNELS && self.sum(0).check()
    }

    /// The sum of as many elements.
    fn sum(&self, elements: usize) -> add_i8::Params {
        let (sizes, strides) = ([1, 1, 1, 1, 1, elements as u32], [0, 0, 0, 0, 0, 1]);
        let ([a_scale, b_scale], [a_zero_point, b_zero_point]) = (self.scales, self.zero_points);
        let broadcast = Broadcast { sizes, a_strides: strides, b_strides: strides };
        add_i8::Params { broadcast, a_scale, b_scale, a_zero_point, b_zero_point, output: self.output }
    }
}

/// Convolves and adds these output pixels, numbered over `[N, OH, OW]`. `other` and `y` are their part of both tensors;
/// `other` is `y` itself where it is `None`. The outputs do not depend on how the pixels are cut. Operands of other lengths
/// leave `y` as it is.
pub fn run_pixels(
    isa: Isa,
    params: &Params,
    operands: &Operands<'_>,
    other: Option<&[i8]>,
    pixels: Range<u32>,
    y: &mut [i8],
) {
    let alike = other.is_none_or(|other| other.len() == y.len());
    if !params.check() || !params.conv.fits(operands, &pixels, y) || !alike {
        return;
    }
    let g = &params.conv.geometry;
    let line = g.out_width.wrapping_mul(TILE_ROWS);
    let large = line.wrapping_mul(g.out_channels) as usize > BLOCK || operands.weights.len() > NEAR && y.len() > BLOCK;
    if large && LARGE_BLOCK > BLOCK {
        in_blocks::<LARGE_BLOCK>(isa, params, operands, other, (pixels, line), y);
    } else if isa.level() == Level::Amx && AMX_BLOCK > BLOCK {
        in_blocks::<AMX_BLOCK>(isa, params, operands, other, (pixels, line), y);
    } else {
        in_blocks::<BLOCK>(isa, params, operands, other, (pixels, line), y);
    }
}

/// Convolves and adds pixels in blocks of `N` bytes that end with a line of so many pixels where one has room.
fn in_blocks<const N: usize>(
    isa: Isa,
    params: &Params,
    operands: &Operands<'_>,
    other: Option<&[i8]>,
    (pixels, line): (Range<u32>, u32),
    y: &mut [i8],
) {
    let mut block = Room::<i8, N>::new(0);
    for (pixels, place) in blocks(pixels, params.conv.geometry.out_channels, N as u32, line) {
        let other = other.map(|other| other.get(place.clone()).unwrap_or_default());
        let (Some(v), Some(y)) = (block.first(place.len()), y.get_mut(place)) else { return };
        conv_i8::run_pixels(isa, &params.conv, operands, pixels, v);
        add_i8::run(isa, &params.sum(v.len()), Some(v), other, y);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conv_i8::{layout, layouts, pack};
    use crate::geometry::Geometry;
    use crate::samples::{Samples, convolutions, cuts_agree};
    use std::vec::Vec;

    fn params(geometry: Geometry, layout: u32) -> Params {
        let inner = Output { zero_point: -3, low: -100, high: 90 };
        Params {
            conv: conv_i8::Params { geometry, input_zero_point: 5, output: inner, layout },
            zero_points: [-3, 7],
            scales: [0.7, -0.4],
            output: Output { zero_point: 2, low: -128, high: 100 },
        }
    }

    fn battery(g: &Geometry, seed: u64) {
        let mut samples = Samples::new(seed);
        let channels = g.out_channels as usize;
        let x = samples.bytes(g.inputs().unwrap());
        let rows = samples.bytes(g.weights().unwrap());
        let bias: Vec<i32> = (0..g.out_channels.cast_signed()).map(|c| c * 37 - 500).collect();
        let multipliers = samples.floats(channels, 0.0005, 0.01);
        let other = samples.bytes(g.outputs().unwrap());
        let table = core::array::from_fn(|k| (k as i32 * 7 % 251 - 128) as i8);
        for isa in Isa::available() {
            for &layout in layouts(isa.level()) {
                let p = params(*g, layout);
                let Some(len) = p.conv.weights() else { continue };
                let mut weights = std::vec![0; len as usize];
                if !pack(g, layout, &rows, &mut weights) {
                    assert_eq!(layout, crate::conv_i8::layout::WINOGRAD_4X4);
                    continue;
                }
                let table = seed.is_multiple_of(2).then_some(&table);
                let o = Operands { x: &x, weights: &weights, bias: &bias, multipliers: &multipliers, table };
                let pixels = 0..g.pixels().unwrap();
                let mut want = std::vec![0; other.len()];
                conv_i8::run(isa, &p.conv, &o, &mut want);
                add_i8::run(isa, &p.sum(want.len()), None, Some(&other), &mut want);
                let mut y = std::vec![99; other.len()];
                run_pixels(isa, &p, &o, Some(&other), pixels.clone(), &mut y);
                assert_eq!(y, want, "{:?} layout {layout}, {g:?}", isa.level());
                let mut in_place = other.clone();
                run_pixels(isa, &p, &o, None, pixels, &mut in_place);
                assert_eq!(in_place, want, "in place, {g:?}");
                cuts_agree(g.pixels().unwrap(), channels, &y, |pixels: Range<u32>, y: &mut [i8]| {
                    let place = pixels.start as usize * channels..pixels.end as usize * channels;
                    run_pixels(isa, &p, &o, Some(&other[place]), pixels, y);
                });
            }
        }
    }

    #[test]
    fn a_convolution_and_its_sum_are_those_of_the_two_kernels() {
        for (k, g) in convolutions().iter().enumerate() {
            battery(g, k as u64);
        }
        // More pixels and channels than a block holds.
        let wide = Geometry { in_height: 9, out_height: 9, in_width: 5, out_width: 5, ..convolutions()[7] };
        let (out_channels, kernel) = (500, 1);
        let wide =
            Geometry { out_channels, kernel_height: kernel, kernel_width: kernel, pad_top: 0, pad_left: 0, ..wide };
        battery(&wide, 99);
    }

    #[test]
    fn wrong_lengths_leave_the_output() {
        let g = convolutions()[4];
        let p = params(g, layout::ROWS);
        let (x, w, bias, multipliers) = (std::vec![1; 27], std::vec![1; 81], [1; 3], [0.01; 3]);
        let good = Operands { x: &x, weights: &w, bias: &bias, multipliers: &multipliers, table: None };
        let mut y = [7; 27];
        run_pixels(Isa::best(), &p, &Operands { x: &x[1..], ..good }, None, 0..9, &mut y);
        run_pixels(Isa::best(), &p, &good, Some(&[1; 26]), 0..9, &mut y);
        run_pixels(Isa::best(), &p, &good, None, 0..10, &mut y);
        run_pixels(Isa::best(), &Params { zero_points: [0, 128], ..p }, &good, None, 0..9, &mut y);
        assert_eq!(y, [7; 27]);
        run_pixels(Isa::best(), &p, &good, None, 0..9, &mut y);
        assert_ne!(y, [7; 27]);
    }

    #[test]
    fn a_pixel_has_to_fit_into_a_block() {
        let g = convolutions()[4];
        assert!(params(Geometry { out_channels: CHANNELS, ..g }, layout::ROWS).check());
        assert!(!params(Geometry { out_channels: CHANNELS + 1, ..g }, layout::ROWS).check());
        assert!(CHANNELS as usize <= BLOCK);
    }
}
