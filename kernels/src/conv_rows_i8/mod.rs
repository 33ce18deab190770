//! int8 convolution into a part of the channels of a larger tensor, a concatenation's say: [`conv_i8`], whose pixels are
//! `y_stride` apart. What it does not reach in `y` keeps its value.
//!
//! Where no variant writes in strides, pixels are computed block by block and copied. Every variant gives the same bits, as
//! those of the convolution do.

use core::ops::Range;

use crate::conv_i8::{Operands, TILE_ROWS};
use crate::pixels::{blocks, fit};
use crate::room::Room;
use crate::rows::rows;
use crate::{Isa, conv_i8};

/// Bytes of a block, which lies on the stack.
const BLOCK: usize = 8192;
/// Bytes of a block where a row of tiles of four rows, of which kernels compute whole ones, has no room in a smaller one.
const LARGE_BLOCK: usize = 1 << 16;

/// What a convolution into a larger tensor is told.
#[derive(Clone, Copy, Debug)]
pub struct Params {
    /// The convolution.
    pub conv: conv_i8::Params,
    /// Bytes of y from pixel to pixel.
    pub y_stride: u32,
    /// The first output's byte in a pixel of y.
    pub y_offset: u32,
}

impl Params {
    /// Whether everything can be computed; with operands of the lengths that geometry and layout give, and [`Params::outputs`],
    /// nothing outside them is reached.
    pub fn check(&self) -> bool {
        let channels = self.conv.geometry.out_channels;
        let inside = self.y_offset.checked_add(channels).is_some_and(|end| end <= self.y_stride);
        self.conv.check() && inside && channels as usize <= BLOCK && self.outputs().is_some()
    }

    /// Bytes of y.
    pub fn outputs(&self) -> Option<u32> {
        self.conv.geometry.pixels()?.checked_mul(self.y_stride)
    }
}

/// Convolves these output pixels, numbered over `[N, OH, OW]`; `y` is their part of the larger tensor, with all of its channels.
/// The outputs do not depend on how the pixels are cut. Operands of other lengths leave `y` as it is.
pub fn run_pixels(isa: Isa, params: &Params, operands: &Operands<'_>, pixels: Range<u32>, y: &mut [i8]) {
    let g = &params.conv.geometry;
    if !params.check() || !params.conv.takes(operands) || !fit(&pixels, g.pixels(), params.y_stride, y.len()) {
        return;
    }
    let (channels, stride) = (g.out_channels as usize, params.y_stride as usize);
    // From the first pixel's first output to the last one's last.
    let start = params.y_offset as usize;
    let end = y.len().saturating_sub(stride).saturating_add(start).saturating_add(channels);
    let Some(y) = y.get_mut(start..end) else { return };
    if conv_i8::run_apart(isa, &params.conv, operands, &pixels, stride, y) {
        return;
    }
    let line = g.out_width.saturating_mul(TILE_ROWS);
    if line.saturating_mul(g.out_channels) as usize > BLOCK {
        in_blocks::<LARGE_BLOCK>(isa, params, operands, (pixels, line), y);
    } else {
        in_blocks::<BLOCK>(isa, params, operands, (pixels, line), y);
    }
}

