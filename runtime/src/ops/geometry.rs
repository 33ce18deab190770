//! Geometry of a plan as the kernels take it.

use ocellus_kernels::geometry::{Geometry, PoolGeometry};
use ocellus_plan::args;

/// The kernels' form of a plan's convolution geometry.
pub(crate) fn conv(g: &args::ConvGeometry) -> Geometry {
    Geometry {
        batch: g.batch,
        in_height: g.in_height,
        in_width: g.in_width,
        in_channels: g.in_channels,
        out_height: g.out_height,
        out_width: g.out_width,
        out_channels: g.out_channels,
        kernel_height: g.kernel_height,
        kernel_width: g.kernel_width,
        stride_height: g.stride_height,
        stride_width: g.stride_width,
        dilation_height: g.dilation_height,
        dilation_width: g.dilation_width,
        pad_top: g.pad_top,
        pad_left: g.pad_left,
        groups: g.groups,
    }
}

/// The kernels' form of a plan's pooling geometry.
pub(crate) fn pool(g: &args::PoolGeometry) -> PoolGeometry {
    PoolGeometry {
        batch: g.batch,
        in_height: g.in_height,
        in_width: g.in_width,
        out_height: g.out_height,
        out_width: g.out_width,
        channels: g.channels,
        kernel_height: g.kernel_height,
        kernel_width: g.kernel_width,
        stride_height: g.stride_height,
        stride_width: g.stride_width,
        dilation_height: g.dilation_height,
        dilation_width: g.dilation_width,
        pad_top: g.pad_top,
        pad_left: g.pad_left,
        pad_bottom: g.pad_bottom,
        pad_right: g.pad_right,
    }
}
