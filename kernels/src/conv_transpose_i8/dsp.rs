//! Cortex-M DSP: one input pixel, widened to int16, times four output channels.
#![allow(unsafe_code)] // The calls of functions in assembly.

use super::phases::{self, INPUTS, Kernel};
use super::{Operands, Params};
use crate::conv_i8::{dots_dsp, layout};
use crate::pixels::Pixels;
use crate::round::Output;
use crate::round_dsp::{Target, channels};
use crate::{Isa, Level};

/// Convolves with weights in rows; false where the core or the layout is another one, a multiplier is no number, or there
/// is no room.
pub(super) fn run(isa: Isa, params: &Params, o: &Operands<'_>, pixels: &Pixels, y: &mut [i8]) -> bool {
    let numbers = o.multipliers.iter().all(|m| m.is_finite());
    if isa.level() < Level::Dsp || params.layout != layout::ROWS || !numbers {
        return false;
    }
    let mut kernel = Dsp { output: params.output, wide: [0; INPUTS / 2] };
    phases::run(&mut kernel, params, o, pixels, y)
}

struct Dsp {
    output: Output,
    /// The input channels in pairs.
    wide: [u32; INPUTS / 2],
}

impl Kernel for Dsp {
    fn add(&mut self, x: &[i8], weights: &[i8], row: usize, sums: &mut [i32]) {
        let (fours, rest) = x.as_chunks::<4>();
        let mut last = [0; 4];
        last.iter_mut().zip(rest).for_each(|(to, &from)| *to = from);
        let at = fours.len().wrapping_mul(2);
        let Some((whole, end)) = self.wide.split_at_mut_checked(at) else { return };
        if !fours.is_empty() {
            // SAFETY: every four values become two words.
            unsafe { dots_dsp::widen(fours.as_ptr().cast(), fours.len(), whole.as_mut_ptr(), 4) };
        }
        if let (false, Some(end)) = (rest.is_empty(), end.first_chunk_mut::<2>()) {
            // SAFETY: as above.
            unsafe { dots_dsp::widen(last.as_ptr(), 1, end.as_mut_ptr(), 4) };
        }
        dots_dsp::add::<1>(weights, row, x.len(), &self.wide, sums);
    }

    fn finish(&self, sums: &[i32], multipliers: &[f32], y: &mut [i8]) {
        let fours = y.len().min(sums.len()).min(multipliers.len()) >> 2;
        let target = Target::new(y.as_mut_ptr(), 1, &self.output);
        if fours > 0 {
            // SAFETY: all three have so many fours.
            unsafe { channels(sums.as_ptr(), multipliers.as_ptr(), fours, &target) };
        }
        for ((y, &sum), &multiplier) in y.iter_mut().zip(sums).zip(multipliers).skip(fours << 2) {
            *y = self.output.of(sum, multiplier);
        }
    }
}
