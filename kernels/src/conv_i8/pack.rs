//! From rows, as the compiler has the weights, to the layouts of the variants.

use super::span::Span;
use super::{layout, lines, stem, winograd};
use crate::Level;
use crate::geometry::Geometry;

/// The binary logarithm of the weights of a channel that stand together in a layout of blocks.
pub(super) fn together(layout: u32) -> Option<u32> {
    match layout {
        layout::O16K4 | layout::O16I4 | layout::O16R4 | layout::O16A4 | layout::O16G4 => Some(2),
        layout::O16K2 | layout::O16R2 => Some(1),
        layout::O16G2 if cfg!(feature = "std") => Some(1),
        _ => None,
    }
}

/// Bytes of sums before the weights of a block.
pub(super) fn head(layout: u32) -> usize {
    if matches!(layout, layout::O16K4 | layout::O16R4 | layout::O16G4) { 64 } else { 0 }
}

/// Weights from one tap of a channel to the next, where taps are what is filled up.
pub(super) fn stride(layout: u32, inputs: u32) -> u32 {
    if layout == layout::O16I4 { inputs.wrapping_add(3) & !3 } else { inputs }
}

/// Whether blocks of channels have weights for the inputs of their own groups only.
pub(super) fn of_groups(layout: u32) -> bool {
    cfg!(feature = "std") && matches!(layout, layout::O16G4 | layout::O16G2)
}

/// Whether rows of taps are what is filled up.
pub(super) fn of_rows(layout: u32) -> bool {
    matches!(layout, layout::O16R2 | layout::O16R4 | layout::O16A4)
}

/// Whether every tap is filled up in a layout that fills up rows of them.
pub(super) fn apart(g: &Geometry, layout: u32) -> bool {
    layout == layout::O16A4 && g.dilation_width != 1
}

/// Weights of a channel that stand together without filling, and from the first of them to the first of the next: those of
/// a tap, or of a row of taps. A channel has weights for the inputs of all groups.
pub(super) fn stretch(g: &Geometry, layout: u32) -> Option<(u32, u32)> {
    let inputs = g.in_channels;
    match layout {
        _ if of_groups(layout) => Span::of(g).map(|span| span.inputs as u32).map(|inputs| (inputs, inputs)),
        layout::O16R2 | layout::O16R4 => {
            let row = g.kernel_width.checked_mul(inputs)?;
            Some((row, row.checked_next_multiple_of(1 << together(layout)?)?))
        }
        layout::O16A4 => {
            let row = if apart(g, layout) { inputs } else { g.kernel_width.checked_mul(inputs)? };
            let (tiles, fours) = tiles(row);
            Some((row, tiles.checked_mul(fours)?.checked_mul(4)?))
        }
        _ => Some((inputs, stride(layout, inputs))),
    }
}

/// Into how many tiles of how many fours a row of so many weights is cut.
pub(crate) fn tiles(row: u32) -> (u32, u32) {
    let fours = row.div_ceil(4);
    let tiles = fours.div_ceil(16).max(1);
    (tiles, fours.div_ceil(tiles))
}

/// Weights of one output channel.
pub(super) fn depth(g: &Geometry, layout: u32) -> Option<u32> {
    let columns = if of_rows(layout) && !apart(g, layout) { 1 } else { g.kernel_width };
    g.kernel_height.checked_mul(columns)?.checked_mul(stretch(g, layout)?.1)
}

/// Bytes of the weights in `layout`, filling included; `None` for a layout that does not exist or does not hold the geometry.
/// Layouts in blocks hold several groups as one, with weights of zero for the inputs of the others.
pub fn packed_len(geometry: &Geometry, layout: u32) -> Option<u32> {
    let g = geometry;
    match together(layout) {
        _ if layout == layout::O16R2 && !stem::holds(g) => None,
        _ if layout == layout::O16R4 && !lines::holds(g) => None,
        _ if of_groups(layout) && !lines::holds_groups(g, layout) => None,
        _ if apart(g, layout) && lines::dilated(g).is_none() => None,
        _ if layout == layout::O16A4 && !apart(g, layout) && !lines::holds(g) => None,
        Some(shift) => {
            let block = depth(g, layout)?.checked_next_multiple_of(1 << shift)?.checked_mul(16)?;
            let block = block.checked_add(head(layout) as u32)?;
            g.out_channels.div_ceil(16).checked_mul(block).filter(|&n| n <= i32::MAX as u32)
        }
        None if layout == layout::ROWS => g.weights(),
        None => winograd::form(layout)?.packed_len(g),
    }
}

/// Whether a layout holds these weights (`[O][KH][KW][I / groups]`) of a geometry.
pub(super) fn holds(geometry: &Geometry, layout: u32, rows: &[i8]) -> bool {
    let exact =
        winograd::form(layout).is_none_or(|form| form.exact(rows, (geometry.in_channels as usize).wrapping_mul(9)));
    exact && packed_len(geometry, layout).is_some()
}

