//! Weights of first layers in rows of taps, each filled up to pairs.

use crate::geometry::Geometry;

/// Elements of the ring of input rows.
pub(super) const RING: usize = 28 << 10;
/// Most input channels.
const INPUTS: u32 = 4;

/// Weights of a row of taps, filled up.
pub(super) fn row(g: &Geometry) -> Option<u32> {
    g.kernel_width.checked_mul(g.in_channels)?.checked_next_multiple_of(2)
}

/// Pairs of a row of taps.
#[cfg_attr(not(target_arch = "x86_64"), allow(dead_code))]
pub(super) fn steps(g: &Geometry) -> usize {
    (row(g).unwrap_or(0) / 2) as usize
}

/// Elements of an input row in the ring: all windows, and what fills the last one up.
pub(super) fn line(g: &Geometry) -> u32 {
    let last = g.out_width.saturating_sub(1).saturating_mul(g.stride_width);
    last.saturating_add(g.kernel_width).saturating_mul(g.in_channels).saturating_add(1)
}

/// Whether the layout holds a geometry: few channels, neighbouring taps, one group, and rows that fit into the ring.
pub(super) fn holds(g: &Geometry) -> bool {
    let neighbours = (g.dilation_height, g.dilation_width, g.groups) == (1, 1, 1);
    let ring = line(g).checked_mul(g.kernel_height).is_some_and(|n| n as usize <= RING);
    cfg!(feature = "std") && neighbours && ring && g.in_channels <= INPUTS && g.kernel_width > 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::convolutions;

    #[test]
    fn first_layers_are_held() {
        let g = Geometry { in_width: 224, out_width: 112, stride_width: 2, ..convolutions()[4] };
        assert!(holds(&g) && (row(&g), steps(&g), line(&g)) == (Some(10), 5, (111 * 2 + 3) * 3 + 1));
        for other in [
            Geometry { in_channels: 5, ..g },
            Geometry { groups: 3, ..g },
            Geometry { dilation_width: 2, ..g },
            Geometry { kernel_width: 1, ..g },
            Geometry { in_width: 9000, out_width: 4500, ..g },
            Geometry { out_width: u32::MAX, stride_width: u32::MAX, ..g },
        ] {
            assert!(!holds(&other), "{other:?}");
        }
    }
}
