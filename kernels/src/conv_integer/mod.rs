//! Convolution of bytes with zero points in int32, `y = Σ (x - x_zero) * (w - w_zero[o])` (ONNX ConvInteger-10); with one tap
//! the product of matrices (ONNX MatMulInteger-10).
//!
//! x `[N, H, W, C]`, uint8 or int8 with one zero point of its type; the weights of every group packed as a matrix of
//! [`product_i8`](crate::product_i8) `[O / groups][KH * KW * I / groups]`, one behind the other; where every channel is a group,
//! `w - w_zero` as int16 `[KH][KW][C]`, filled up to an even number. Padding is the zero point of x.
//! Sums wrap; every variant gives the same bits.

mod depthwise;
mod gather;
mod portable;
mod product;

use core::ops::Range;

use product::{Finish, Integers, shape};

use crate::geometry::Geometry;
use crate::pixels::fit;
use crate::{Isa, view};

/// What a convolution is told.
#[derive(Clone, Copy, Debug)]
pub struct Params {
    /// The geometry.
    pub geometry: Geometry,
    /// Whether x is int8.
    pub signed: bool,
}

impl Params {
    /// Bytes of the packed weights, a multiple of 4; `None` where they leave `i32`.
    pub fn packed_bytes(&self) -> Option<u32> {
        if self.geometry.is_depthwise() {
            return self.geometry.weights()?.checked_next_multiple_of(2)?.checked_mul(2);
        }
        let bytes = shape(&self.geometry)?.packed_bytes()?.checked_mul(self.geometry.groups)?;
        Some(bytes).filter(|&n| n <= i32::MAX as u32)
    }
}

/// What a convolution reads.
#[derive(Clone, Copy, Debug)]
pub struct Operands<'a> {
    /// Input, int8 or uint8 as the parameters say.
    pub x: &'a [u8],
    /// The packed weights, aligned to 4 bytes.
    pub weights: &'a [u8],
    /// The byte of x that stands for zero.
    pub x_zero: u8,
}

/// A convolution whose operands fit.
pub(crate) struct Job<'a> {
    geometry: Geometry,
    x: &'a [u8],
    x_zero: u8,
    /// The bits in which bytes of x differ from unsigned ones: int8 has everything 128 lower, which is the top bit.
    flip: u8,
    packed: &'a [u8],
}

impl<'a> Job<'a> {
    /// `None` where operands have other lengths than the parameters give, or `outputs` is not the length of these pixels.
    pub(crate) fn new(p: &Params, o: &Operands<'a>, pixels: &Range<u32>, outputs: usize) -> Option<Self> {
        let is = |len: usize, n: Option<u32>| n.is_some_and(|n| n as usize == len);
        let g = &p.geometry;
        let fits = g.check()
            && is(o.x.len(), g.inputs())
            && is(o.weights.len(), p.packed_bytes())
            && fit(pixels, g.pixels(), g.out_channels, outputs);
        let flip = if p.signed { 0x80 } else { 0 };
        fits.then_some(Self { geometry: *g, x: o.x, x_zero: o.x_zero, flip, packed: o.weights })
    }

    /// Whether windows are rows of `row` bytes as they lie there.
    fn in_place(&self, row: usize) -> bool {
        let g = &self.geometry;
        let one = [g.kernel_height, g.kernel_width, g.groups] == [1; 3] && [g.pad_top, g.pad_left] == [0; 2];
        let inside = g.rows().inner() == (0..g.out_height) && g.columns().inner() == (0..g.out_width);
        one && inside && self.flip == 0 && row == g.in_channels as usize
    }
}

/// Computes the output pixels of a job, of which `y` holds the outputs.
pub(crate) fn run_job<F: Finish>(isa: Isa, job: &Job<'_>, finish: &F, pixels: &Range<u32>, y: &mut [F::Y]) {
    if !job.geometry.is_depthwise() {
        product::run(isa, job, finish, pixels, y);
    } else if let Some(weights) = view(job.packed) {
        depthwise::Depthwise { job, weights, finish, pixels: pixels.clone(), y }.run(isa);
    }
}

/// Convolves. Operands of other lengths than the parameters give leave `y` as it is.
pub fn run(isa: Isa, params: &Params, operands: &Operands<'_>, y: &mut [i32]) {
    run_pixels(isa, params, operands, 0..params.geometry.pixels().unwrap_or(0), y);
}

