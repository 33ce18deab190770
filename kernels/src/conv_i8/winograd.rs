//! Weights for Winograd's F(2x2, 3x3) and F(4x4, 3x3) in whole numbers, which is exact.
//!
//! Every input channel of a 3x3 kernel `w` becomes `U = G w Gᵀ` with multiples of the rows of Winograd's `G`, so that all are
//! whole numbers; the sums come out as many times too large.
//!
//! - F(2x2, 3x3): four outputs need 16 products instead of 36. The rows are twice `G`, the sums four times too large. With
//!   the inputs' transforms, which reach 512, nothing leaves int32: 2048 channels would.
//! - F(4x4, 3x3): sixteen outputs need 36 products instead of 144. The sums are up to 576 = 9 * 2^6 times too large and
//!   wrap; 9 has an inverse modulo 2^32, so that the outputs are known modulo 2^26, which is enough where the weights of a
//!   channel say that they are less than 2^25 in magnitude. Others are refused.

use super::layout;
use crate::geometry::Geometry;
use crate::winograd::holds;

/// Most input channels.
pub(super) const INPUTS: u32 = 512;
/// Channels of a block.
const BLOCK: usize = 16;

/// What takes the transform of a tap back: a row, one that is subtracted, and the inverse modulo 2^32 of the odd factor of
/// what comes out; the other factor is 2.
type Back = (usize, Option<usize>, i32);

/// The transform of weights.
pub(super) struct Form {
    forth: &'static [[i32; 3]],
    back: [Back; 3],
    /// Sums must be below `2^bits` in magnitude.
    bits: u32,
}

const THIRD: i32 = 0xAAAA_AAAB_u32.cast_signed();

const SMALL: Form = Form {
    forth: &[[2, 0, 0], [1, 1, 1], [1, -1, 1], [0, 0, 2]],
    back: [(0, None, 1), (1, Some(2), 1), (3, None, 1)],
    bits: 31,
};

/// The rows are 24, -6, -6, 24, 24 and 6 times those of `G`.
const LARGE: Form = Form {
    forth: &[[6, 0, 0], [1, 1, 1], [1, -1, 1], [1, 2, 4], [1, -2, 4], [0, 0, 6]],
    back: [(0, None, THIRD), (1, Some(2), 1), (5, None, THIRD)],
    bits: 25,
};

/// The transform of a layout; of none without an operating system.
pub(super) fn form(layout: u32) -> Option<&'static Form> {
    match layout {
        _ if !cfg!(feature = "std") => None,
        layout::WINOGRAD => Some(&SMALL),
        layout::WINOGRAD_4X4 => Some(&LARGE),
        _ => None,
    }
}

impl Form {
    /// Rows and columns of inputs of a tile.
    #[inline(always)]
    fn side(&self) -> usize {
        self.forth.len()
    }

    /// Products of a tile for every input channel.
    #[inline(always)]
    fn positions(&self) -> usize {
        self.side().wrapping_mul(self.side())
    }

    /// Bytes of the weights, filling included; `None` where the layout does not hold the geometry.
    pub(super) fn packed_len(&self, g: &Geometry) -> Option<u32> {
        let held = holds(g) && g.in_channels.is_multiple_of(4) && g.in_channels <= INPUTS;
        let block = g.in_channels.checked_mul((self.positions().wrapping_mul(BLOCK * 2)) as u32)?;
        g.out_channels.div_ceil(BLOCK as u32).checked_mul(block).filter(|&n| held && n <= i32::MAX as u32)
    }

    /// Whether the sums of these weights (`[O][3][3][I]`), of any inputs, come out right.
    pub(super) fn exact(&self, rows: &[i8], depth: usize) -> bool {
        rows.chunks(depth.max(1)).all(|row| {
            let sum = row.iter().fold(0u64, |sum, &w| sum.wrapping_add(u64::from(w.unsigned_abs())));
            sum.wrapping_mul(128) < 1 << self.bits
        })
    }

    /// Products of a layer for every pair of channels.
    fn products(&self, g: &Geometry) -> u64 {
        let outputs = (self.side() as u32).wrapping_sub(2).max(1);
        let tiles = |size: u32| u64::from(size.div_ceil(outputs));
        tiles(g.out_height).wrapping_mul(tiles(g.out_width)).wrapping_mul(self.positions() as u64)
    }

    /// The place in bytes of a weight of one input of one output channel: `[O / 16][positions][I / 2][16][2]` int16.
    #[inline(always)]
    fn place(&self, inputs: usize, channel: usize, input: usize, position: usize) -> usize {
        let row = (channel / BLOCK).wrapping_mul(self.positions()).wrapping_add(position).wrapping_mul(inputs / 2);
        let pair = row.wrapping_add(input / 2).wrapping_mul(BLOCK).wrapping_add(channel % BLOCK);
        pair.wrapping_mul(4).wrapping_add((input % 2).wrapping_mul(2))
    }

