//! Drawn geometries: tiles plus and minus one, C = H = W, odd strides, dilation, asymmetric padding.

use ocellus_kernels::geometry::{Geometry, PoolGeometry};
use ocellus_kernels::round::Output;

use crate::Draw;
use crate::scratch::{CHANNELS, PIXELS, WEIGHTS};

/// Channel counts below, at and above the tiles of every variant.
const CHANNEL_COUNTS: [u32; 22] = [1, 2, 3, 4, 5, 7, 8, 9, 11, 12, 15, 16, 17, 24, 31, 32, 33, 47, 48, 49, 64, 65];

/// Most products of a layer, so that ten thousand layers take a minute under emulation.
const PRODUCTS: u32 = 60_000;

/// What a convolution is between its input and output channels.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Groups {
    Dense,
    Several,
    Depthwise,
}

/// One axis: input size, output size, kernel, stride, dilation, padding before and after.
struct Side {
    input: u32,
    output: u32,
    kernel: u32,
    stride: u32,
    dilation: u32,
    pad: u32,
    pad_end: u32,
}

fn side(draw: &mut Draw, input: Option<u32>) -> Option<Side> {
    let input = input.unwrap_or_else(|| 1 + draw.below(17));
    let kernel = draw.pick(&[1, 1, 2, 3, 3, 3, 4, 5, 7]);
    let stride = draw.pick(&[1, 1, 1, 2, 2, 3, 5]);
    let dilation = draw.pick(&[1, 1, 1, 1, 2, 3]);
    let reach = (kernel - 1) * dilation;
    let (pad, pad_end) = (draw.below(reach + 2), draw.below(reach + 2));
    let room = (input + pad + pad_end).checked_sub(reach + 1)?;
    Some(Side { input, output: room / stride + 1, kernel, stride, dilation, pad, pad_end })
}

/// Numbers with one kernel for both axes, as networks have them, half of the time.
fn sides(draw: &mut Draw, size: Option<u32>) -> Option<(Side, Side)> {
    let rows = side(draw, size)?;
    let columns = side(draw, size)?;
    if size.is_some() || draw.once_in(2) {
        let Side { kernel, stride, dilation, pad, pad_end, .. } = rows;
        let room = (columns.input + pad + pad_end).checked_sub((kernel - 1) * dilation + 1)?;
        let columns = Side { kernel, stride, dilation, pad, pad_end, output: room / stride + 1, ..columns };
        return Some((rows, columns));
    }
    Some((rows, columns))
}

fn try_conv(draw: &mut Draw, kind: Groups) -> Option<Geometry> {
    let cube = draw.once_in(12).then(|| draw.pick(&[3, 4, 5, 7, 8, 9]));
    let (rows, columns) = sides(draw, cube)?;
    let (mut inputs, mut outputs) = (draw.pick(&CHANNEL_COUNTS), draw.pick(&CHANNEL_COUNTS));
    if let Some(size) = cube {
        (inputs, outputs) = (size, size);
    }
    let groups = match kind {
        Groups::Dense => 1,
        Groups::Several => 2 + draw.below(4),
        Groups::Depthwise => inputs,
    };
    if kind == Groups::Several {
        (inputs, outputs) = (groups * (1 + inputs % 9), groups * (1 + outputs % 9));
    }
    if kind == Groups::Depthwise {
        outputs = inputs;
    }
    Some(Geometry {
        batch: draw.pick(&[1, 1, 1, 2]),
        in_height: rows.input,
        in_width: columns.input,
        in_channels: inputs,
        out_height: rows.output,
        out_width: columns.output,
        out_channels: outputs,
        kernel_height: rows.kernel,
        kernel_width: columns.kernel,
        stride_height: rows.stride,
        stride_width: columns.stride,
        dilation_height: rows.dilation,
        dilation_width: columns.dilation,
        pad_top: rows.pad,
        pad_left: columns.pad,
        groups,
    })
}

