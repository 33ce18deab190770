//! From rows, as the compiler has the weights, to the layouts of the variants.

use super::layout;
use crate::geometry::Geometry;

/// Bytes of the weights in `layout`, filling included; `None` for a layout that does not exist or does not hold several
/// groups.
pub fn packed_len(geometry: &Geometry, layout: u32) -> Option<u32> {
    let g = geometry;
    match layout {
        layout::ROWS => g.weights(),
        layout::O16I4 if g.groups == 1 => {
            let (blocks, fours) = (g.out_channels.checked_add(15)? >> 4, g.in_channels.checked_add(3)? >> 2);
            let sizes = [g.kernel_height, g.kernel_width, fours, 64];
            sizes.iter().try_fold(blocks, |n, &d| n.checked_mul(d)).filter(|&n| n <= i32::MAX as u32)
        }
        _ => None,
    }
}

/// Packs `rows` (`[O][KH][KW][I / groups]`) into `layout`. Returns whether the lengths fitted, and the layout the geometry.
pub fn pack(geometry: &Geometry, layout: u32, rows: &[i8], packed: &mut [i8]) -> bool {
    let is = |len: usize, n: Option<u32>| n.is_some_and(|n| n as usize == len);
    if !is(rows.len(), geometry.weights()) || !is(packed.len(), packed_len(geometry, layout)) {
        return false;
    }
    if layout == layout::ROWS {
        for (to, &from) in packed.iter_mut().zip(rows) {
            *to = from;
        }
    } else {
        pack_o16i4(geometry, rows, packed);
    }
    true
}

fn pack_o16i4(g: &Geometry, rows: &[i8], packed: &mut [i8]) {
    let inputs = g.in_channels as usize;
    let taps = (g.kernel_height as usize).wrapping_mul(g.kernel_width as usize);
    let fours = inputs.div_ceil(4);
    // Walks the 64 bytes of every (block, tap, four) in the order in which they lie.
    let mut places = packed.as_chunks_mut::<64>().0.iter_mut();
    for block in 0..(g.out_channels as usize).div_ceil(16) {
        for tap in 0..taps {
            for four in 0..fours {
                let Some(place) = places.next() else { return };
                for (lane, to) in place.as_chunks_mut::<4>().0.iter_mut().enumerate() {
                    let channel = block.wrapping_mul(16).wrapping_add(lane);
                    let row = channel.wrapping_mul(taps).wrapping_add(tap).wrapping_mul(inputs);
                    for (k, to) in to.iter_mut().enumerate() {
                        let input = four.wrapping_mul(4).wrapping_add(k);
                        let from = rows.get(row.wrapping_add(input)).filter(|_| input < inputs);
                        *to = from.copied().unwrap_or(0);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{convolutions, grouped_convolutions};

    #[test]
    fn lengths_are_those_of_the_layouts() {
        let g = grouped_convolutions()[0];
        assert_eq!(packed_len(&g, layout::ROWS), Some(108));
        assert_eq!(packed_len(&g, layout::O16I4), None);
        assert_eq!(packed_len(&g, 9), None);
        assert_eq!(packed_len(&convolutions()[7], layout::O16I4), Some(32 * 25 * 4));
    }

    #[test]
    fn every_weight_is_found_at_its_place() {
        for g in convolutions() {
            let (o, i) = (g.out_channels as usize, g.in_channels as usize);
            let taps = (g.kernel_height * g.kernel_width) as usize;
            let rows: std::vec::Vec<i8> = (0..o * taps * i).map(|k| (k * 7 % 251) as i8).collect();
            let mut packed = std::vec![1; packed_len(&g, layout::O16I4).unwrap() as usize];
            assert!(pack(&g, layout::O16I4, &rows, &mut packed));
            for (at, &found) in packed.iter().enumerate() {
                let (inner, lane, rest) = (at % 4, at / 4 % 16, at / 64);
                let (four, rest) = (rest % i.div_ceil(4), rest / i.div_ceil(4));
                let (tap, channel, input) = (rest % taps, rest / taps * 16 + lane, four * 4 + inner);
                let filled = channel >= o || input >= i;
                let want = if filled { 0 } else { rows[(channel * taps + tap) * i + input] };
                assert_eq!(found, want, "{at} {g:?}");
            }
        }
    }
}