/// Convolves pixels in blocks of `N` bytes that end with a line of so many pixels where one has room; `y` begins with the
/// first output.
fn in_blocks<const N: usize>(
    isa: Isa,
    params: &Params,
    operands: &Operands<'_>,
    (pixels, line): (Range<u32>, u32),
    y: &mut [i8],
) {
    let (channels, stride) = (params.conv.geometry.out_channels as usize, params.y_stride as usize);
    let (mut block, mut y) = (Room::<i8, N>::new(0), y);
    for (pixels, place) in blocks(pixels, params.conv.geometry.out_channels, N as u32, line) {
        let Some(v) = block.first(place.len()) else { return };
        let count = pixels.len();
        conv_i8::run_pixels(isa, &params.conv, operands, pixels, v);
        for (k, from) in rows(v, channels).enumerate() {
            let first = k.wrapping_mul(stride);
            let to = y.get_mut(first..first.wrapping_add(channels)).unwrap_or_default();
            to.iter_mut().zip(from).for_each(|(to, &from)| *to = from);
        }
        y = y.get_mut(count.wrapping_mul(stride)..).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conv_i8::{layout, layouts, pack};
    use crate::geometry::Geometry;
    use crate::round::Output;
    use crate::samples::{Samples, convolutions, cuts_agree, grouped_convolutions};
    use std::vec::Vec;

    fn battery(g: &Geometry, seed: u64) {
        let mut samples = Samples::new(seed);
        let (channels, pixels) = (g.out_channels as usize, g.pixels().unwrap() as usize);
        let x = samples.bytes(g.inputs().unwrap());
        let all = samples.bytes(g.weights().unwrap());
        let bias: Vec<i32> = (0..g.out_channels.cast_signed()).map(|c| c * 37 - 500).collect();
        let multipliers = samples.floats(channels, 0.0005, 0.01);
        let table = core::array::from_fn(|k| (k as i32 * 7 % 251 - 128) as i8);
        let output = Output { zero_point: -3, low: -100, high: 90 };
        for isa in Isa::available() {
            for &layout in layouts(isa.level()) {
                let conv = conv_i8::Params { geometry: *g, input_zero_point: 5, output, layout };
                let Some(len) = conv.weights() else { continue };
                let mut weights = std::vec![0; len as usize];
                if !pack(g, layout, &all, &mut weights) {
                    assert_eq!(layout, layout::WINOGRAD_4X4);
                    continue;
                }
                let table = seed.is_multiple_of(2).then_some(&table);
                let o = Operands { x: &x, weights: &weights, bias: &bias, multipliers: &multipliers, table };
                let mut own = std::vec![0; pixels * channels];
                conv_i8::run(isa, &conv, &o, &mut own);
                for (more, y_offset) in [(0, 0), (1, 1), (64, 0), (70, 13)] {
                    let stride = channels + more;
                    let p = Params { conv, y_stride: stride as u32, y_offset: y_offset as u32 };
                    let mut want = std::vec![77; pixels * stride];
                    for (to, from) in want.chunks_mut(stride).zip(own.chunks(channels)) {
                        to[y_offset..][..channels].copy_from_slice(from);
                    }
                    let mut y = std::vec![77; want.len()];
                    run_pixels(isa, &p, &o, 0..pixels as u32, &mut y);
                    assert_eq!(y, want, "{:?} layout {layout}, {more} {y_offset}, {g:?}", isa.level());
                    cuts_agree(pixels as u32, stride, &y, |pixels: Range<u32>, y: &mut [i8]| {
                        y.fill(77);
                        run_pixels(isa, &p, &o, pixels, y);
                    });
                }
            }
        }
    }

    #[test]
    fn outputs_are_those_of_the_convolution_in_strides() {
        for (k, g) in convolutions().iter().chain(&grouped_convolutions()).enumerate() {
            battery(g, k as u64);
        }
        // More pixels and channels than a block holds.
        let large = Geometry { in_height: 40, out_height: 40, in_width: 9, out_width: 9, ..convolutions()[5] };
        battery(&Geometry { out_channels: 300, ..large }, 1);
    }

    #[test]
    fn outputs_outside_are_refused() {
        let geometry = convolutions()[0];
        let output = Output { zero_point: 0, low: -128, high: 127 };
        let conv = conv_i8::Params { geometry, input_zero_point: 0, output, layout: layout::ROWS };
        let channels = geometry.out_channels;
        let p = Params { conv, y_stride: channels + 2, y_offset: 2 };
        assert!(p.check());
        assert!(!Params { y_offset: 3, ..p }.check() && !Params { y_offset: u32::MAX, ..p }.check());
        assert!(!Params { y_stride: u32::MAX, ..p }.check() || geometry.pixels() == Some(1));
        let (x, weights) =
            (std::vec![1; geometry.inputs().unwrap() as usize], std::vec![1; conv.weights().unwrap() as usize]);
        let (bias, multipliers) = (std::vec![1; channels as usize], std::vec![1.0; channels as usize]);
        let o = Operands { x: &x, weights: &weights, bias: &bias, multipliers: &multipliers, table: None };
        let pixels = geometry.pixels().unwrap();
        for isa in Isa::available() {
            let mut y = std::vec![7; p.outputs().unwrap() as usize];
            run_pixels(isa, &Params { y_offset: 3, ..p }, &o, 0..pixels, &mut y);
            run_pixels(isa, &p, &Operands { x: &x[1..], ..o }, 0..pixels, &mut y);
            let len = y.len();
            run_pixels(isa, &p, &o, 0..pixels, &mut y[..len - 1]);
            assert!(y.iter().all(|&y| y == 7));
        }
    }
}
