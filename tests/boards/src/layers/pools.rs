//! Pools.

use ocellus_kernels::{Isa, average_pool_i8, max_pool_i8};

use super::geometry::{pool, zero_point};
use super::of;
use crate::{Draw, Scratch};

pub(super) fn max(isa: Isa, draw: &mut Draw, scratch: &mut Scratch) -> u32 {
    let geometry = pool(draw);
    let [inputs, outputs] = [geometry.inputs(), geometry.outputs()].map(|n| n.unwrap_or(0) as usize);
    let (x, y) = (&mut scratch.x[..inputs], &mut scratch.y[..outputs]);
    draw.bytes(x);
    y.fill(99);
    max_pool_i8::run(isa, &max_pool_i8::Params { geometry }, x, y);
    of(y)
}

pub(super) fn average(isa: Isa, draw: &mut Draw, scratch: &mut Scratch) -> u32 {
    let geometry = pool(draw);
    let sizes = [geometry.inputs(), geometry.outputs(), geometry.taps()];
    let [inputs, outputs, taps] = sizes.map(|n| n.unwrap_or(0) as usize);
    let (x, y, multipliers) = (&mut scratch.x[..inputs], &mut scratch.y[..outputs], &mut scratch.multipliers[..taps]);
    draw.bytes(x);
    let scale = draw.float(0.3, 3.0);
    for (n, multiplier) in multipliers.iter_mut().enumerate() {
        *multiplier = scale / (n + 1) as f32;
    }
    y.fill(99);
    let params = average_pool_i8::Params {
        geometry,
        count_include_pad: draw.once_in(3),
        input_zero_point: zero_point(draw),
        output_zero_point: zero_point(draw),
    };
    average_pool_i8::run(isa, &params, x, multipliers, y);
    of(y)
}
