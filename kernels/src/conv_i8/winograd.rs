//! Weights for Winograd's F(2x2, 3x3) in whole numbers, which is exact.
//!
//! Every input channel of a 3x3 kernel `w` becomes `U = G w Gᵀ` with twice Winograd's `G`, whose rows are (2, 0, 0), (1, 1, 1),
//! (1, -1, 1), (0, 0, 2): 16 whole numbers of at most 9 * 128. Four outputs need 16 products instead of 36, and the sums come
//! out four times too large. With the inputs' transforms, which reach 512, nothing leaves int32: 2048 channels would.

use crate::geometry::Geometry;
use crate::winograd::{POSITIONS, holds};

/// Most input channels.
pub(super) const INPUTS: u32 = 512;
/// Channels of a block.
const BLOCK: usize = 16;

const FORTH: [[i32; 3]; 4] = [[2, 0, 0], [1, 1, 1], [1, -1, 1], [0, 0, 2]];
/// What takes `FORTH` back, but for a factor of two: the rows that are added, and subtracted, for every tap.
const BACK: [(usize, Option<usize>); 3] = [(0, None), (1, Some(2)), (3, None)];

/// Bytes of the weights, filling included; `None` where the layout does not hold the geometry.
pub(super) fn packed_len(g: &Geometry) -> Option<u32> {
    let held = holds(g) && g.in_channels.is_multiple_of(4) && g.in_channels <= INPUTS;
    let block = g.in_channels.checked_mul((POSITIONS * BLOCK * 2) as u32)?;
    g.out_channels.div_ceil(BLOCK as u32).checked_mul(block).filter(|&n| held && n <= i32::MAX as u32)
}

/// Whether the layout is the best one for a geometry: enough products for the transforms, and weights that stay in a cache.
pub(super) fn pays(g: &Geometry) -> bool {
    let pixels = g.pixels().unwrap_or(0);
    let least = g.in_channels >= 8 && g.out_channels >= 16 && pixels >= 16;
    least && packed_len(g).is_some_and(|len| len <= 3 << 20)
}

/// The place in bytes of a weight of one input of one output channel: `[O / 16][16 positions][I / 2][16][2]` int16.
#[inline(always)]
fn place(inputs: usize, channel: usize, input: usize, position: usize) -> usize {
    let row = (channel / BLOCK).wrapping_mul(POSITIONS).wrapping_add(position).wrapping_mul(inputs / 2);
    let pair = row.wrapping_add(input / 2).wrapping_mul(BLOCK).wrapping_add(channel % BLOCK);
    pair.wrapping_mul(4).wrapping_add((input % 2).wrapping_mul(2))
}

/// Packs `rows` (`[O][3][3][I]`).
pub(super) fn pack(g: &Geometry, rows: &[i8], packed: &mut [i8]) {
    packed.fill(0);
    let inputs = g.in_channels as usize;
    for (channel, row) in rows.chunks(inputs.wrapping_mul(9).max(1)).enumerate() {
        for input in 0..inputs {
            let taps = |tap: usize| row.get(tap.wrapping_mul(inputs).wrapping_add(input)).map_or(0, |&w| i32::from(w));
            for position in 0..POSITIONS {
                let (Some(g), Some(h)) = (FORTH.get(position / 4), FORTH.get(position % 4)) else { return };
                let sum = products(g, h, |k, l| taps(k.wrapping_mul(3).wrapping_add(l))) as i16;
                let bytes = sum.to_le_bytes().map(u8::cast_signed);
                let place = place(inputs, channel, input, position);
                if let Some(to) = packed.get_mut(place..).and_then(|p| p.first_chunk_mut()) {
                    *to = bytes;
                }
            }
        }
    }
}

/// The weight of a tap of one input of one output channel, from the packed ones.
#[inline(always)]
pub(super) fn weight(packed: &[i8], inputs: usize, channel: usize, tap: usize, input: usize) -> i32 {
    let value = |row: usize, column: usize| {
        let place = place(inputs, channel, input, row.wrapping_mul(4).wrapping_add(column));
        let bytes = packed.get(place..).and_then(|p| p.first_chunk()).copied().unwrap_or_default();
        i32::from(i16::from_le_bytes(bytes.map(i8::cast_unsigned)))
    };
    let (Some(&rows), Some(&columns)) = (BACK.get(tap / 3), BACK.get(tap % 3)) else { return 0 };
    let line = |row: usize| value(row, columns.0).wrapping_sub(columns.1.map_or(0, |column| value(row, column)));
    line(rows.0).wrapping_sub(rows.1.map_or(0, line)) >> 2
}

/// `Σ g[k] * h[l] * value(k, l)`.
fn products(g: &[i32], h: &[i32], value: impl Fn(usize, usize) -> i32) -> i32 {
    let mut sum = 0i32;
    for (k, &g) in g.iter().enumerate() {
        for (l, &h) in h.iter().enumerate() {
            sum = sum.wrapping_add(g.wrapping_mul(h).wrapping_mul(value(k, l)));
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{Samples, convolutions};

    #[test]
    fn every_weight_comes_back() {
        let g = Geometry { in_channels: 8, out_channels: 19, ..convolutions()[4] };
        let mut rows = Samples::new(1).bytes(g.weights().unwrap());
        rows[..36].fill(-128);
        let mut packed = std::vec![1; packed_len(&g).unwrap() as usize];
        pack(&g, &rows, &mut packed);
        for (k, &w) in rows.iter().enumerate() {
            assert_eq!(weight(&packed, 8, k / 72, k / 8 % 9, k % 8), i32::from(w), "{k}");
        }
    }

    #[test]
    fn only_what_it_holds_has_a_length() {
        let g = Geometry { in_channels: 8, out_channels: 19, ..convolutions()[4] };
        assert_eq!(packed_len(&g), Some(2 * 16 * 8 * 16 * 2));
        for other in [
            Geometry { in_channels: 6, ..g },
            Geometry { in_channels: 516, ..g },
            Geometry { groups: 2, ..g },
            Geometry { stride_width: 2, ..g },
            Geometry { dilation_height: 2, ..g },
            Geometry { kernel_width: 1, ..g },
        ] {
            assert_eq!(packed_len(&other), None, "{other:?}");
        }
    }
}
