//! Weights for Winograd's F(2x2, 3x3): `U = G w Gᵀ` with the rows (1, 0, 0), (1/2, 1/2, 1/2), (1/2, -1/2, 1/2), (0, 0, 1).

use crate::geometry::Geometry;
use crate::half::Weight;
use crate::winograd::{POSITIONS, holds};

/// Most input channels.
pub(super) const INPUTS: u32 = 256;
/// Channels of a block.
const BLOCK: usize = 16;

const FORTH: [[f64; 3]; 4] = [[1.0, 0.0, 0.0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0.0, 0.0, 1.0]];
/// What takes `FORTH` back: the rows that are added, and subtracted, for every tap.
const BACK: [(usize, Option<usize>); 3] = [(0, None), (1, Some(2)), (3, None)];

/// Elements of the weights, filling included; `None` where the layout does not hold the geometry.
pub(super) fn packed_len(g: &Geometry) -> Option<u32> {
    let held = holds(g) && g.in_channels <= INPUTS;
    let block = g.in_channels.checked_mul((POSITIONS * BLOCK) as u32)?;
    g.out_channels.checked_add(15)?.checked_div(16)?.checked_mul(block).filter(|&n| held && n <= i32::MAX as u32)
}

/// Whether the layout is the best one for a geometry: enough products for the transforms, and weights that stay in a cache.
pub(super) fn pays(g: &Geometry) -> bool {
    let pixels = g.pixels().unwrap_or(0);
    let least = g.in_channels >= 8 && g.out_channels >= 16 && pixels >= 16;
    least && packed_len(g).is_some_and(|len| len <= 3 << 20)
}

/// The place of a weight of one input of one output channel: `[O / 16][16 positions][I][16]`.
#[inline(always)]
fn place(inputs: usize, channel: usize, input: usize, position: usize) -> usize {
    let row = (channel / BLOCK).wrapping_mul(POSITIONS).wrapping_add(position).wrapping_mul(inputs);
    row.wrapping_add(input).wrapping_mul(BLOCK).wrapping_add(channel % BLOCK)
}

/// Packs `rows` (`[O][3][3][I]`).
pub(super) fn pack(g: &Geometry, rows: &[f32], packed: &mut [f32]) {
    packed.fill(0.0);
    let inputs = g.in_channels as usize;
    for (channel, row) in rows.chunks(inputs.wrapping_mul(9).max(1)).enumerate() {
        for input in 0..inputs {
            let tap = |k: usize, l: usize| {
                let tap = k.wrapping_mul(3).wrapping_add(l);
                row.get(tap.wrapping_mul(inputs).wrapping_add(input)).map_or(0.0, |&w| f64::from(w))
            };
            for position in 0..POSITIONS {
                let place = place(inputs, channel, input, position);
                let rows = FORTH.get(position / 4).zip(FORTH.get(position % 4));
                if let (Some((g, h)), Some(to)) = (rows, packed.get_mut(place)) {
                    *to = products(g, h, tap) as f32;
                }
            }
        }
    }
}

/// The weight of a tap of one input of one output channel, from the packed ones.
#[inline(always)]
pub(super) fn weight<W: Weight>(packed: &[W], inputs: usize, channel: usize, tap: usize, input: usize) -> f32 {
    let value = |row: usize, column: usize| {
        let place = place(inputs, channel, input, row.wrapping_mul(4).wrapping_add(column));
        packed.get(place).map_or(0.0, |&w| f64::from(w.widen()))
    };
    let (Some(&rows), Some(&columns)) = (BACK.get(tap / 3), BACK.get(tap % 3)) else { return 0.0 };
    let line = |row: usize| value(row, columns.0) - columns.1.map_or(0.0, |column| value(row, column));
    (line(rows.0) - rows.1.map_or(0.0, line)) as f32
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
        let mut packed = std::vec![1.0; packed_len(&g).unwrap() as usize];
        pack(&g, &rows, &mut packed);
        for (k, &w) in rows.iter().enumerate() {
            assert!((weight(&packed, 5, k / 45, k / 5 % 9, k % 5) - w).abs() < 1e-6, "{k}");
        }
    }
}
