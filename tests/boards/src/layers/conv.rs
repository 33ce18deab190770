//! Convolutions and fully connected layers, with weights in every layout that the instruction set reads.

use ocellus_kernels::Isa;
use ocellus_kernels::conv_i8::{Operands, Params, layouts, pack, packed_len, run};
use ocellus_kernels::geometry::Geometry;

use super::geometry::{self, Groups, output, zero_point};
use super::of;
use crate::{Draw, Scratch};

pub(super) fn dense(isa: Isa, draw: &mut Draw, scratch: &mut Scratch) -> u32 {
    let geometry = geometry::conv(draw, Groups::Dense);
    layer(isa, geometry, draw, scratch)
}

pub(super) fn grouped(isa: Isa, draw: &mut Draw, scratch: &mut Scratch) -> u32 {
    let geometry = geometry::conv(draw, Groups::Several);
    layer(isa, geometry, draw, scratch)
}

pub(super) fn fully_connected(isa: Isa, draw: &mut Draw, scratch: &mut Scratch) -> u32 {
    let geometry = geometry::fully_connected(draw);
    layer(isa, geometry, draw, scratch)
}

/// The checksum of all layouts, or, where they differ, one that nobody else has.
fn layer(isa: Isa, geometry: Geometry, draw: &mut Draw, scratch: &mut Scratch) -> u32 {
    let sizes = [geometry.inputs(), geometry.outputs(), geometry.weights(), Some(geometry.out_channels)];
    let [inputs, outputs, weights, channels] = sizes.map(|n| n.unwrap_or(0) as usize);
    let (x, rows, y) = (&mut scratch.x[..inputs], &mut scratch.weights[..weights], &mut scratch.y[..outputs]);
    let (bias, multipliers) = (&mut scratch.bias[..channels], &mut scratch.multipliers[..channels]);
    draw.bytes(x);
    draw.bytes(rows);
    draw.biases(bias);
    draw.multipliers((weights / channels) as u32, multipliers);
    let (input_zero_point, output) = (zero_point(draw), output(draw));
    let mut first = None;
    for &layout in layouts(isa.level()) {
        let len = packed_len(&geometry, layout).unwrap_or(0) as usize;
        let Some(packed) = scratch.packed.get_mut(..len).filter(|p| !p.is_empty()) else { continue };
        pack(&geometry, layout, rows, packed);
        y.fill(99);
        let operands = Operands { x, weights: packed, bias, multipliers };
        run(isa, &Params { geometry, input_zero_point, output, layout }, &operands, y);
        let crc = of(y);
        if *first.get_or_insert(crc) != crc {
            return !crc;
        }
    }
    first.unwrap_or(0)
}
