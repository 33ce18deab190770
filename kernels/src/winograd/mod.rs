//! What convolutions by Winograd's F(2x2, 3x3) and F(4x4, 3x3) share.
//!
//! (Lavin and Gray, "Fast algorithms for convolutional neural networks", 2016.)

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod tiles;

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
pub(crate) use tiles::{TILES, Tile, Tiles};

use crate::geometry::Geometry;

/// Whether a convolution can be computed so.
pub(crate) fn holds(g: &Geometry) -> bool {
    let sizes = [g.kernel_height, g.kernel_width, g.stride_height, g.stride_width, g.dilation_height, g.dilation_width];
    sizes == [3, 3, 1, 1, 1, 1] && g.groups == 1
}
