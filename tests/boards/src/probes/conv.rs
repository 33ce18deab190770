//! Convolutions, with weights in the layout that the instruction set reads best.

use ocellus_kernels::conv_i8::{Operands, Params, best_layout, pack, packed_len};
use ocellus_kernels::geometry::Geometry;
use ocellus_kernels::round::Output;
use ocellus_kernels::{Isa, conv_add_i8, conv_i8, conv_transpose_i8, depthwise_i8};

use super::{Work, twice};
use crate::Scratch;

/// The whole range, as of a layer without an activation.
pub(super) const OUTPUT: Output = Output { zero_point: 3, low: -128, high: 127 };
/// Zero point of every input.
pub(super) const ZERO_POINT: i32 = -5;

/// A convolution of a square kernel whose padding keeps the size of the picture, but for the step.
pub(super) fn geometry(
    [height, width, channels]: [u32; 3],
    out_channels: u32,
    kernel: u32,
    stride: u32,
    groups: u32,
) -> Geometry {
    let pad = (kernel - 1) / 2;
    let output = |input: u32| (input + 2 * pad - kernel) / stride + 1;
    Geometry {
        batch: 1,
        in_height: height,
        in_width: width,
        in_channels: channels,
        out_height: output(height),
        out_width: output(width),
        out_channels,
        kernel_height: kernel,
        kernel_width: kernel,
        stride_height: stride,
        stride_width: stride,
        dilation_height: 1,
        dilation_width: 1,
        pad_top: pad,
        pad_left: pad,
        groups,
    }
}

/// Products of a convolution, padded taps included.
pub(super) fn macs(g: &Geometry) -> Work {
    Work::Macs(g.weights().unwrap_or(0) / g.out_channels * g.outputs().unwrap_or(0))
}

pub(super) fn three(isa: Isa, scratch: &mut Scratch) -> Work {
    dense(isa, geometry([16, 16, 16], 16, 3, 1, 1), scratch)
}

pub(super) fn first(isa: Isa, scratch: &mut Scratch) -> Work {
    dense(isa, geometry([48, 48, 3], 8, 3, 2, 1), scratch)
}

pub(super) fn one(isa: Isa, scratch: &mut Scratch) -> Work {
    dense(isa, geometry([25, 5, 64], 64, 1, 1, 1), scratch)
}

pub(super) fn grouped(isa: Isa, scratch: &mut Scratch) -> Work {
    dense(isa, geometry([16, 16, 16], 16, 3, 1, 4), scratch)
}

pub(super) fn fully_connected(isa: Isa, scratch: &mut Scratch) -> Work {
    dense(isa, geometry([1, 1, 128], 96, 1, 1, 1), scratch)
}

/// A convolution of what the scratch holds, with the layout that the instruction set reads best.
pub(super) fn layer<'a>(isa: Isa, g: Geometry, scratch: &'a mut Scratch) -> (Params, Operands<'a>, &'a mut [i8]) {
    let [inputs, outputs, weights] = [g.inputs(), g.outputs(), g.weights()].map(|n| n.unwrap_or(0) as usize);
    let Scratch { x, y, weights: rows, packed, bias, multipliers, .. } = scratch;
    let rows = &rows[..weights];
    let layout = best_layout(isa.level(), &g, rows).unwrap_or(0);
    let bytes = packed_len(&g, layout).unwrap_or(0) as usize;
    pack(&g, layout, rows, &mut packed[..bytes]);
    let channels = g.out_channels as usize;
    let (bias, multipliers) = (&bias[..channels], &multipliers[..channels]);
    let operands = Operands { x: &x[..inputs], weights: &packed[..bytes], bias, multipliers, table: None };
    (Params { geometry: g, input_zero_point: ZERO_POINT, output: OUTPUT, layout }, operands, &mut y[..outputs])
}

fn dense(isa: Isa, g: Geometry, scratch: &mut Scratch) -> Work {
    let (params, operands, y) = layer(isa, g, scratch);
    twice(|| conv_i8::run(isa, &params, &operands, y));
    macs(&g)
}

/// With a sum behind it, in place.
pub(super) fn added(isa: Isa, scratch: &mut Scratch) -> Work {
    let g = geometry([16, 16, 16], 16, 3, 1, 1);
    let (conv, operands, y) = layer(isa, g, scratch);
    let params = conv_add_i8::Params { conv, zero_points: [3, -7], scales: [0.7, 0.6], output: OUTPUT };
    twice(|| conv_add_i8::run_pixels(isa, &params, &operands, None, 0..g.pixels().unwrap_or(0), y));
    macs(&g)
}

pub(super) fn depthwise(isa: Isa, scratch: &mut Scratch) -> Work {
    by_channel(isa, geometry([25, 5, 64], 64, 3, 1, 64), scratch)
}

pub(super) fn depthwise_by_two(isa: Isa, scratch: &mut Scratch) -> Work {
    by_channel(isa, geometry([24, 24, 8], 8, 3, 2, 8), scratch)
}

fn by_channel(isa: Isa, g: Geometry, scratch: &mut Scratch) -> Work {
    let [inputs, outputs, weights] = [g.inputs(), g.outputs(), g.weights()].map(|n| n.unwrap_or(0) as usize);
    let Scratch { x, y, weights: taps, bias, multipliers, .. } = scratch;
    let channels = g.out_channels as usize;
    let (bias, multipliers) = (&bias[..channels], &multipliers[..channels]);
    let operands = Operands { x: &x[..inputs], weights: &taps[..weights], bias, multipliers, table: None };
    let params = depthwise_i8::Params { geometry: g, input_zero_point: ZERO_POINT, output: OUTPUT };
    let y = &mut y[..outputs];
    twice(|| depthwise_i8::run(isa, &params, &operands, y));
    macs(&g)
}

pub(super) fn transposed(isa: Isa, scratch: &mut Scratch) -> Work {
    let small = geometry([16, 16, 16], 16, 2, 2, 1);
    let (out_height, out_width) = (small.in_height, small.in_width);
    let (in_height, in_width) = (small.out_height, small.out_width);
    let g = Geometry { in_height, in_width, out_height, out_width, ..small };
    let layout = conv_transpose_i8::layouts(isa.level())[0];
    let bytes = conv_transpose_i8::packed_len(&g, layout).unwrap_or(0) as usize;
    let [inputs, outputs, weights] = [g.inputs(), g.outputs(), g.weights()].map(|n| n.unwrap_or(0) as usize);
    let Scratch { x, y, weights: rows, packed, bias, multipliers, .. } = scratch;
    conv_transpose_i8::pack(&g, layout, &rows[..weights], &mut packed[..bytes]);
    let (bias, multipliers) = (&bias[..16], &multipliers[..16]);
    let operands = Operands { x: &x[..inputs], weights: &packed[..bytes], bias, multipliers, table: None };
    let params = conv_transpose_i8::Params { geometry: g, input_zero_point: ZERO_POINT, output: OUTPUT, layout };
    let y = &mut y[..outputs];
    twice(|| conv_transpose_i8::run(isa, &params, &operands, y));
    Work::Macs(g.weights().unwrap_or(0) / g.in_channels * g.inputs().unwrap_or(0))
}
