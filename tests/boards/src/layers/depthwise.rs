//! Depthwise convolutions.

use ocellus_kernels::Isa;
use ocellus_kernels::depthwise_i8::{Operands, Params, pack, run};

use super::geometry::{self, Groups, output, zero_point};
use super::of;
use crate::{Draw, Scratch};

pub(super) fn layer(isa: Isa, draw: &mut Draw, scratch: &mut Scratch) -> u32 {
    let geometry = geometry::conv(draw, Groups::Depthwise);
    let sizes = [geometry.inputs(), geometry.outputs(), geometry.weights(), Some(geometry.out_channels)];
    let [inputs, outputs, weights, channels] = sizes.map(|n| n.unwrap_or(0) as usize);
    let (x, rows, y) = (&mut scratch.x[..inputs], &mut scratch.weights[..weights], &mut scratch.y[..outputs]);
    let (bias, multipliers) = (&mut scratch.bias[..channels], &mut scratch.multipliers[..channels]);
    draw.bytes(x);
    draw.bytes(rows);
    draw.biases(bias);
    draw.multipliers((weights / channels) as u32, multipliers);
    let packed = &mut scratch.packed[..weights];
    pack(&geometry, rows, packed);
    y.fill(99);
    let params = Params { geometry, input_zero_point: zero_point(draw), output: output(draw) };
    run(isa, &params, &Operands { x, weights: packed, bias, multipliers, table: None }, y);
    of(y)
}
