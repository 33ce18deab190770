//! Copies of boxes: transposes, reversals, parts of a concatenation.

use ocellus_kernels::Isa;
use ocellus_kernels::copy::{Params, run};
use ocellus_plan::crc32;

use crate::scratch::PIXELS;
use crate::{Draw, Scratch};

/// Orders of the axes in the output.
const ORDERS: [[usize; 6]; 4] = [[0, 1, 2, 3, 4, 5], [0, 1, 2, 5, 3, 4], [0, 1, 2, 4, 5, 3], [0, 1, 3, 2, 4, 5]];

pub(super) fn layer(isa: Isa, draw: &mut Draw, scratch: &mut Scratch) -> u32 {
    let (params, [x_bytes, y_bytes]) = loop {
        let (params, elements) = drawn(draw);
        let bytes = elements.map(|n| (n * params.element_bytes) as usize);
        if bytes.iter().all(|&n| n <= PIXELS) {
            break (params, bytes);
        }
    };
    let (x, y) = (&mut scratch.from[..x_bytes], &mut scratch.to[..y_bytes]);
    for eight in x.chunks_mut(8) {
        let bits = draw.bits().to_le_bytes();
        eight.copy_from_slice(&bits[..eight.len()]);
    }
    y.fill(99);
    run(isa, &params, x, y);
    crc32(0, y)
}

/// A box that is read dense, forwards or backwards along an axis, and written with its axes in another order and a gap; and
/// the elements of both sides.
fn drawn(draw: &mut Draw) -> (Params, [u32; 2]) {
    let sizes = [1, 1, 1 + draw.below(4), 1 + draw.below(9), 1 + draw.below(9), draw.pick(&[1, 3, 4, 16, 17])];
    let (mut x_strides, mut elements) = ([0; 6], 1);
    for (stride, size) in x_strides.iter_mut().zip(sizes).rev() {
        *stride = elements as i32;
        elements *= size;
    }
    let mut x_offset = 0;
    if draw.once_in(3) {
        let axis = 2 + draw.below(4) as usize;
        x_offset = (sizes[axis] - 1) * x_strides[axis].cast_unsigned();
        x_strides[axis] = -x_strides[axis];
    }
    let (mut y_strides, mut distance, gap) = ([0; 6], 1, draw.below(4));
    for axis in draw.pick(&ORDERS).into_iter().rev() {
        y_strides[axis] = distance;
        distance *= sizes[axis];
        if distance == sizes[axis] {
            distance += gap;
        }
    }
    let element_bytes = draw.pick(&[1, 1, 2, 4]);
    (Params { element_bytes, sizes, x_strides, y_strides, x_offset, y_offset: 0 }, [elements, distance])
}
