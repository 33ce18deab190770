//! Repeatable operands and geometries of the test batteries.

use std::vec::Vec;

use crate::geometry::{Geometry, PoolGeometry};
use crate::half::{Bf16, F16, Storage, Weights};
use crate::round::Output;

/// A small generator (splitmix64): the same numbers on every machine.
pub(crate) struct Samples(u64);

impl Samples {
    /// The sequence of this seed.
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub(crate) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `n`.
    pub(crate) fn below(&mut self, n: u32) -> u32 {
        (((self.bits() >> 32) * u64::from(n)) >> 32) as u32
    }

    /// Signed bytes of any value.
    pub(crate) fn bytes(&mut self, n: u32) -> Vec<i8> {
        (0..n).map(|_| self.bits() as i8).collect()
    }

    /// A float of `low..high`.
    pub(crate) fn float(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * ((self.bits() >> 40) as f32 / (1 << 24) as f32)
    }

    /// Floats of `low..high`.
    pub(crate) fn floats(&mut self, n: usize, low: f32, high: f32) -> Vec<f32> {
        (0..n).map(|_| self.float(low, high)).collect()
    }
}

/// Weights in their storage.
pub(crate) struct Stored {
    storage: Storage,
    f32: Vec<f32>,
    f16: Vec<F16>,
    bf16: Vec<Bf16>,
}

impl Stored {
    /// These weights, rounded.
    pub(crate) fn new(storage: Storage, weights: &[f32]) -> Self {
        let f16 = weights.iter().map(|&w| F16::from_f32(w)).collect();
        Self { storage, f32: weights.to_vec(), f16, bf16: weights.iter().map(|&w| Bf16::from_f32(w)).collect() }
    }

    /// As a kernel reads them.
    pub(crate) fn weights(&self) -> Weights<'_> {
        match self.storage {
            Storage::F32 => Weights::F32(&self.f32),
            Storage::F16 => Weights::F16(&self.f16),
            Storage::Bf16 => Weights::Bf16(&self.bf16),
        }
    }

    /// What they are worth.
    pub(crate) fn values(&self) -> Vec<f32> {
        match self.storage {
            Storage::F32 => self.f32.clone(),
            Storage::F16 => self.f16.iter().map(|w| w.to_f32()).collect(),
            Storage::Bf16 => self.bf16.iter().map(|w| w.to_f32()).collect(),
        }
    }
}

/// The requantization of the numeric contract from its definition: the product in f32, the rest in f64.
pub(crate) fn requantized(sum: i32, multiplier: f32, output: &Output) -> i8 {
    let (low, high) = (f64::from(output.low - output.zero_point), f64::from(output.high - output.zero_point));
    let v = f64::from(sum as f32 * multiplier);
    // A comparison with a NaN is false, so that it becomes the least output.
    let v = if v > low { v } else { low };
    let v = if v < high { v } else { high };
    (v.round_ties_even() as i32 + output.zero_point) as i8
}

/// `[batch, height, width, in_channels, out_channels, kernel_height, kernel_width, stride_height, stride_width,
/// dilation_height, dilation_width, pad_top, pad_left, pad_bottom, pad_right, groups]`.
type Row = [u32; 16];

fn outputs(input: u32, kernel: u32, stride: u32, dilation: u32, pads: u32) -> u32 {
    (input + pads - (kernel - 1) * dilation - 1) / stride + 1
}

fn geometry(row: Row) -> Geometry {
    let [batch, h, w, in_channels, out_channels, kh, kw, sh, sw, dh, dw, top, left, bottom, right, groups] = row;
    let geometry = Geometry {
        batch,
        in_height: h,
        in_width: w,
        in_channels,
        out_height: outputs(h, kh, sh, dh, top + bottom),
        out_width: outputs(w, kw, sw, dw, left + right),
        out_channels,
        kernel_height: kh,
        kernel_width: kw,
        stride_height: sh,
        stride_width: sw,
        dilation_height: dh,
        dilation_width: dw,
        pad_top: top,
        pad_left: left,
        groups,
    };
    assert!(geometry.check(), "{geometry:?}");
    geometry
}

