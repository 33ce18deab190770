//! Sums and products, with broadcasting.

use ocellus_kernels::broadcast::Broadcast;
use ocellus_kernels::{Isa, add_i8, mul_i8};

use super::geometry::{output, zero_point};
use super::of;
use crate::scratch::PIXELS;
use crate::{Draw, Scratch};

/// How two operands meet: alike, or the second repeated along some axes.
fn broadcast(draw: &mut Draw) -> Broadcast {
    loop {
        let sizes = [1, 1, 1, 1, 1, 1].map(|_: u32| draw.pick(&[1, 1, 1, 2, 3, 7, 16, 17, 33]));
        let mut strides = [0; 6];
        let mut elements = 1u32;
        for (stride, size) in strides.iter_mut().zip(sizes).rev() {
            *stride = elements;
            elements = elements.saturating_mul(size);
        }
        if elements as usize > PIXELS {
            continue;
        }
        let repeated = if draw.once_in(2) { 0 } else { draw.below(64) };
        let mut b_strides = [0; 6];
        let mut distance = 1;
        for axis in (0..6).rev() {
            if (repeated >> axis) & 1 == 0 {
                b_strides[axis] = distance;
                distance *= sizes[axis];
            }
        }
        return Broadcast { sizes, a_strides: strides, b_strides };
    }
}

/// Draws both operands.
fn operands(draw: &mut Draw, broadcast: &Broadcast, scratch: &mut Scratch) -> [usize; 3] {
    let sizes = [broadcast.a_len(), broadcast.b_len(), broadcast.outputs()];
    let sizes @ [a, b, _] = sizes.map(|n| n.unwrap_or(0) as usize);
    draw.bytes(&mut scratch.x[..a]);
    draw.bytes(&mut scratch.other[..b]);
    scratch.y.fill(99);
    sizes
}

pub(super) fn add(isa: Isa, draw: &mut Draw, scratch: &mut Scratch) -> u32 {
    let broadcast = broadcast(draw);
    let [a, b, y] = operands(draw, &broadcast, scratch);
    let sign = draw.pick(&[1.0, -1.0]);
    let params = add_i8::Params {
        broadcast,
        a_scale: draw.float(0.05, 2.0),
        b_scale: sign * draw.float(0.05, 2.0),
        a_zero_point: zero_point(draw),
        b_zero_point: zero_point(draw),
        output: output(draw),
    };
    let (x, other, y) = (&scratch.x[..a], &scratch.other[..b], &mut scratch.y[..y]);
    add_i8::run(isa, &params, Some(x), Some(other), y);
    of(y)
}

pub(super) fn mul(isa: Isa, draw: &mut Draw, scratch: &mut Scratch) -> u32 {
    let broadcast = broadcast(draw);
    let [a, b, y] = operands(draw, &broadcast, scratch);
    let params = mul_i8::Params {
        broadcast,
        scale: draw.float(0.001, 0.05),
        a_zero_point: zero_point(draw),
        b_zero_point: zero_point(draw),
        output: output(draw),
    };
    let (x, other, y) = (&scratch.x[..a], &scratch.other[..b], &mut scratch.y[..y]);
    mul_i8::run(isa, &params, Some(x), Some(other), y);
    of(y)
}
