//! Resampling with two taps per row and column.

use ocellus_kernels::Isa;
use ocellus_kernels::resize_f32;
use ocellus_kernels::resize_i8::{Params, Table, run};

use super::geometry::zero_point;
use super::of;
use crate::{Draw, Scratch};

/// Most output positions of an axis.
const MOST: usize = 20;

/// Positions and weights of an axis of `output` positions over one of `input`.
fn axis(draw: &mut Draw, input: u32, output: u32) -> ([u32; 2 * MOST], [f32; 2 * MOST]) {
    let (mut index, mut weights) = ([0; 2 * MOST], [0.0; 2 * MOST]);
    for (two, pair) in index.chunks_mut(2).zip(weights.chunks_mut(2)).take(output as usize) {
        let low = draw.below(input);
        two.copy_from_slice(&[low, (low + 1).min(input - 1)]);
        let share = draw.float(0.0, 1.0);
        pair.copy_from_slice(&[share, 1.0 - share]);
    }
    (index, weights)
}

pub(super) fn layer(isa: Isa, draw: &mut Draw, scratch: &mut Scratch) -> u32 {
    let [in_height, in_width, out_height, out_width] = [0; 4].map(|_: u32| 1 + draw.below(MOST as u32));
    let channels = draw.pick(&[1, 3, 4, 8, 9, 16]);
    let sizes = resize_f32::Params {
        batch: 1,
        in_height,
        in_width,
        out_height,
        out_width,
        channels,
        row_taps: 2,
        column_taps: 2,
    };
    let (rows, columns) = (axis(draw, in_height, out_height), axis(draw, in_width, out_width));
    let [inputs, outputs] = [in_height * in_width, out_height * out_width].map(|n| (n * channels) as usize);
    let (x, y) = (&mut scratch.x[..inputs], &mut scratch.y[..outputs]);
    draw.bytes(x);
    y.fill(99);
    let (r, c) = (2 * out_height as usize, 2 * out_width as usize);
    let params = Params { sizes, zero_point: zero_point(draw) };
    let rows = Table { index: &rows.0[..r], weights: &rows.1[..r] };
    let columns = Table { index: &columns.0[..c], weights: &columns.1[..c] };
    run(isa, &params, x, rows, columns, y);
    of(y)
}
