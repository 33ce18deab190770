//! The sums of one pair of tiles of pixels, between which outputs of others are stored.
#![allow(unsafe_code)] // Tiles.
#![cfg_attr(feature = "emulated", allow(unused_unsafe))] // Functions that need no instruction set are safe.

use super::store::Outputs;
use super::strip::{Ahead, Bias, Strip};
use super::sums::Left;
use super::{Work, ends, kind};
use crate::amx::Tiles;

/// The most outputs that are stored in a step but the first, which stores twice as many.
const MOST: usize = 8;

/// Bits for instructions of a pair's first step, by number, and for those of every other one.
type After = [u32; 2];

/// After which instructions outputs are stored, for every number of outputs of a step: the CPU looks some hundred instructions
/// ahead, so that what is to run beside each other stands beside each other.
#[allow(clippy::indexing_slicing)] // The compiler runs it.
const fn after(blocks: usize) -> [After; MOST + 1] {
    let (first, others): (&[u32], &[u32]) = match blocks {
        1 => (&[0, 1, 2, 3, 4, 9, 10, 11, 12], &[2, 3, 4, 11, 12]),
        _ => (&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15], &[2, 3, 4, 7, 8, 11, 12, 15]),
    };
    let (mut all, mut each) = ([[0; 2]; MOST + 1], 0);
    while each <= MOST {
        all[each] = [spread(2 * each, first), spread(each, others)];
        each += 1;
    }
    all
}

/// Bits for so many of these numbers, evenly spread.
#[allow(clippy::indexing_slicing)] // As above.
const fn spread(count: usize, numbers: &[u32]) -> u32 {
    let (mut bits, mut k) = (0u32, 0);
    while k < numbers.len() {
        if (k + 1) * count / numbers.len() > k * count / numbers.len() {
            bits |= 1 << numbers[k];
        }
        k += 1;
    }
    bits
}

impl Work<'_> {
    /// The sums of `A` tiles of pixels, whose windows begin at `x`. Meanwhile the sums of the last pair are stored, and what
    /// `outputs` has.
    #[allow(unused_unsafe)] // Multiplying is safe.
    #[cfg_attr(not(feature = "emulated"), target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni"))]
    pub(super) fn pair<const A: usize, const B: usize, const KIND: u8>(
        &self,
        strip: &Strip<B>,
        x: [*const i8; A],
        (outputs, ahead): (&mut Outputs<'_, '_, B>, &mut Ahead),
        tiles: &mut Tiles,
        last: &Left,
    ) {
        let steps = self.tiles.wrapping_mul(self.rows as usize);
        let each = (8 * B).div_ceil(steps.wrapping_add(1)).min(MOST);
        let [mut after, others] = const { after(B) }.get(each).copied().unwrap_or_default();
        let ([x0, x1], [w0, w1]) = (ends(x), ends(strip.weights));
        let [bias0, bias1] = ends(strip.bias.each_ref().map(|Bias(bias)| bias.as_ptr().cast()));
        let (step, width) = (self.places.step(), self.fours.wrapping_mul(4));
        let mut outputs = outputs.begun::<KIND>();
        let (mut row, mut place, mut weight) = (0usize, 0usize, 0usize);
        let (mut rows, mut left) = (self.rows, self.tiles);
        let mut begins = true;
        // What comes after a tile instruction.
        macro_rules! then {
            ($number:expr, $instruction:expr) => {
                // SAFETY: every row of a tile of sums is loaded from the same 16, and the last ones have room; the lines hold as
                // many windows as a tile has rows, so far apart, and what is read beyond the last row of taps; a block of
                // weights has 64 bytes for every four inputs.
                unsafe {
                    $instruction
                };
                if A > 1 && KIND != kind::ANY && after & 1 << ($number) != 0 {
                    outputs.step();
                }
            };
        }
        macro_rules! begin {
            ($number:literal, $sums:literal, $begins:expr, $bias:expr) => {
                if begins {
                    then!($number, last.store_tile::<$sums>(tiles));
                    if $begins {
                        then!($number + 1, tiles.load::<$sums>($bias, 0));
                    }
                }
            };
        }
        loop {
            begin!(0, 0, true, bias0);
            then!(2, tiles.load::<6>(w0.wrapping_add(weight), 64));
            then!(3, tiles.load::<4>(x0.wrapping_add(place), step));
            then!(4, tiles.multiply::<0, 4, 6>());
            if B > 1 {
                begin!(5, 1, true, bias1);
                then!(7, tiles.load::<7>(w1.wrapping_add(weight), 64));
                then!(8, tiles.multiply::<1, 4, 7>());
            }
            begin!(9, 2, A > 1, bias0);
            if A > 1 {
                then!(11, tiles.load::<5>(x1.wrapping_add(place), step));
                then!(12, tiles.multiply::<2, 5, 6>());
            }
            if B > 1 {
                begin!(13, 3, A > 1, bias1);
                if A > 1 {
                    then!(15, tiles.multiply::<3, 5, 7>());
                }
            }
            begins = false;
            after = others;
            outputs.go_on();
            ahead.step();
            weight = weight.wrapping_add(width.wrapping_mul(16));
            (place, left) = (place.wrapping_add(width), left.wrapping_sub(1));
            if left == 0 {
                (row, rows, left) = (row.wrapping_add(self.row_step), rows.wrapping_sub(1), self.tiles);
                place = row;
            }
            if rows == 0 {
                return;
            }
        }
    }
}
