//! AVX-512 VNNI, where windows stand side by side in the output: every tap by itself is a convolution of 1x1, of a row of
//! input to every so many-th pixel of a row of output.
#![allow(unsafe_code)] // The entry into code that needs the instruction set.
#![cfg_attr(feature = "emulated", allow(unused_unsafe))] // Functions that need no instruction set are safe.

use super::{Operands, Params};
use crate::Isa;
use crate::conv_i8::layout;
use crate::conv_i8::tile_512::{BYTES, Finish, Memory, Part, Taps, Windows, Work, copy};
use crate::pixels::{Pixels, place};

const _: () = assert!(super::LINE as usize <= BYTES);

/// Convolves with weights in O16K4; false where the CPU or the layout is another one.
pub(super) fn run(isa: Isa, params: &Params, operands: &Operands<'_>, pixels: &Pixels, y: &mut [i8]) -> bool {
    if !isa.has_avx512() || params.layout != layout::O16K4 {
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
    let mut memory = Memory::<BYTES>::new();
    let (mut y, mut pixel) = (y, pixels.start);
    while pixel < pixels.end {
        let [image, row, column] = place(pixel, g.out_height, g.out_width);
        let count = g.out_width.wrapping_sub(column).min(pixels.end.wrapping_sub(pixel)).max(1);
        let Some((here, rest)) = y.split_at_mut_checked((count as usize).wrapping_mul(channels)) else { return };
        let from = row.checked_div(g.stride_height).unwrap_or(0);
        let line = (image as usize).wrapping_mul(g.in_height as usize).wrapping_add(from as usize).wrapping_mul(width);
        let (x, to) = (operands.x.get(line..line.wrapping_add(width)), memory.0.get_mut(..width));
        let Some((x, to)) = x.zip(to) else { return };
        copy(x, to);
        for first in 0..g.stride_width.min(count) {
            let column = column.wrapping_add(first);
            let (input, kw) = (column.checked_div(g.stride_width), column.checked_rem(g.stride_width));
            let (Some(input), Some(kw)) = (input, kw) else { return };
            let kh = row.wrapping_sub(from.wrapping_mul(g.stride_height));
            let tap = (kh as usize).wrapping_mul(g.kernel_width as usize).wrapping_add(kw as usize);
            let last = count.wrapping_sub(first).wrapping_sub(1).checked_div(g.stride_width).unwrap_or(0);
            let work = Work {
                operands,
                finish: &finish,
                channels,
                block: taps.wrapping_mul(bytes).wrapping_add(64),
                span: None,
                part: Some(Part { before: tap.wrapping_mul(bytes), bytes, zero_point: params.input_zero_point }),
                lines: memory.0.as_ptr().cast(),
                taps: Taps { rows: 1, row_step: 0, runs: 1, run_step: 0, steps: inputs / 4 },
                windows: Windows::row((input as usize).wrapping_mul(inputs), inputs),
                pixels: last.wrapping_add(1).min(g.in_width.saturating_sub(input)) as usize,
                pitch: (g.stride_width as usize).wrapping_mul(channels),
            };
            work.run(here.get_mut((first as usize).wrapping_mul(channels)..).unwrap_or_default());
        }
        (y, pixel) = (rest, pixel.wrapping_add(count));
    }
}
