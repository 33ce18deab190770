//! From rows, as the compiler has the weights, to taps.

use crate::geometry::Geometry;

/// Packs `rows` (`[C][KH][KW]`) into `taps` (`[KH][KW][C]`). Returns whether the lengths fitted.
pub fn pack(geometry: &Geometry, rows: &[i8], taps: &mut [i8]) -> bool {
    let is = |len: usize, n: Option<u32>| n.is_some_and(|n| n as usize == len);
    if !geometry.is_depthwise() || !is(rows.len(), geometry.weights()) || taps.len() != rows.len() {
        return false;
    }
    let channels = geometry.out_channels as usize;
    let area = rows.len().checked_div(channels).unwrap_or(0);
    for (tap, to) in taps.chunks_exact_mut(channels.max(1)).enumerate() {
        let from = rows.iter().skip(tap).step_by(area.max(1));
        for (to, &from) in to.iter_mut().zip(from) {
            *to = from;
        }
    }
    true
}
