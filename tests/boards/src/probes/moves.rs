//! Copies.

use ocellus_kernels::{Isa, copy, gather};

use super::{Work, twice};
use crate::Scratch;

/// 16 channels of every pixel into the first half of 32.
pub(super) fn concatenated(isa: Isa, scratch: &mut Scratch) -> Work {
    boxed(isa, [4096, 4096, 4096, 256, 16, 1], [8192, 8192, 8192, 512, 32, 1], 8192, scratch)
}

/// From `[N, H, W, C]` to `[N, C, H, W]`.
pub(super) fn transposed(isa: Isa, scratch: &mut Scratch) -> Work {
    boxed(isa, [4096, 4096, 4096, 256, 16, 1], [4096, 4096, 4096, 16, 1, 256], 4096, scratch)
}

fn boxed(isa: Isa, x_strides: [i32; 6], y_strides: [u32; 6], outputs: usize, scratch: &mut Scratch) -> Work {
    let sizes = [1, 1, 1, 16, 16, 16];
    let params = copy::Params { element_bytes: 1, sizes, x_strides, y_strides, x_offset: 0, y_offset: 0 };
    let (x, y) = (&scratch.from[..4096], &mut scratch.to[..outputs]);
    twice(|| copy::run(isa, &params, x, y));
    Work::Outputs(4096)
}

/// Rows of a table of words.
pub(super) fn rows(isa: Isa, scratch: &mut Scratch) -> Work {
    let params = gather::Params { element_bytes: 1, outer: 1, axis: 128, inner: 64, count: 16 };
    let (x, y) = (&scratch.from[..128 * 64], &mut scratch.to[..16 * 64]);
    let indices: [i32; 16] = core::array::from_fn(|k| (k * 37 % 128) as i32);
    twice(|| gather::run(isa, &params, x, &indices, y));
    Work::Outputs(16 * 64)
}
