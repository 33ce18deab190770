//! From rows, as the compiler has the weights, to the layouts of the variants.

use super::winograd::form;
use super::{layout, order};
use crate::geometry::Geometry;

/// Elements of the weights in `layout`, filling included; `None` for a layout that does not exist or does not hold the
/// geometry.
pub fn packed_len(geometry: &Geometry, layout: u32) -> Option<u32> {
    let g = geometry;
    match order(layout) {
        layout::ROWS => g.weights(),
        layout::O16 => {
            let blocks = g.group_outputs().checked_add(15)? >> 4;
            let sizes = [16, g.groups, g.kernel_height, g.kernel_width, g.group_inputs()];
            sizes.iter().try_fold(blocks, |n, &d| n.checked_mul(d)).filter(|&n| n <= i32::MAX as u32)
        }
        other => form(other)?.packed_len(g),
    }
}

/// Packs `rows` (`[O][KH][KW][I / groups]`) into the order of `layout`; storing them in 16 bits is the caller's. Returns
/// whether the lengths fitted, and the layout the geometry.
pub fn pack(geometry: &Geometry, layout: u32, rows: &[f32], packed: &mut [f32]) -> bool {
    let is = |len: usize, n: Option<u32>| n.is_some_and(|n| n as usize == len);
    if !is(rows.len(), geometry.weights()) || !is(packed.len(), packed_len(geometry, layout)) {
        return false;
    }
    if let Some(form) = form(layout) {
        form.pack(geometry, rows, packed);
        return true;
    }
    if order(layout) == layout::ROWS {
        for (to, &from) in packed.iter_mut().zip(rows) {
            *to = from;
        }
        return true;
    }
    // O16, one group behind the other: within a block of 16 channels, element `[k][lane]` is the k-th weight of that
    // channel's row.
    let row = rows.len().checked_div(geometry.out_channels as usize).unwrap_or(0).max(1);
    let block = row.wrapping_mul(16).max(1);
    let group = row.wrapping_mul(geometry.group_outputs() as usize).max(1);
    let blocks = rows.chunks(group).flat_map(|group| group.chunks(block));
    for (packed, channels) in packed.chunks_exact_mut(block).zip(blocks) {
        for (k, lanes) in packed.as_chunks_mut::<16>().0.iter_mut().enumerate() {
            let mut column = channels.chunks_exact(row).filter_map(|channel| channel.get(k).copied());
            for lane in lanes {
                *lane = column.next().unwrap_or(0.0);
            }
        }
    }
    true
}
