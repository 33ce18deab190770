//! NEON: one input pixel times four output channels.
#![allow(unsafe_code)] // Stores of vectors, and the entry into code that needs the instruction set.

use core::arch::aarch64::*;

use super::phases::{self, Kernel};
use super::{Operands, Params};
use crate::conv_i8::{dots_neon, layout};
use crate::pixels::Pixels;
use crate::round::Output;
use crate::round_neon::{four, narrow};
use crate::{Isa, Level};

/// Convolves with weights in rows; false where the CPU or the layout is another one, or there is no room.
pub(super) fn run(isa: Isa, params: &Params, o: &Operands<'_>, pixels: &Pixels, y: &mut [i8]) -> bool {
    if isa.level() < Level::Neon || params.layout != layout::ROWS {
        return false;
    }
    phases::run(&mut Neon(params.output), params, o, pixels, y)
}

/// With the way to int8. Only made where the CPU has NEON.
struct Neon(Output);

impl Kernel for Neon {
    fn add(&mut self, x: &[i8], weights: &[i8], row: usize, sums: &mut [i32]) {
        let of = |channel: usize| {
            let start = channel.wrapping_mul(row);
            weights.get(start..start.wrapping_add(x.len())).unwrap_or_default()
        };
        let (fours, rest) = sums.as_chunks_mut::<4>();
        let mut channel = 0;
        for sums in fours {
            let rows = [0, 1, 2, 3].map(|k| of(channel + k));
            // SAFETY: the CPU has NEON.
            let products = unsafe { dots_neon(x, rows) };
            sums.iter_mut().zip(products).for_each(|(sum, product)| *sum = sum.wrapping_add(product));
            channel += 4;
        }
        for sum in rest {
            // SAFETY: as above.
            let [product] = unsafe { dots_neon(x, [of(channel)]) };
            *sum = sum.wrapping_add(product);
            channel += 1;
        }
    }

    fn finish(&self, sums: &[i32], multipliers: &[f32], y: &mut [i8]) {
        let (sixteens, rest) = y.as_chunks_mut::<16>();
        let done = sixteens.len() << 4;
        for ((y, sums), multipliers) in sixteens.iter_mut().zip(sums.as_chunks().0).zip(multipliers.as_chunks().0) {
            // SAFETY: the CPU has NEON.
            unsafe { sixteen(&self.0, sums, multipliers, y) };
        }
        for ((y, &sum), &multiplier) in rest.iter_mut().zip(sums.iter().skip(done)).zip(multipliers.iter().skip(done)) {
            *y = self.0.of(sum, multiplier);
        }
    }
}

#[target_feature(enable = "neon")]
fn sixteen(output: &Output, sums: &[i32; 16], multipliers: &[f32; 16], y: &mut [i8; 16]) {
    let out = [0, 4, 8, 12].map(|k| {
        // SAFETY: four of 16 elements.
        let (sums, multipliers) = unsafe { (vld1q_s32(sums.as_ptr().add(k)), vld1q_f32(multipliers.as_ptr().add(k))) };
        four(output, sums, multipliers)
    });
    // SAFETY: the array holds 16 bytes.
    unsafe { vst1q_s8(y.as_mut_ptr(), narrow(out)) };
}
