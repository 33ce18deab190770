//! Weights for Winograd's F(2x2, 3x3) and F(4x4, 3x3): every input channel of a 3x3 kernel `w` becomes `U = G w Gᵀ`.
//!
//! - F(2x2, 3x3): four outputs need 16 products instead of 36.
//! - F(4x4, 3x3): sixteen outputs need 36 products instead of 144. The points are 0, ±√½, ±√2 and infinity: with 0, ±1, ±2
//!   and infinity errors are twice as large in the mean, and three times at their greatest.

use core::f64::consts::SQRT_2;

use super::layout;
use crate::geometry::Geometry;
use crate::half::Weight;
use crate::winograd::holds;

/// Most input channels.
pub(super) const INPUTS: u32 = 512;
/// Channels of a block.
const BLOCK: usize = 16;

/// What takes the transform of a tap back: a row, one that is subtracted, and a factor.
type Back = (usize, Option<usize>, f64);

/// The transform of weights.
pub(super) struct Form {
    /// The rows of `G`.
    forth: &'static [[f64; 3]],
    back: [Back; 3],
}

const SMALL: Form = Form {
    forth: &[[1.0, 0.0, 0.0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0.0, 0.0, 1.0]],
    back: [(0, None, 1.0), (1, Some(2), 1.0), (3, None, 1.0)],
};

const LARGE: Form = Form {
    forth: &[
        [1.0, 0.0, 0.0],
        [-2.0 / 3.0, -SQRT_2 / 3.0, -1.0 / 3.0],
        [-2.0 / 3.0, SQRT_2 / 3.0, -1.0 / 3.0],
        [1.0 / 6.0, SQRT_2 / 6.0, 1.0 / 3.0],
        [1.0 / 6.0, -SQRT_2 / 6.0, 1.0 / 3.0],
        [0.0, 0.0, 1.0],
    ],
    back: [(0, None, 1.0), (1, Some(2), -0.75 * SQRT_2), (5, None, 1.0)],
};

/// The transform of a layout.
pub(super) fn form(layout: u32) -> Option<&'static Form> {
    match layout {
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

    /// Elements of the weights, filling included; `None` where the layout does not hold the geometry.
    pub(super) fn packed_len(&self, g: &Geometry) -> Option<u32> {
        let held = holds(g) && g.in_channels <= INPUTS;
        let block = g.in_channels.checked_mul(self.positions().wrapping_mul(BLOCK) as u32)?;
        g.out_channels.div_ceil(BLOCK as u32).checked_mul(block).filter(|&n| held && n <= i32::MAX as u32)
    }

    /// Tiles of all images.
    fn tiles(&self, g: &Geometry) -> u64 {
        let outputs = (self.side() as u32).wrapping_sub(2).max(1);
        let tiles = |size: u32| u64::from(size.div_ceil(outputs));
        tiles(g.out_height).wrapping_mul(tiles(g.out_width)).wrapping_mul(u64::from(g.batch))
    }

    /// The place of a weight of one input of one output channel: `[O / 16][positions][I][16]`.
    #[inline(always)]
    fn place(&self, inputs: usize, channel: usize, input: usize, position: usize) -> usize {
        let row = (channel / BLOCK).wrapping_mul(self.positions()).wrapping_add(position).wrapping_mul(inputs);
        row.wrapping_add(input).wrapping_mul(BLOCK).wrapping_add(channel % BLOCK)
    }

    /// Packs `rows` (`[O][3][3][I]`).
    pub(super) fn pack(&self, g: &Geometry, rows: &[f32], packed: &mut [f32]) {
        packed.fill(0.0);
        let inputs = g.in_channels as usize;
        for (channel, row) in rows.chunks(inputs.wrapping_mul(9).max(1)).enumerate() {
            for input in 0..inputs {
                let tap = |k: usize, l: usize| {
                    let tap = k.wrapping_mul(3).wrapping_add(l);
                    row.get(tap.wrapping_mul(inputs).wrapping_add(input)).map_or(0.0, |&w| f64::from(w))
                };
                let pairs = self.forth.iter().flat_map(|g| self.forth.iter().map(move |h| (g, h)));
                for (position, (g, h)) in pairs.enumerate() {
                    if let Some(to) = packed.get_mut(self.place(inputs, channel, input, position)) {
                        *to = products(g, h, tap) as f32;
                    }
                }
            }
        }
    }

    /// The weight of a tap of one input of one output channel, from the packed ones.
    #[inline(always)]
    pub(super) fn weight<W: Weight>(
        &self,
        packed: &[W],
        inputs: usize,
        channel: usize,
        tap: usize,
        input: usize,
    ) -> f32 {
        let value = |row: usize, column: usize| {
            let place = self.place(inputs, channel, input, row.wrapping_mul(self.side()).wrapping_add(column));
            packed.get(place).map_or(0.0, |&w| f64::from(w.widen()))
        };
        let (Some(&rows), Some(&columns)) = (self.back.get(tap / 3), self.back.get(tap % 3)) else { return 0.0 };
        let line = |row: usize| value(row, columns.0) - columns.1.map_or(0.0, |column| value(row, column));
        ((line(rows.0) - rows.1.map_or(0.0, line)) * rows.2 * columns.2) as f32
    }
}