    /// Packs `rows` (`[O][3][3][I]`).
    pub(super) fn pack(&self, g: &Geometry, rows: &[i8], packed: &mut [i8]) {
        packed.fill(0);
        let inputs = g.in_channels as usize;
        for (channel, row) in rows.chunks(inputs.wrapping_mul(9).max(1)).enumerate() {
            for input in 0..inputs {
                let taps =
                    |tap: usize| row.get(tap.wrapping_mul(inputs).wrapping_add(input)).map_or(0, |&w| i32::from(w));
                let pairs = self.forth.iter().flat_map(|g| self.forth.iter().map(move |h| (g, h)));
                for (position, (g, h)) in pairs.enumerate() {
                    let sum = products(g, h, |k, l| taps(k.wrapping_mul(3).wrapping_add(l))) as i16;
                    let bytes = sum.to_le_bytes().map(u8::cast_signed);
                    let place = self.place(inputs, channel, input, position);
                    if let Some(to) = packed.get_mut(place..).and_then(|p| p.first_chunk_mut()) {
                        *to = bytes;
                    }
                }
            }
        }
    }

    /// The weight of a tap of one input of one output channel, from the packed ones.
    #[inline(always)]
    pub(super) fn weight(&self, packed: &[i8], inputs: usize, channel: usize, tap: usize, input: usize) -> i32 {
        let value = |row: usize, column: usize| {
            let place = self.place(inputs, channel, input, row.wrapping_mul(self.side()).wrapping_add(column));
            let bytes = packed.get(place..).and_then(|p| p.first_chunk()).copied().unwrap_or_default();
            i32::from(i16::from_le_bytes(bytes.map(i8::cast_unsigned)))
        };
        let (Some(&rows), Some(&columns)) = (self.back.get(tap / 3), self.back.get(tap % 3)) else { return 0 };
        let line = |row: usize| value(row, columns.0).wrapping_sub(columns.1.map_or(0, |column| value(row, column)));
        let sum = line(rows.0).wrapping_sub(rows.1.map_or(0, line));
        sum.wrapping_mul(rows.2).wrapping_mul(columns.2) >> 2
    }
}

/// Whether a layout is the best one for a geometry: enough products for the transforms, less than in tiles of another size,
/// and weights that stay in a cache, or that enough tiles of four share where no other tiles do.
pub(super) fn pays(g: &Geometry, layout: u32) -> bool {
    let Some(form) = form(layout) else { return true };
    let pixels = g.pixels().unwrap_or(0);
    let least = g.in_channels >= 8 && g.out_channels >= 16 && pixels >= 16;
    let fewest = layout == layout::WINOGRAD || form.products(g) < SMALL.products(g);
    let near = |form: &Form| form.packed_len(g).is_some_and(|len| len <= 3 << 20);
    let shared = layout != layout::WINOGRAD && form.products(g) >= 16 * 36 && !near(&SMALL);
    least && fewest && (near(form) || shared && form.packed_len(g).is_some_and(|len| len <= 32 << 20))
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
        for form in [&SMALL, &LARGE] {
            let mut packed = std::vec![1; form.packed_len(&g).unwrap() as usize];
            form.pack(&g, &rows, &mut packed);
            for (k, &w) in rows.iter().enumerate() {
                assert_eq!(form.weight(&packed, 8, k / 72, k / 8 % 9, k % 8), i32::from(w), "{k}");
            }
        }
    }

    #[test]
    fn only_what_it_holds_has_a_length() {
        let g = Geometry { in_channels: 8, out_channels: 19, ..convolutions()[4] };
        assert_eq!(SMALL.packed_len(&g), Some(2 * 16 * 8 * 16 * 2));
        assert_eq!(LARGE.packed_len(&g), Some(2 * 36 * 8 * 16 * 2));
        for other in [
            Geometry { in_channels: 6, ..g },
            Geometry { in_channels: 516, ..g },
            Geometry { groups: 2, ..g },
            Geometry { stride_width: 2, ..g },
            Geometry { dilation_height: 2, ..g },
            Geometry { kernel_width: 1, ..g },
        ] {
            assert_eq!((SMALL.packed_len(&other), LARGE.packed_len(&other)), (None, None), "{other:?}");
        }
    }

    #[test]
    fn large_sums_are_refused() {
        let (largest, depth) = ((1 << 18) - 1, 9 * 512);
        let mut rows = std::vec![0i8; 2 * depth];
        for k in 0..largest {
            rows[depth + k % depth] += 1;
        }
        assert!(LARGE.exact(&rows, depth));
        rows[depth] += 1;
        assert!(!LARGE.exact(&rows, depth) && SMALL.exact(&rows, depth));
        assert!(SMALL.exact(&std::vec![-128; depth], depth));
    }

    #[test]
    fn tiles_of_four_pay_where_little_is_wasted() {
        let sized = |out_height, out_width| Geometry {
            in_channels: 64,
            out_channels: 64,
            out_height,
            out_width,
            ..convolutions()[4]
        };
        let large = |h, w| pays(&sized(h, w), layout::WINOGRAD_4X4);
        assert!(large(4, 4) && large(56, 56) && large(7, 7) && large(13, 13));
        assert!(!large(6, 6) && !large(5, 5) && !large(2, 40));
        assert!(pays(&sized(6, 6), layout::WINOGRAD) && !pays(&sized(3, 5), layout::WINOGRAD));
        // What fits into no cache pays where many tiles share it, and nothing smaller does.
        let many =
            |size, n| pays(&Geometry { in_channels: n, out_channels: n, ..sized(size, size) }, layout::WINOGRAD_4X4);
        assert!(many(14, 512) && !many(7, 512) && !many(14, 256));
    }
}