/// Computes the output pixels of a range only, counted over batch, rows and columns; `y` is that part of the output.
pub fn run_pixels(isa: Isa, params: &Params, operands: &Operands<'_>, pixels: Range<u32>, y: &mut [i32]) {
    if let Some(job) = Job::new(params, operands, &pixels, y.len()) {
        run_job(isa, &job, &Integers, &pixels, y);
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::product_i8::{Columns, pack};
    use crate::samples::{Samples, convolutions, cuts_agree, depthwise_convolutions, grouped_convolutions};
    use std::vec::Vec;

    /// A convolution, what it reads, and its exact sums.
    pub(crate) struct Case {
        pub params: Params,
        x: Vec<u8>,
        /// The packed weights from this place on, which is aligned.
        packed: (Vec<u8>, usize),
        x_zero: u8,
        pub sums: Vec<i32>,
    }

    impl Case {
        pub(crate) fn new(geometry: Geometry, signed: bool, seed: u64) -> Self {
            let (g, mut samples) = (geometry, Samples::new(seed));
            let x: Vec<u8> = (0..g.inputs().unwrap()).map(|_| samples.below(256) as u8).collect();
            let rows = samples.bytes(g.weights().unwrap());
            let zero_points: Vec<i32> = (0..g.out_channels).map(|_| samples.below(9) as i32 - 4).collect();
            let params = Params { geometry, signed };
            let shape = shape(&g).unwrap();
            let size = params.packed_bytes().unwrap() as usize;
            let mut packed = std::vec![0u8; size + 8];
            let start = packed.as_ptr().align_offset(8);
            if g.is_depthwise() {
                let taps = (g.kernel_height * g.kernel_width) as usize;
                let places = (0..taps).flat_map(|tap| (0..zero_points.len()).map(move |o| (o, tap)));
                let of = |(o, tap): (usize, usize)| i16::from(rows[o * taps + tap]) - zero_points[o] as i16;
                let weights: Vec<i16> = places.map(of).collect();
                let bytes = weights.into_iter().flat_map(i16::to_le_bytes);
                packed[start..].iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
            }
            let matrices = packed[start..][..size].chunks_exact_mut(size / g.groups as usize);
            let matrices = matrices.filter(|_| !g.is_depthwise());
            for (group, to) in matrices.enumerate() {
                let part = |n: usize| group * n..(group + 1) * n;
                let rows = &rows[part((shape.inputs * shape.outputs) as usize)];
                let zero_points = &zero_points[part(shape.outputs as usize)];
                let scales = std::vec![1.0; zero_points.len()];
                assert!(pack(shape, &Columns { rows, scales: &scales, zero_points }, to));
            }
            let x_zero = 0x90;
            let real = |v: u8| if signed { i32::from(v as i8) } else { i32::from(v) };
            let (per_in, per_out) = (g.group_inputs(), g.group_outputs());
            let taps = (g.kernel_height * g.kernel_width) as usize;
            let mut sums = Vec::new();
            for place in crate::samples::pixels(g.batch, g.out_height, g.out_width) {
                for o in 0..g.out_channels {
                    let mut sum = 0i32;
                    crate::samples::each_tap(&g, place, |tap, pixel| {
                        for c in 0..per_in as usize {
                            let x = x[pixel * g.in_channels as usize + (o / per_out * per_in) as usize + c];
                            let w = rows[(o as usize * taps + tap) * per_in as usize + c];
                            sum += (real(x) - real(x_zero)) * (i32::from(w) - zero_points[o as usize]);
                        }
                    });
                    sums.push(sum);
                }
            }
            Self { params, x, packed: (packed, start), x_zero, sums }
        }

        pub(crate) fn operands(&self) -> Operands<'_> {
            let (packed, start) = &self.packed;
            let size = self.params.packed_bytes().unwrap() as usize;
            Operands { x: &self.x, weights: &packed[*start..][..size], x_zero: self.x_zero }
        }
    }

    /// Geometries of every kind, some with windows of more than a part of the room, and than all of it.
    pub(crate) fn cases() -> Vec<Case> {
        let small = Geometry { batch: 1, in_height: 5, out_height: 5, ..convolutions()[5] };
        let one = Geometry { kernel_height: 1, kernel_width: 1, pad_top: 0, pad_left: 0, ..small };
        let one = Geometry { out_height: one.in_height, out_width: one.in_width, ..one };
        let mut all = convolutions();
        all.extend(grouped_convolutions());
        all.extend(depthwise_convolutions());
        for (inputs, outputs) in [(64, 70), (30, 17), (4, 200), (260, 1100)] {
            all.push(Geometry { in_channels: inputs, out_channels: outputs, ..one });
        }
        // More taps of a channel than are listed at once.
        let large = Geometry { kernel_height: 9, kernel_width: 13, pad_top: 4, pad_left: 6, ..one };
        all.push(Geometry { in_channels: 37, out_channels: 37, groups: 37, ..large });
        let far = Geometry { in_height: 2, in_width: 1, out_height: 2, out_width: 1, ..one };
        all.push(Geometry { in_channels: (33 << 10) + 1, out_channels: 2, ..far });
        all.push(Geometry { in_channels: 9 << 10, out_channels: 3, ..far });
        let cases = all.into_iter().enumerate();
        cases.flat_map(|(k, g)| [false, true].map(|signed| Case::new(g, signed, k as u64))).collect()
    }

    #[test]
    fn every_variant_follows_the_definition() {
        for case in cases() {
            let (p, g) = (&case.params, &case.params.geometry);
            for isa in Isa::available() {
                let mut y = std::vec![7; case.sums.len()];
                run(isa, p, &case.operands(), &mut y);
                assert!(y == case.sums, "{:?} {p:?}", isa.level());
                let run_part = |pixels, y: &mut [i32]| run_pixels(isa, p, &case.operands(), pixels, y);
                cuts_agree(g.pixels().unwrap(), g.out_channels as usize, &y, run_part);
            }
        }
    }

    #[test]
    fn other_lengths_leave_the_output() {
        let case = Case::new(convolutions()[4], false, 1);
        let (p, good) = (&case.params, case.operands());
        let mut y = std::vec![7; case.sums.len()];
        run(Isa::PORTABLE, p, &Operands { x: &good.x[1..], ..good }, &mut y);
        run(Isa::PORTABLE, p, &Operands { weights: &good.weights[64..], ..good }, &mut y);
        run(Isa::PORTABLE, p, &good, &mut y[1..]);
        assert!(y.iter().all(|&y| y == 7));
    }
}