/// Products for every pair of channels, of tiles at so many positions, and what reading their weights takes beside them: the
/// more there are, the further away is the cache that holds them.
fn work(g: &Geometry, tiles: u64, positions: u64) -> u64 {
    let channels = u64::from(g.in_channels).wrapping_mul(u64::from(g.out_channels));
    let reading = (channels.wrapping_mul(positions) >> 18).min(32);
    tiles.wrapping_add(reading).wrapping_mul(positions)
}

/// Whether a layout is the best one for a geometry that holds it, if those before it are not: enough products for the
/// transforms, an eighth of the work saved, two tiles of four with less work than those of two, and weights of no more than 24 MiB.
pub(super) fn pays(g: &Geometry, layout: u32) -> bool {
    let Some(form) = form(layout) else { return true };
    let pixels = u64::from(g.pixels().unwrap_or(0));
    let of = |form: &Form| work(g, form.tiles(g), form.positions() as u64);
    let enough = g.in_channels >= 8 && g.out_channels >= 16 && pixels >= 16;
    let saves = of(form).wrapping_mul(9) < work(g, pixels, 9).wrapping_mul(8);
    let least = layout == layout::WINOGRAD || form.tiles(g) >= 2 && of(form) < of(&SMALL);
    enough && saves && least && form.packed_len(g).is_some_and(|len| len <= 6 << 20)
}

/// `Σ g[k] * h[l] * value(k, l)`.
fn products(g: &[f64], h: &[f64], value: impl Fn(usize, usize) -> f64) -> f64 {
    let mut sum = 0.0;
    for (k, &g) in g.iter().enumerate() {
        for (l, &h) in h.iter().enumerate() {
            sum += g * h * value(k, l);
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
        let g = Geometry { in_channels: 5, out_channels: 19, ..convolutions()[4] };
        let rows = Samples::new(1).floats(g.weights().unwrap() as usize, -1.0, 1.0);
        for form in [&SMALL, &LARGE] {
            let mut packed = std::vec![1.0; form.packed_len(&g).unwrap() as usize];
            form.pack(&g, &rows, &mut packed);
            for (k, &w) in rows.iter().enumerate() {
                assert!((form.weight(&packed, 5, k / 45, k / 5 % 9, k % 5) - w).abs() < 1e-6, "{k}");
            }
        }
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
        assert!(large(4, 8) && large(56, 56) && large(7, 7) && large(13, 13));
        assert!(!large(4, 4) && !large(6, 6) && !large(5, 5) && !large(2, 40));
        assert!(pays(&sized(6, 6), layout::WINOGRAD) && !pays(&sized(3, 5), layout::WINOGRAD));
        let many = |size| Geometry { in_channels: 512, out_channels: 512, ..sized(size, size) };
        let small = |g| pays(&g, layout::WINOGRAD) && !pays(&g, layout::WINOGRAD_4X4);
        assert!(small(many(28)) && small(many(14)) && !pays(&many(7), layout::WINOGRAD));
        let some = |size| Geometry { in_channels: 256, out_channels: 256, ..sized(size, size) };
        assert!(small(some(14)) && small(some(7)) && pays(&some(16), layout::WINOGRAD_4X4));
        assert!(!pays(&Geometry { in_channels: 3, ..sized(56, 56) }, layout::WINOGRAD_4X4));
    }
}