/// Packs `rows` (`[O][KH][KW][I / groups]`) into `layout`. Returns whether the lengths fitted, and the layout the geometry
/// and the weights.
pub fn pack(geometry: &Geometry, layout: u32, rows: &[i8], packed: &mut [i8]) -> bool {
    let is = |len: usize, n: Option<u32>| n.is_some_and(|n| n as usize == len);
    let lengths = is(rows.len(), geometry.weights()) && is(packed.len(), packed_len(geometry, layout));
    if !lengths || !holds(geometry, layout, rows) {
        return false;
    }
    if let Some(form) = winograd::form(layout) {
        form.pack(geometry, rows, packed);
        return true;
    }
    match (together(layout), depth(geometry, layout), stretch(geometry, layout)) {
        (Some(shift), Some(depth), Some((inputs, stride))) => {
            let span = Span::of(geometry).filter(|_| of_groups(layout));
            let (own, outputs) = (geometry.group_inputs() as usize, geometry.group_outputs() as usize);
            // A row of taps is one group's, a tap has the inputs of all.
            let (depth, inputs, stride) = (depth as usize, inputs as usize, stride as usize);
            let own = if geometry.groups == 1 { inputs } else { own };
            let taps = Taps { depth, stride, own, outputs, span };
            pack_blocks(layout, taps, 1 << shift, rows, packed);
        }
        _ => packed.iter_mut().zip(rows).for_each(|(to, &from)| *to = from),
    }
    true
}

/// The weights of a channel: so many with filling, those of a stretch with it, and those of a stretch that are the channel's
/// own; the channels of a group; and which inputs a stretch has, if not all.
#[derive(Clone, Copy)]
struct Taps {
    depth: usize,
    stride: usize,
    own: usize,
    outputs: usize,
    span: Option<Span>,
}

impl Taps {
    /// Weights of a channel in rows.
    fn row(self) -> usize {
        self.depth.checked_div(self.stride).unwrap_or(0).wrapping_mul(self.own)
    }

    /// The place in its row of weight `k` of a channel, which is none where it fills up or belongs to another group.
    fn place(self, channel: usize, k: usize) -> Option<usize> {
        let (tap, input) = (k.checked_div(self.stride)?, k.checked_rem(self.stride)?);
        let group = channel.checked_div(self.outputs)?.wrapping_mul(self.own);
        let first = group.wrapping_sub(self.span.map_or(0, |span| span.first(channel)));
        let input = input.checked_sub(first).filter(|&input| input < self.own)?;
        (k < self.depth).then_some(tap.wrapping_mul(self.own).wrapping_add(input))
    }
}

/// Blocks of 16 rows, `together` weights of each at a time.
fn pack_blocks(layout: u32, taps: Taps, together: usize, rows: &[i8], packed: &mut [i8]) {
    let steps = taps.depth.div_ceil(together);
    let depth = taps.row();
    let blocks = rows.chunks(depth.wrapping_mul(16).max(1));
    let size = steps.wrapping_mul(together).wrapping_mul(16).wrapping_add(head(layout));
    let firsts = (0usize..).step_by(16);
    for ((rows, packed), first_channel) in blocks.zip(crate::rows::rows_mut(packed, size)).zip(firsts) {
        let Some((sums, packed)) = packed.split_at_mut_checked(head(layout)) else { return };
        for (to, row) in sums.as_chunks_mut::<4>().0.iter_mut().zip(rows.chunks(depth.max(1))) {
            let sum = row.iter().fold(0i32, |sum, &w| sum.wrapping_sub(i32::from(w).wrapping_mul(128)));
            *to = sum.to_ne_bytes().map(u8::cast_signed);
        }
        let mut places = crate::rows::rows_mut(packed, together);
        for step in 0..steps {
            for lane in 0..16usize {
                let Some(place) = places.next() else { return };
                let first = step.wrapping_mul(together);
                let row = lane.wrapping_mul(depth);
                for (k, to) in (first..).zip(place) {
                    let place = taps.place(first_channel.wrapping_add(lane), k).map(|place| row.wrapping_add(place));
                    *to = place.and_then(|place| rows.get(place)).copied().unwrap_or(0);
                }
            }
        }
    }
}