/// Convolutions of one group: channel counts below, at, above and at multiples of 16 and 32, widths around every tile,
/// C = H = W, odd strides, dilations and paddings, several batches, one pixel, many input channels, large kernels.
pub(crate) fn convolutions() -> Vec<Geometry> {
    let rows: &[Row] = &[
        [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 1],
        [3, 1, 1, 37, 21, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 1],
        [1, 1, 1, 64, 16, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 1],
        [2, 1, 1, 65, 32, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 1],
        [1, 3, 3, 3, 3, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1],
        [2, 5, 7, 4, 15, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1],
        [1, 6, 14, 5, 16, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1],
        [1, 6, 29, 3, 17, 5, 5, 2, 2, 1, 1, 2, 2, 2, 2, 1],
        [1, 9, 8, 8, 31, 3, 2, 2, 3, 1, 2, 0, 1, 2, 0, 1],
        [1, 7, 13, 16, 33, 3, 3, 1, 1, 2, 3, 2, 3, 2, 3, 1],
        [1, 4, 12, 7, 48, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 1],
        [1, 5, 6, 16, 32, 1, 1, 2, 2, 1, 1, 0, 0, 0, 0, 1],
        [2, 3, 25, 2, 49, 2, 3, 1, 1, 1, 1, 0, 0, 1, 0, 1],
        [1, 2, 3, 9, 70, 3, 3, 1, 1, 1, 1, 2, 2, 2, 2, 1],
        [1, 1, 40, 4, 96, 1, 7, 1, 2, 1, 1, 0, 3, 0, 3, 1],
        [1, 16, 16, 16, 16, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1],
        [1, 2, 2, 3, 20, 1, 1, 1, 1, 1, 1, 2, 1, 1, 2, 1],
        [1, 1, 1, 20, 200, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 1],
        [1, 7, 7, 6, 150, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 1],
        [1, 2, 2, 1100, 9, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1],
        [1, 15, 14, 2, 8, 11, 11, 4, 4, 1, 1, 2, 2, 2, 2, 1],
        [1, 13, 12, 1, 3, 12, 12, 1, 1, 1, 1, 0, 0, 0, 0, 1],
        [2, 7, 9, 20, 33, 3, 3, 1, 1, 1, 1, 0, 2, 1, 0, 1],
        [1, 4, 6, 508, 17, 3, 3, 1, 1, 1, 1, 2, 0, 0, 1, 1],
        [1, 8, 22, 32, 24, 3, 3, 1, 1, 1, 1, 0, 0, 0, 0, 1],
        [2, 5, 35, 68, 40, 3, 3, 1, 1, 4, 6, 4, 6, 4, 6, 1],
        [1, 1, 26, 1100, 9, 3, 3, 1, 1, 1, 2, 1, 2, 1, 2, 1],
    ];
    rows.iter().copied().map(geometry).collect()
}

/// Convolutions of several groups, not depthwise.
pub(crate) fn grouped_convolutions() -> Vec<Geometry> {
    let rows: &[Row] = &[
        [2, 5, 6, 4, 6, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 2],
        [1, 4, 4, 6, 12, 3, 2, 2, 1, 1, 1, 0, 1, 0, 1, 6],
        [1, 3, 5, 32, 64, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 4],
        [1, 6, 6, 9, 9, 3, 3, 1, 1, 2, 2, 2, 2, 2, 2, 3],
        [1, 5, 7, 32, 32, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 8],
        [2, 5, 6, 48, 96, 3, 2, 2, 1, 1, 2, 1, 1, 1, 1, 3],
        [1, 3, 4, 48, 144, 1, 3, 1, 1, 1, 1, 0, 1, 0, 1, 3],
        [1, 5, 4, 40, 40, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 5],
        [1, 3, 7, 72, 72, 3, 3, 2, 2, 1, 1, 1, 1, 1, 1, 3],
        [1, 4, 3, 45, 35, 2, 3, 1, 1, 1, 1, 0, 1, 1, 1, 5],
    ];
    rows.iter().copied().map(geometry).collect()
}