fn fits(g: &Geometry) -> bool {
    let below = |n: Option<u32>, most: usize| n.is_some_and(|n| n as usize <= most);
    let products = g.weights().and_then(|w| (w / g.out_channels).checked_mul(g.outputs()?));
    below(g.inputs(), PIXELS)
        && below(g.outputs(), PIXELS)
        && below(g.weights(), WEIGHTS)
        && g.out_channels as usize <= CHANNELS
        && below(products, PRODUCTS as usize)
}

/// A convolution.
pub(super) fn conv(draw: &mut Draw, kind: Groups) -> Geometry {
    loop {
        if let Some(g) = try_conv(draw, kind).filter(|g| g.check() && fits(g)) {
            return g;
        }
    }
}

/// A transposed convolution: input and output sizes change places.
pub(super) fn transposed(draw: &mut Draw) -> Geometry {
    loop {
        let kind = draw.pick(&[Groups::Dense, Groups::Several]);
        let Some(g) = try_conv(draw, kind) else { continue };
        let (in_height, in_width) = (g.out_height, g.out_width);
        let g = Geometry { in_height, in_width, out_height: g.in_height, out_width: g.in_width, ..g };
        if g.check_transposed() && fits(&g) {
            return g;
        }
    }
}

/// A fully connected layer.
pub(super) fn fully_connected(draw: &mut Draw) -> Geometry {
    let inputs = draw.pick(&[1, 5, 16, 31, 64, 65, 100, 127, 128, 255]);
    let most = WEIGHTS as u32 / inputs;
    let batch = draw.pick(&[1, 1, 1, 2, 3, 5]);
    let outputs = draw.pick(&[1, 2, 3, 4, 10, 17, 31, 48, 129]).min(most);
    Geometry { batch, ..product(inputs, outputs) }
}

/// A vector times a matrix.
pub(super) fn product(inputs: u32, outputs: u32) -> Geometry {
    Geometry {
        batch: 1,
        in_height: 1,
        in_width: 1,
        in_channels: inputs,
        out_height: 1,
        out_width: 1,
        out_channels: outputs,
        kernel_height: 1,
        kernel_width: 1,
        stride_height: 1,
        stride_width: 1,
        dilation_height: 1,
        dilation_width: 1,
        pad_top: 0,
        pad_left: 0,
        groups: 1,
    }
}

/// A pooling.
pub(super) fn pool(draw: &mut Draw) -> PoolGeometry {
    loop {
        let Some((rows, columns)) = sides(draw, None) else { continue };
        let g = PoolGeometry {
            batch: draw.pick(&[1, 1, 2]),
            in_height: rows.input,
            in_width: columns.input,
            out_height: rows.output,
            out_width: columns.output,
            channels: draw.pick(&CHANNEL_COUNTS),
            kernel_height: rows.kernel,
            kernel_width: columns.kernel,
            stride_height: rows.stride,
            stride_width: columns.stride,
            dilation_height: rows.dilation,
            dilation_width: columns.dilation,
            pad_top: rows.pad,
            pad_left: columns.pad,
            pad_bottom: rows.pad_end,
            pad_right: columns.pad_end,
        };
        let below = |n: Option<u32>| n.is_some_and(|n| n as usize <= PIXELS);
        if g.check() && below(g.inputs()) && below(g.outputs()) {
            return g;
        }
    }
}

/// A zero point: mostly any, often one of the ends, as after a clamp at zero.
pub(super) fn zero_point(draw: &mut Draw) -> i32 {
    match draw.below(4) {
        0 => -128,
        1 => draw.pick(&[127, 0, -1]),
        _ => draw.between(-128, 127),
    }
}

/// A way to int8: mostly the whole range, else bounds of a clamp.
pub(super) fn output(draw: &mut Draw) -> Output {
    let zero_point = zero_point(draw);
    let (low, high) = match draw.below(4) {
        0 => (zero_point, 127),
        1 => (draw.between(-128, 0), draw.between(0, 127)),
        _ => (-128, 127),
    };
    Output { zero_point, low, high }
}
