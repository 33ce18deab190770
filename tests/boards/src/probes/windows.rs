//! Pools and resampling.

use ocellus_kernels::geometry::PoolGeometry;
use ocellus_kernels::resize_i8::{self, Table};
use ocellus_kernels::{Isa, average_pool_i8, max_pool_i8, resize_f32};

use super::conv::ZERO_POINT;
use super::{Work, twice};
use crate::Scratch;

/// A pool of windows that do not overlap, over a square picture.
fn pool(size: u32, channels: u32, window: u32) -> PoolGeometry {
    PoolGeometry {
        batch: 1,
        in_height: size,
        in_width: size,
        out_height: size / window,
        out_width: size / window,
        channels,
        kernel_height: window,
        kernel_width: window,
        stride_height: window,
        stride_width: window,
        dilation_height: 1,
        dilation_width: 1,
        pad_top: 0,
        pad_left: 0,
        pad_bottom: 0,
        pad_right: 0,
    }
}

pub(super) fn max_pool(isa: Isa, scratch: &mut Scratch) -> Work {
    let geometry = pool(16, 32, 2);
    let outputs = geometry.outputs().unwrap_or(0);
    let (x, y) = (&scratch.x[..16 * 16 * 32], &mut scratch.y[..outputs as usize]);
    twice(|| max_pool_i8::run(isa, &max_pool_i8::Params { geometry }, x, y));
    Work::Outputs(outputs)
}

/// Over the whole picture, so that every input is added once: it counts inputs.
pub(super) fn average_pool(isa: Isa, scratch: &mut Scratch) -> Work {
    let geometry = pool(8, 64, 8);
    let params = average_pool_i8::Params {
        geometry,
        count_include_pad: false,
        input_zero_point: ZERO_POINT,
        output_zero_point: ZERO_POINT,
    };
    let Scratch { x, y, multipliers, .. } = scratch;
    for (n, multiplier) in multipliers.iter_mut().enumerate() {
        *multiplier = 4.0 / (n + 1) as f32;
    }
    let (x, multipliers, y) = (&x[..8 * 8 * 64], &multipliers[..64], &mut y[..64]);
    twice(|| average_pool_i8::run(isa, &params, x, multipliers, y));
    Work::Inputs(8 * 8 * 64)
}

pub(super) fn nearest(isa: Isa, scratch: &mut Scratch) -> Work {
    let (mut index, weights) = ([0; 16], [1.0; 16]);
    for (place, to) in index.iter_mut().enumerate() {
        *to = place as u32 / 2;
    }
    twofold(isa, 1, &index, &weights, scratch)
}

pub(super) fn linear(isa: Isa, scratch: &mut Scratch) -> Work {
    let (mut index, mut weights) = ([0; 32], [0.0; 32]);
    for (place, (two, shares)) in index.chunks_mut(2).zip(weights.chunks_mut(2)).enumerate() {
        let low = (place as u32).saturating_sub(1) / 2;
        two.copy_from_slice(&[low, (low + 1).min(7)]);
        shares.copy_from_slice(if place % 2 == 0 { &[0.25, 0.75] } else { &[0.75, 0.25] });
    }
    twofold(isa, 2, &index, &weights, scratch)
}

/// To twice the size, with so many taps along both axes.
fn twofold(isa: Isa, taps: u32, index: &[u32], weights: &[f32], scratch: &mut Scratch) -> Work {
    let sizes = resize_f32::Params {
        batch: 1,
        in_height: 8,
        in_width: 8,
        out_height: 16,
        out_width: 16,
        channels: 16,
        row_taps: taps,
        column_taps: taps,
    };
    let params = resize_i8::Params { sizes, zero_point: ZERO_POINT };
    let (x, y) = (&scratch.x[..8 * 8 * 16], &mut scratch.y[..16 * 16 * 16]);
    twice(|| resize_i8::run(isa, &params, x, Table { index, weights }, Table { index, weights }, y));
    Work::Outputs(16 * 16 * 16)
}