/// Transposed convolutions: strides that interleave, overlap and leave gaps, several groups, several batches.
pub(crate) fn transposed_convolutions() -> Vec<Geometry> {
    // The pads at the end are those of the output: they are cut off.
    let rows: &[Row] = &[
        [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 1],
        [2, 3, 4, 3, 5, 3, 3, 2, 2, 1, 1, 1, 1, 1, 1, 1],
        [1, 4, 4, 8, 16, 2, 2, 2, 2, 1, 1, 0, 0, 0, 0, 1],
        [1, 3, 5, 4, 6, 3, 2, 1, 3, 2, 1, 1, 0, 0, 1, 2],
        [1, 2, 2, 6, 6, 4, 4, 2, 2, 1, 1, 1, 1, 1, 1, 6],
        [1, 2, 3, 2, 3, 2, 2, 4, 3, 1, 1, 0, 0, 0, 0, 1],
        [2, 5, 5, 5, 5, 3, 3, 1, 1, 2, 2, 2, 2, 2, 2, 1],
        [1, 3, 3, 17, 33, 3, 3, 2, 2, 1, 1, 0, 1, 1, 0, 1],
        [2, 3, 9, 12, 70, 2, 3, 2, 3, 1, 1, 0, 0, 1, 2, 1],
    ];
    let size = |input, kernel, stride, dilation, pads| (input - 1) * stride + (kernel - 1) * dilation + 1 - pads;
    let geometry = |[batch, h, w, i, o, kh, kw, sh, sw, dh, dw, top, left, bottom, right, groups]: Row| Geometry {
        batch,
        in_height: h,
        in_width: w,
        in_channels: i,
        out_height: size(h, kh, sh, dh, top + bottom),
        out_width: size(w, kw, sw, dw, left + right),
        out_channels: o,
        kernel_height: kh,
        kernel_width: kw,
        stride_height: sh,
        stride_width: sw,
        dilation_height: dh,
        dilation_width: dw,
        pad_top: top,
        pad_left: left,
        groups,
    };
    let all: Vec<Geometry> = rows.iter().copied().map(geometry).collect();
    assert!(all.iter().all(Geometry::check_transposed));
    all
}

/// Depthwise convolutions.
pub(crate) fn depthwise_convolutions() -> Vec<Geometry> {
    let channels = [1, 3, 7, 8, 9, 15, 16, 17, 31, 32, 33, 48, 65, 100];
    let shapes: [[u32; 14]; 6] = [
        [1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0],
        [2, 5, 7, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 0],
        [1, 8, 6, 3, 3, 2, 2, 1, 1, 0, 0, 1, 1, 0],
        [1, 9, 9, 5, 5, 1, 1, 1, 1, 2, 2, 2, 2, 0],
        [1, 7, 12, 3, 2, 1, 3, 2, 3, 2, 1, 0, 2, 0],
        [1, 2, 3, 4, 4, 1, 1, 1, 1, 3, 3, 3, 3, 0],
    ];
    let row = |c: u32, s: &[u32; 14]| {
        let [n, h, w, kh, kw, sh, sw, dh, dw, t, l, b, r, _] = *s;
        [n, h, w, c, c, kh, kw, sh, sw, dh, dw, t, l, b, r, c]
    };
    // Wide rows, many rows, tall kernels, windows that step over columns of the padding, and dilated ones.
    let more: [[u32; 14]; 8] = [
        [1, 3, 140, 3, 3, 1, 2, 1, 1, 1, 1, 1, 1, 0],
        [2, 2, 67, 3, 5, 1, 1, 2, 1, 2, 2, 2, 2, 0],
        [1, 11, 9, 5, 5, 2, 2, 1, 1, 2, 2, 1, 2, 0],
        [1, 9, 8, 7, 3, 1, 1, 1, 1, 3, 4, 3, 1, 0],
        [1, 19, 11, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 0],
        [2, 9, 13, 3, 3, 1, 1, 4, 4, 4, 4, 4, 4, 0],
        [1, 5, 12, 5, 5, 1, 1, 2, 3, 4, 5, 4, 7, 0],
        [1, 4, 3, 3, 3, 1, 1, 1, 7, 1, 7, 1, 7, 0],
    ];
    let more = [5, 8, 12, 16, 37].into_iter().flat_map(|c| more.map(|s| geometry(row(c, &s))));
    channels.iter().flat_map(|&c| shapes.iter().map(move |s| geometry(row(c, s)))).chain(more).collect()
}

