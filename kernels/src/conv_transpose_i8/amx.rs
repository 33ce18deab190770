//! AMX, where windows stand side by side in the output: every tap by itself is a convolution of 1x1, of a row of input to every
//! so many-th pixel of a row of output.
#![allow(unsafe_code)] // Tiles, and the entry into code that needs the instruction set.
#![cfg_attr(feature = "emulated", allow(unused_unsafe))] // Functions that need no instruction set are safe.

use super::{Operands, Params};
use crate::amx::{Shape, Tiles};
use crate::columns::Columns;
use crate::conv_i8::tile_amx::{Finish, Part, Places, Work};
use crate::conv_i8::{layout, tiles};
use crate::pixels::{Pixels, place};
use crate::{Isa, Level};

/// Convolves with weights in O16A4; false where the CPU or the layout is another one.
pub(super) fn run(isa: Isa, params: &Params, operands: &Operands<'_>, pixels: &Pixels, y: &mut [i8]) -> bool {
    if isa.level() != Level::Amx || params.layout != layout::O16A4 {
        return false;
    }
    // SAFETY: an `Isa` of this level can only be made on a CPU that has it.
    unsafe { all(params, operands, pixels, y) };
    true
}

/// All pixels: the part of every row that is asked for, column by column of the taps.
#[cfg_attr(not(feature = "emulated"), target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni"))]
fn all(params: &Params, operands: &Operands<'_>, pixels: &Pixels, y: &mut [i8]) {
    let g = &params.geometry;
    let (inputs, channels) = (g.in_channels as usize, g.out_channels as usize);
    let finish = Finish::new(&params.output, operands.multipliers);
    let width = (g.in_width as usize).wrapping_mul(inputs);
    let bytes = inputs.wrapping_mul(16);
    let taps = (g.kernel_height as usize).wrapping_mul(g.kernel_width as usize);
    let (count_of_tiles, fours) = tiles(g.in_channels);
    let rows = Places::row(g.in_width as usize, inputs, 0, 0).rows();
    // SAFETY: this is only entered on a CPU that has AMX.
    let mut tiles = unsafe { Tiles::new(Shape { rows: rows as u8, fours: fours as u8 }) };
    let (mut y, mut pixel) = (y, pixels.start);
    while pixel < pixels.end {
        let [image, row, column] = place(pixel, g.out_height, g.out_width);
        let count = g.out_width.wrapping_sub(column).min(pixels.end.wrapping_sub(pixel)).max(1);
        let Some((here, rest)) = y.split_at_mut_checked((count as usize).wrapping_mul(channels)) else { return };
        let from = row.checked_div(g.stride_height).unwrap_or(0);
        let line = (image as usize).wrapping_mul(g.in_height as usize).wrapping_add(from as usize).wrapping_mul(width);
        let Some(x) = operands.x.get(line..line.wrapping_add(width)) else { return };
        for first in 0..g.stride_width.min(count) {
            let column = column.wrapping_add(first);
            let (input, kw) = (column.checked_div(g.stride_width), column.checked_rem(g.stride_width));
            let (Some(input), Some(kw)) = (input, kw) else { return };
            let kh = row.wrapping_sub(from.wrapping_mul(g.stride_height));
            let tap = (kh as usize).wrapping_mul(g.kernel_width as usize).wrapping_add(kw as usize);
            let last = count.wrapping_sub(first).wrapping_sub(1).checked_div(g.stride_width).unwrap_or(0);
            let pixels = last.wrapping_add(1).min(g.in_width.saturating_sub(input)) as usize;
            let work = Work {
                operands,
                finish: &finish,
                channels,
                block: taps.wrapping_mul(bytes),
                part: Some(Part { before: tap.wrapping_mul(bytes), bytes, zero_point: params.input_zero_point }),
                lines: x.as_ptr(),
                rows: 1,
                row_step: 0,
                tiles: count_of_tiles as usize,
                fours: fours as usize,
                places: Places::row(g.in_width as usize, inputs, input as usize, pixels),
            };
            let shape = [pixels, (g.stride_width as usize).wrapping_mul(channels), channels];
            let Some(mut here) = Columns::numbers_within(here, (first as usize).wrapping_mul(channels), shape) else {
                return;
            };
            work.run(&mut tiles, &mut here);
        }
        (y, pixel) = (rest, pixel.wrapping_add(count));
    }
}
