//! Sums, products, tables and softmax.

use ocellus_kernels::broadcast::Broadcast;
use ocellus_kernels::{Isa, add_i8, mul_i8, softmax_i8, table_i8};

use super::conv::OUTPUT;
use super::{Work, twice};
use crate::Scratch;

/// Elements of a tensor.
const COUNT: usize = 4096;

/// Two operands of the same length.
pub(super) fn alike(count: usize) -> Broadcast {
    let n = count as u32;
    let strides = [n, n, n, n, n, 1];
    Broadcast { sizes: [1, 1, 1, 1, 1, n], a_strides: strides, b_strides: strides }
}

/// A sum.
pub(super) fn sum(broadcast: Broadcast) -> add_i8::Params {
    add_i8::Params { broadcast, a_scale: 0.7, b_scale: 0.6, a_zero_point: 5, b_zero_point: -9, output: OUTPUT }
}

/// A product.
pub(super) fn times(broadcast: Broadcast) -> mul_i8::Params {
    mul_i8::Params { broadcast, scale: 0.008, a_zero_point: 5, b_zero_point: -9, output: OUTPUT }
}

/// An activation: a slope between two levels.
pub(super) fn slope() -> [i8; 256] {
    let mut table = [0; 256];
    for (to, x) in table.iter_mut().zip(-128..) {
        *to = (x * 2i32).clamp(-128, 127) as i8;
    }
    table
}

pub(super) fn add(isa: Isa, scratch: &mut Scratch) -> Work {
    let Scratch { x, other, y, .. } = scratch;
    let (params, a, b, y) = (sum(alike(COUNT)), &x[..COUNT], &other[..COUNT], &mut y[..COUNT]);
    twice(|| add_i8::run(isa, &params, Some(a), Some(b), y));
    Work::Outputs(COUNT as u32)
}

pub(super) fn mul(isa: Isa, scratch: &mut Scratch) -> Work {
    product(isa, alike(COUNT), COUNT, scratch)
}

/// One factor for every channel, as of squeeze and excitation.
pub(super) fn mul_channels(isa: Isa, scratch: &mut Scratch) -> Work {
    let a_strides = [4096, 4096, 4096, 256, 16, 1];
    let broadcast = Broadcast { sizes: [1, 1, 1, 16, 16, 16], a_strides, b_strides: [0, 0, 0, 0, 0, 1] };
    product(isa, broadcast, 16, scratch)
}

fn product(isa: Isa, broadcast: Broadcast, others: usize, scratch: &mut Scratch) -> Work {
    let Scratch { x, other, y, .. } = scratch;
    let (params, a, b, y) = (times(broadcast), &x[..COUNT], &other[..others], &mut y[..COUNT]);
    twice(|| mul_i8::run(isa, &params, Some(a), Some(b), y));
    Work::Outputs(COUNT as u32)
}

pub(super) fn table(isa: Isa, scratch: &mut Scratch) -> Work {
    let (table, x, y) = (slope(), &scratch.x[..COUNT], &mut scratch.y[..COUNT]);
    twice(|| table_i8::run(isa, &table, x, y));
    Work::Outputs(COUNT as u32)
}

pub(super) fn softmax(isa: Isa, scratch: &mut Scratch) -> Work {
    let params = softmax_i8::Params { outer: 64, axis: 10, inner: 1 };
    let Scratch { x, y, words, .. } = scratch;
    let (x, y) = (&x[..640], &mut y[..640]);
    twice(|| softmax_i8::run(isa, &params, x, words, y));
    Work::Outputs(640)
}
