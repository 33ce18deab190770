//! Float convolutions, for processors with vectors of floats: weights of 32 and 16 bits, and arithmetic in f16.

use ocellus_kernels::conv_f32::{Operands, Params, Weights, best_layout, pack};
use ocellus_kernels::geometry::Geometry;
use ocellus_kernels::half::{F16, Storage};
use ocellus_kernels::{Isa, conv_f16, conv_f32};

use super::conv::{geometry, macs};
use super::{Work, twice};
use crate::{Draw, Scratch};

/// Most elements of an input, an output, and weights in any layout.
const MOST: usize = 16 * 16 * 36;

fn three() -> Geometry {
    geometry([8, 8, 16], 16, 3, 1, 1)
}

fn one() -> Geometry {
    geometry([8, 8, 32], 64, 1, 1, 1)
}

pub(super) fn three_f32(isa: Isa, _: &mut Scratch) -> Work {
    single(isa, three(), Storage::F32)
}

pub(super) fn three_stored(isa: Isa, _: &mut Scratch) -> Work {
    single(isa, three(), Storage::F16)
}

pub(super) fn three_f16(isa: Isa, _: &mut Scratch) -> Work {
    half(isa, three())
}

pub(super) fn one_f32(isa: Isa, _: &mut Scratch) -> Work {
    single(isa, one(), Storage::F32)
}

pub(super) fn one_stored(isa: Isa, _: &mut Scratch) -> Work {
    single(isa, one(), Storage::F16)
}

pub(super) fn one_f16(isa: Isa, _: &mut Scratch) -> Work {
    half(isa, one())
}

/// Numbers between -1 and 1.
fn numbers(draw: &mut Draw) -> [f32; MOST] {
    core::array::from_fn(|_| draw.between(-1000, 1000) as f32 / 1000.0)
}

/// Weights of a geometry, packed, and their number.
fn packed(g: &Geometry, layout: u32, draw: &mut Draw) -> ([f32; MOST], usize) {
    let (rows, mut all) = (numbers(draw), [0.0; MOST]);
    let len = conv_f32::packed_len(g, layout).unwrap_or(0) as usize;
    pack(g, layout, &rows[..g.weights().unwrap_or(0) as usize], &mut all[..len]);
    (all, len)
}

fn single(isa: Isa, g: Geometry, storage: Storage) -> Work {
    let mut draw = Draw::new(1);
    let layout = best_layout(isa.level(), &g, storage).unwrap_or(0);
    let ((weights, len), x, mut y) = (packed(&g, layout, &mut draw), numbers(&mut draw), [0.0; MOST]);
    let halves = weights.map(F16::from_f32);
    let weights = match storage {
        Storage::F16 => Weights::F16(&halves[..len]),
        _ => Weights::F32(&weights[..len]),
    };
    let params = Params { geometry: g, low: 0.0, high: f32::INFINITY, layout };
    let [inputs, outputs] = [g.inputs(), g.outputs()].map(|n| n.unwrap_or(0) as usize);
    let operands = Operands { x: &x[..inputs], weights, bias: &x[..g.out_channels as usize] };
    twice(|| conv_f32::run(isa, &params, &operands, &mut y[..outputs]));
    core::hint::black_box(&y);
    macs(&g)
}

fn half(isa: Isa, g: Geometry) -> Work {
    let mut draw = Draw::new(1);
    let (weights, len) = packed(&g, conv_f32::layout::O16_F16, &mut draw);
    let (weights, x, mut y) = (weights.map(F16::from_f32), numbers(&mut draw), [0.0; MOST]);
    let params = conv_f16::Params { geometry: g, low: 0.0, high: f32::INFINITY };
    let [inputs, outputs] = [g.inputs(), g.outputs()].map(|n| n.unwrap_or(0) as usize);
    let bias = &x[..g.out_channels as usize];
    let operands = conv_f16::Operands { x: &x[..inputs], weights: &weights[..len], bias };
    twice(|| conv_f16::run(isa, &params, &operands, &mut y[..outputs]));
    core::hint::black_box(&y);
    macs(&g)
}
