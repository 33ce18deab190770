//! Between bytes and numbers of 32 bits.

use ocellus_kernels::geometry::Geometry;
use ocellus_kernels::product_i8::{Columns, Shape, pack};
use ocellus_kernels::{Isa, conv_integer, dequantize, quantize, quantize_dynamic};

use super::conv::{ZERO_POINT, geometry, macs};
use super::{Work, twice};
use crate::Scratch;

/// A convolution of these weights, with a zero point of zero.
fn integers(isa: Isa, geometry: Geometry, scratch: &mut Scratch) -> Work {
    let params = conv_integer::Params { geometry, signed: true };
    let (inputs, outputs) =
        (geometry.in_channels * geometry.kernel_height * geometry.kernel_width, geometry.out_channels);
    let Scratch { from, to, weights, bias, multipliers, .. } = scratch;
    let (rows, scales) = (&weights[..(inputs * outputs) as usize], &multipliers[..outputs as usize]);
    let columns = Columns { rows, scales, zero_points: &[0; 64][..outputs as usize] };
    let packed = &mut to[..params.packed_bytes().unwrap_or(0) as usize];
    pack(Shape { inputs, outputs }, &columns, packed);
    let x = &from[..geometry.inputs().unwrap_or(0) as usize];
    let y = &mut bias[..geometry.outputs().unwrap_or(0) as usize];
    twice(|| conv_integer::run(isa, &params, &conv_integer::Operands { x, weights: packed, x_zero: 3 }, y));
    macs(&geometry)
}

pub(super) fn conv_integer(isa: Isa, scratch: &mut Scratch) -> Work {
    integers(isa, geometry([8, 8, 4], 4, 3, 1, 1), scratch)
}

pub(super) fn products(isa: Isa, scratch: &mut Scratch) -> Work {
    integers(isa, geometry([1, 4, 64], 64, 1, 1, 1), scratch)
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
