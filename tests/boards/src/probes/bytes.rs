//! Between bytes and numbers of 32 bits.

use ocellus_kernels::product_i8::{Columns, Shape, pack};
use ocellus_kernels::{Isa, conv_integer, dequantize, matmul_integer, quantize, quantize_dynamic};

use super::conv::{ZERO_POINT, geometry, macs};
use super::{Work, twice};
use crate::Scratch;

pub(super) fn conv_integer(isa: Isa, scratch: &mut Scratch) -> Work {
    let geometry = geometry([8, 8, 4], 4, 3, 1, 1);
    let params = conv_integer::Params { geometry, signed: true };
    let Scratch { from, weights, bias, .. } = scratch;
    let operands =
        conv_integer::Operands { x: &from[..256], weights: &weights[..144], zero_points: &[0; 4], x_zero: 3 };
    twice(|| conv_integer::run(isa, &params, &operands, bias));
    macs(&geometry)
}

pub(super) fn matmul_integer(isa: Isa, scratch: &mut Scratch) -> Work {
    let shape = Shape { inputs: 64, outputs: 64 };
    let params = matmul_integer::Params { rows: 4, shape, signed: true };
    let Scratch { from, to, weights, bias, multipliers, .. } = scratch;
    let columns = Columns { rows: &weights[..64 * 64], scales: &multipliers[..64], zero_points: &[0; 64] };
    let (packed, levels) = to.split_at_mut(shape.packed_bytes().unwrap_or(0) as usize);
    pack(shape, &columns, packed);
    let levels = &mut levels[..params.scratch_bytes().unwrap_or(0) as usize];
    twice(|| matmul_integer::run(isa, &params, &from[..4 * 64], 3, packed, bias, levels));
    Work::Macs(4 * 64 * 64)
}

/// Floats between -1 and 1.
fn floats(scratch: &mut Scratch) {
    for (to, &from) in scratch.multipliers.iter_mut().zip(&scratch.x) {
        *to = f32::from(from) / 128.0;
    }
}

pub(super) fn quantize(isa: Isa, scratch: &mut Scratch) -> Work {
    floats(scratch);
    let params = quantize::Params { scale: 0.01, zero_point: ZERO_POINT };
    let (x, y) = (&scratch.multipliers, &mut scratch.y[..256]);
    twice(|| quantize::run(isa, &params, x, y));
    Work::Outputs(256)
}

pub(super) fn quantize_dynamic(isa: Isa, scratch: &mut Scratch) -> Work {
    floats(scratch);
    let (x, y) = (&scratch.multipliers, &mut scratch.to[..256]);
    twice(|| _ = quantize_dynamic::run(isa, x, y));
    Work::Outputs(256)
}

pub(super) fn dequantize(isa: Isa, scratch: &mut Scratch) -> Work {
    let params = dequantize::Params { scale: 0.01, zero_point: ZERO_POINT };
    let (x, y) = (&scratch.x[..256], &mut scratch.multipliers);
    twice(|| dequantize::run(isa, &params, x, y));
    Work::Outputs(256)
}