/// Whether a layout is the best one for several groups: in blocks they are computed as one, with weights of zero, so many times
/// the products, but each at a better rate than those of rows of few inputs. Both rates are AVX2's.
pub(super) fn groups_pay(level: Level, g: &Geometry, layout: u32) -> bool {
    if layout == layout::ROWS || of_groups(layout) {
        return true;
    }
    if let Some(span) = Span::of(g)
        && matches!(level, Level::Avx512Vnni | Level::Amx)
    {
        // As one group they are so many products for each one of a block with the inputs of its groups alone, at this rate.
        let rate = if level == Level::Amx { 4 } else { 1 };
        return (g.in_channels as usize) < span.inputs.saturating_mul(rate) && rate > 1;
    }
    // Products in 10 ns.
    let rate = match (g.kernel_height.saturating_mul(g.kernel_width), g.group_inputs()) {
        (1, ..=8) | (_, ..=2) => 5,
        (1, 9..=16) => 35,
        (1, inputs) => inputs.saturating_mul(2).min(350),
        (2..=9, 3..=4) => 18,
        (_, 3..=4) => 35,
        (2..=9, 5..=8) => 60,
        (_, 5..=8) => 110,
        (_, 9..=16) => 180,
        _ => 350,
    };
    let x86 = matches!(level, Level::Sse41 | Level::Avx2 | Level::AvxVnni | Level::Avx512Vnni | Level::Amx);
    let small = super::packed_len(g, layout).is_some_and(|len| len <= 1 << 20);
    x86 && small && g.groups.saturating_mul(rate) < 600
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{convolutions, grouped_convolutions};

    #[test]
    fn lengths_are_those_of_the_layouts() {
        let g = grouped_convolutions()[0];
        assert_eq!(packed_len(&g, layout::ROWS), Some(108));
        let channels = g.kernel_height * g.kernel_width * g.in_channels;
        assert_eq!(packed_len(&g, layout::O16K4), Some(64 + 16 * channels.next_multiple_of(4)));
        assert_eq!(packed_len(&g, layout::WINOGRAD), None);
        assert_eq!(packed_len(&g, 99), None);
        assert_eq!(packed_len(&convolutions()[7], layout::O16K4), Some(2 * (64 + 16 * 76)));
        assert_eq!(packed_len(&convolutions()[4], layout::O16K2), Some(16 * 28));
    }

    #[test]
    fn every_weight_is_found_at_its_place() {
        for g in convolutions() {
            let (o, i) = (g.out_channels as usize, g.in_channels as usize);
            let taps = (g.kernel_height * g.kernel_width) as usize;
            let rows: std::vec::Vec<i8> = (0..o * taps * i).map(|k| (k * 7 % 251) as i8).collect();
            let whole = i % 4 == 0 || g.kernel_width == 1;
            for layout in [layout::O16K4, layout::O16K2].into_iter().chain(whole.then_some(layout::O16R4)) {
                let together = 1 << super::together(layout).unwrap() as usize;
                let mut packed = std::vec![1; packed_len(&g, layout).unwrap() as usize];
                assert!(pack(&g, layout, &rows, &mut packed));
                let head = super::head(layout);
                let block = (taps * i).next_multiple_of(together) * 16 + head;
                for (sums, rows) in packed.chunks(block).zip(rows.chunks(16 * taps * i)).filter(|_| head > 0) {
                    for (sum, row) in sums.as_chunks::<4>().0.iter().zip(rows.chunks(taps * i)) {
                        let want = -128 * row.iter().map(|&w| i32::from(w)).sum::<i32>();
                        assert_eq!(i32::from_ne_bytes(sum.map(i8::cast_unsigned)), want);
                    }
                }
                let weights = packed.chunks(block).flat_map(|block| &block[head..]);
                for (at, &found) in weights.enumerate() {
                    let (inner, lane, rest) = (at % together, at / together % 16, at / together / 16);
                    let steps = (taps * i).div_ceil(together);
                    let (k, channel) = (rest % steps * together + inner, rest / steps * 16 + lane);
                    let filled = channel >= o || k >= taps * i;
                    let want = if filled { 0 } else { rows[channel * taps * i + k] };
                    assert_eq!(found, want, "{at} {layout} {g:?}");
                }
            }
        }
    }

    #[test]
    fn rows_of_taps_are_filled_up_to_fours() {
        let g = Geometry { out_channels: 1, ..convolutions()[4] };
        assert_eq!((g.kernel_width, g.in_channels), (3, 3));
        let rows: std::vec::Vec<i8> = (1..28).collect();
        let mut packed = std::vec![1; packed_len(&g, layout::O16R4).unwrap() as usize];
        assert!(pack(&g, layout::O16R4, &rows, &mut packed));
        assert_eq!(
            packed[..4],
            (-128 * rows.iter().map(|&w| i32::from(w)).sum::<i32>()).to_ne_bytes().map(u8::cast_signed)
        );
        let weights: std::vec::Vec<i8> = packed[64..].chunks(64).flat_map(|step| &step[..4]).copied().collect();
        let want = rows.chunks(9).flat_map(|row| row.iter().copied().chain([0; 3]));
        assert!(want.eq(weights));
    }

    #[test]
    fn taps_are_filled_up_to_fours() {
        for g in convolutions() {
            let (o, i) = (g.out_channels as usize, g.in_channels as usize);
            let (taps, fours) = ((g.kernel_height * g.kernel_width) as usize, i.div_ceil(4));
            let rows: std::vec::Vec<i8> = (0..o * taps * i).map(|k| (k * 7 % 251) as i8).collect();
            let mut packed = std::vec![1; packed_len(&g, layout::O16I4).unwrap() as usize];
            assert!(pack(&g, layout::O16I4, &rows, &mut packed));
            for (at, &found) in packed.iter().enumerate() {
                let (inner, lane, rest) = (at % 4, at / 4 % 16, at / 64);
                let (four, rest) = (rest % fours, rest / fours);
                let (tap, channel, input) = (rest % taps, rest / taps * 16 + lane, four * 4 + inner);
                let filled = channel >= o || input >= i;
                let want = if filled { 0 } else { rows[(channel * taps + tap) * i + input] };
                assert_eq!(found, want, "{at} {g:?}");
            }
        }
    }
}
