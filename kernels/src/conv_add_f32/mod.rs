//! f32 convolution and the sum of its output with another tensor: [`conv_f32`] and [`binary`], block by block.
//!
//! What the convolution gives never lies in memory whole, and y may lie where the other tensor lay.

use core::ops::Range;

use crate::binary::{self, Function};
use crate::broadcast::Broadcast;
use crate::conv_f32::Operands;
use crate::pixels::blocks;
use crate::room::Room;
use crate::{Isa, conv_f32};

/// Most output channels: a pixel has to fit into a block.
pub const CHANNELS: u32 = 512;

/// Elements of a block, which lies on the stack; small cores have small ones.
const BLOCK: usize = if cfg!(target_arch = "arm") { 512 } else { 3072 };
/// Elements of a block where the other holds no rows of tiles.
const LARGE: usize = if cfg!(target_arch = "arm") { BLOCK } else { 16384 };

/// What a convolution with a sum is told.
#[derive(Clone, Copy, Debug)]
pub struct Params {
    /// The convolution.
    pub conv: conv_f32::Params,
    /// Least y.
    pub low: f32,
    /// Greatest y.
    pub high: f32,
}

impl Params {
    /// Whether everything can be computed; with operands of the lengths that geometry and layout give, nothing outside
    /// them is reached.
    pub fn check(&self) -> bool {
        self.conv.check() && self.conv.geometry.out_channels <= CHANNELS
    }

    /// The sum of as many elements.
    fn sum(&self, elements: usize) -> binary::Params {
        let (sizes, strides) = ([1, 1, 1, 1, 1, elements as u32], [0, 0, 0, 0, 0, 1]);
        let broadcast = Broadcast { sizes, a_strides: strides, b_strides: strides };
        binary::Params { function: Function::Add, broadcast, low: self.low, high: self.high }
    }
}

/// Convolves and adds these output pixels, numbered over `[N, OH, OW]`. `other` and `y` are their part of both tensors;
/// `other` is `y` itself where it is `None`. Within a variant the outputs do not depend on how the pixels are cut. Operands
/// of other lengths leave `y` as it is.
pub fn run_pixels(
    isa: Isa,
    params: &Params,
    operands: &Operands<'_>,
    other: Option<&[f32]>,
    pixels: Range<u32>,
    y: &mut [f32],
) {
    let alike = other.is_none_or(|other| other.len() == y.len());
    if !params.check() || !params.conv.fits(operands, &pixels, y) || !alike {
        return;
    }
    let g = &params.conv.geometry;
    let line = g.out_width.saturating_mul(conv_f32::tile_rows(params.conv.layout));
    if g.out_channels.saturating_mul(line) as usize <= BLOCK {
        in_blocks::<BLOCK>(isa, params, operands, other, (pixels, line), y);
    } else {
        in_blocks::<LARGE>(isa, params, operands, other, (pixels, line), y);
    }
}

/// Blocks of at most `SIZE` elements, of whole lines where they fit.
fn in_blocks<const SIZE: usize>(
    isa: Isa,
    params: &Params,
    operands: &Operands<'_>,
    other: Option<&[f32]>,
    (pixels, line): (Range<u32>, u32),
    y: &mut [f32],
) {
    let mut block = Room::<f32, SIZE>::new(0.0);
    let channels = params.conv.geometry.out_channels;
    for (pixels, place) in blocks(pixels, channels, SIZE as u32, line) {
        let other = other.map(|other| other.get(place.clone()).unwrap_or_default());
        let (Some(v), Some(y)) = (block.first(place.len()), y.get_mut(place)) else { return };
        conv_f32::run_pixels(isa, &params.conv, operands, pixels, v);
        binary::run(isa, &params.sum(v.len()), Some(v), other, y);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conv_f32::{Weights, layout, layouts, pack, storage};
    use crate::geometry::Geometry;
    use crate::samples::{Samples, Stored, convolutions, cuts_agree};

    fn params(geometry: Geometry, layout: u32) -> Params {
        let conv = conv_f32::Params { geometry, low: -2.0, high: 3.0, layout };
        Params { conv, low: -0.5, high: f32::INFINITY }
    }

    #[test]
    fn a_convolution_and_its_sum_are_those_of_the_two_kernels() {
        for (k, g) in convolutions().iter().enumerate() {
            let mut samples = Samples::new(k as u64);
            let x = samples.floats(g.inputs().unwrap() as usize, -1.0, 1.0);
            let rows = samples.floats(g.weights().unwrap() as usize, -1.0, 1.0);
            let bias = samples.floats(g.out_channels as usize, -1.0, 1.0);
            let other = samples.floats(g.outputs().unwrap() as usize, -1.0, 1.0);
            for isa in Isa::available() {
                for &layout in layouts(isa.level()) {
                    let p = params(*g, layout);
                    let Some(len) = p.conv.weights() else { continue };
                    let mut weights = std::vec![0.0; len as usize];
                    assert!(pack(g, layout, &rows, &mut weights));
                    let stored = Stored::new(storage(layout), &weights);
                    let o = Operands { x: &x, weights: stored.weights(), bias: &bias };
                    let (all, channels) = (g.pixels().unwrap(), bias.len());
                    let mut want = std::vec![0.0; other.len()];
                    conv_f32::run(isa, &p.conv, &o, &mut want);
                    want.iter_mut().zip(&other).for_each(|(y, other)| *y = (*y + other).max(-0.5));
                    let mut y = std::vec![f32::NAN; other.len()];
                    run_pixels(isa, &p, &o, Some(&other), 0..all, &mut y);
                    assert_eq!(y, want, "{:?} layout {layout}, {g:?}", isa.level());
                    let mut in_place = other.clone();
                    run_pixels(isa, &p, &o, None, 0..all, &mut in_place);
                    assert_eq!(in_place, want, "in place, {g:?}");
                    cuts_agree(all, channels, &y, |pixels: Range<u32>, y: &mut [f32]| {
                        let place = pixels.start as usize * channels..pixels.end as usize * channels;
                        run_pixels(isa, &p, &o, Some(&other[place]), pixels, y);
                    });
                }
            }
        }
    }

    #[test]
    fn wrong_lengths_leave_the_output() {
        let p = params(convolutions()[4], layout::ROWS);
        let (x, w, bias) = (std::vec![1.0; 27], std::vec![1.0; 81], [1.0; 3]);
        let good = Operands { x: &x, weights: Weights::F32(&w), bias: &bias };
        let mut y = [7.0; 27];
        run_pixels(Isa::best(), &p, &Operands { x: &x[1..], ..good }, None, 0..9, &mut y);
        run_pixels(Isa::best(), &p, &good, Some(&[1.0; 26]), 0..9, &mut y);
        run_pixels(Isa::best(), &p, &good, None, 0..10, &mut y);
        assert_eq!(y, [7.0; 27]);
        run_pixels(Isa::best(), &p, &good, None, 0..9, &mut y);
        assert_ne!(y, [7.0; 27]);
    }
}