/// Pools: channel counts around the vector sizes, windows that overlap, touch, leave gaps or lie partly in the padding.
pub(crate) fn pools() -> Vec<PoolGeometry> {
    let channels = [1, 3, 7, 8, 9, 16, 17, 31, 32, 33, 65, 248];
    // height, width, kernel, stride, dilation, pads at top, left, bottom, right; batch follows from the channel count.
    let shapes: [[u32; 9]; 10] = [
        [4, 6, 2, 2, 1, 0, 0, 0, 0],
        [5, 5, 3, 2, 1, 1, 1, 1, 1],
        [7, 6, 3, 1, 1, 0, 2, 1, 0],
        [8, 9, 2, 3, 2, 1, 0, 1, 1],
        [6, 4, 1, 1, 1, 0, 0, 0, 0],
        [9, 7, 3, 1, 2, 2, 2, 2, 2],
        [7, 7, 7, 7, 1, 0, 0, 0, 0],
        [6, 8, 5, 1, 1, 2, 2, 2, 2],
        [4, 5, 2, 1, 1, 0, 1, 1, 0],
        [7, 6, 3, 3, 1, 1, 0, 1, 0],
    ];
    let mut all = Vec::new();
    for (k, &c) in channels.iter().enumerate() {
        for [h, w, kernel, stride, dilation, top, left, bottom, right] in shapes {
            let geometry = PoolGeometry {
                batch: 1 + k as u32 % 2,
                in_height: h,
                in_width: w,
                out_height: outputs(h, kernel, stride, dilation, top + bottom),
                out_width: outputs(w, kernel, stride, dilation, left + right),
                channels: c,
                kernel_height: kernel,
                kernel_width: kernel,
                stride_height: stride,
                stride_width: stride,
                dilation_height: dilation,
                dilation_width: dilation,
                pad_top: top,
                pad_left: left,
                pad_bottom: bottom,
                pad_right: right,
            };
            assert!(geometry.check(), "{geometry:?}");
            all.push(geometry);
        }
    }
    all
}

/// Calls `tap(weight_tap, input_pixel)` for every tap of output pixel `(n, row, column)` that lies inside the input, with
/// the flat index of the tap in `[KH, KW]` and of the pixel in `[N, H, W]`, from the definition and in i64.
pub(crate) fn each_tap(g: &Geometry, [n, row, column]: [u32; 3], mut tap: impl FnMut(usize, usize)) {
    for kh in 0..g.kernel_height {
        for kw in 0..g.kernel_width {
            let r = i64::from(row * g.stride_height + kh * g.dilation_height) - i64::from(g.pad_top);
            let c = i64::from(column * g.stride_width + kw * g.dilation_width) - i64::from(g.pad_left);
            if (0..i64::from(g.in_height)).contains(&r) && (0..i64::from(g.in_width)).contains(&c) {
                let pixel = (i64::from(n) * i64::from(g.in_height) + r) * i64::from(g.in_width) + c;
                tap((kh * g.kernel_width + kw) as usize, pixel as usize);
            }
        }
    }
}

/// As [`each_tap`], for pools.
pub(crate) fn each_pool_tap(g: &PoolGeometry, place: [u32; 3], tap: impl FnMut(usize, usize)) {
    let g = Geometry {
        batch: g.batch,
        in_height: g.in_height,
        in_width: g.in_width,
        in_channels: g.channels,
        out_height: g.out_height,
        out_width: g.out_width,
        out_channels: g.channels,
        kernel_height: g.kernel_height,
        kernel_width: g.kernel_width,
        stride_height: g.stride_height,
        stride_width: g.stride_width,
        dilation_height: g.dilation_height,
        dilation_width: g.dilation_width,
        pad_top: g.pad_top,
        pad_left: g.pad_left,
        groups: 1,
    };
    each_tap(&g, place, tap);
}

/// Three parts of the pixels `0..all`, some of which may be empty.
pub(crate) fn cuts(all: u32) -> [core::ops::Range<u32>; 3] {
    let (first, second) = (all / 3, all - all / 4);
    [0..first, first..second, second..all]
}

/// Every output pixel `[n, row, column]` of `[batch, height, width]`, row-major.
pub(crate) fn pixels(batch: u32, height: u32, width: u32) -> impl Iterator<Item = [u32; 3]> {
    (0..batch).flat_map(move |n| (0..height).flat_map(move |r| (0..width).map(move |c| [n, r, c])))
}

/// Asserts that the pixels of any cut have the bits of the whole; `part` computes a range of them.
pub(crate) fn cuts_agree<T: Copy + Default + core::fmt::Debug + PartialEq>(
    all: u32,
    channels: usize,
    whole: &[T],
    mut part: impl FnMut(core::ops::Range<u32>, &mut [T]),
) {
    for cut in [1, 5, 7, 29] {
        for first in (0..all).step_by(cut) {
            let pixels = first..(first + cut as u32).min(all);
            let want = &whole[pixels.start as usize * channels..pixels.end as usize * channels];
            let mut y = std::vec![T::default(); want.len()];
            part(pixels.clone(), &mut y);
            assert_eq!(y, want, "{pixels:?} of {all} with {channels} channels");
        }
    }
}
