//! What the compiler chose for a step: of a convolution, the layout of its weights, which names the kernel that reads it.

use ocellus_plan::args::{
    ConvAddF32, ConvAddI8, ConvBf16, ConvF16, ConvF32, ConvGeometry, ConvI8, ConvRowsI8, DepthwiseF32, DepthwiseHalf,
    DepthwiseI8, FloatLayout, Layout,
};
use ocellus_plan::{Arguments, Reader, Step};

/// A convolution and its kernel.
#[derive(Clone, Copy, Debug)]
pub struct Kernel {
    geometry: ConvGeometry,
    /// The layout, as the plan's description calls it.
    pub layout: &'static str,
    /// How it computes.
    pub method: &'static str,
}

impl Kernel {
    /// The kernel of a step; `None` for one that is no convolution.
    pub fn of(step: &Step<'_>) -> Option<Self> {
        let int8 = |geometry, number| Some(Self::new(geometry, int8_layout(number)));
        let float = |geometry, number| Some(Self::new(geometry, float_layout(number)));
        match step.code {
            ConvI8::CODE => read::<ConvI8>(step).and_then(|a| int8(a.geometry, a.layout)),
            ConvAddI8::CODE => read::<ConvAddI8>(step).and_then(|a| int8(a.geometry, a.layout)),
            ConvRowsI8::CODE => read::<ConvRowsI8>(step).and_then(|a| int8(a.geometry, a.layout)),
            DepthwiseI8::CODE => read::<DepthwiseI8>(step).and_then(|a| int8(a.geometry, Layout::TAPS)),
            ConvBf16::CODE => {
                let method = ("O16_BF16", "tiles of 16 channels, products of bf16");
                read::<ConvBf16>(step).map(|a| Self::new(a.geometry, method))
            }
            ConvF16::CODE => {
                let method = ("O16_F16", "tiles of 16 channels, sums of 32 products in f16");
                read::<ConvF16>(step).map(|a| Self::new(a.geometry, method))
            }
            ConvF32::CODE => read::<ConvF32>(step).and_then(|a| float(a.geometry, a.layout)),
            ConvAddF32::CODE => read::<ConvAddF32>(step).and_then(|a| float(a.geometry, a.layout)),
            DepthwiseHalf::CODE => read::<DepthwiseHalf>(step).and_then(|a| float(a.geometry, a.layout)),
            DepthwiseF32::CODE => read::<DepthwiseF32>(step).and_then(|a| float(a.geometry, FloatLayout::TAPS)),
            _ => None,
        }
    }

    fn new(geometry: ConvGeometry, (layout, method): (&'static str, &'static str)) -> Self {
        Self { geometry, layout, method }
    }

    /// A line about it.
    pub fn text(&self) -> String {
        let g = &self.geometry;
        format!(
            "{}x{} kernel, step {}x{}, {}x{}x{} to {}x{}x{}, {}: {}",
            g.kernel_height,
            g.kernel_width,
            g.stride_height,
            g.stride_width,
            g.in_height,
            g.in_width,
            g.in_channels,
            g.out_height,
            g.out_width,
            g.out_channels,
            self.layout,
            self.method
        )
    }
}

fn read<A: Arguments>(step: &Step<'_>) -> Option<A> {
    A::get(&mut Reader::new(step.args))
}

fn int8_layout(number: u32) -> (&'static str, &'static str) {
    match number {
        Layout::ROWS => ("ROWS", "dot products of rows"),
        Layout::O16K4 => ("O16K4", "tiles of 16 channels, four products at once"),
        Layout::O16I4 => ("O16I4", "tiles of 16 channels, four products at once"),
        Layout::O16K2 => ("O16K2", "tiles of 16 channels, pairs of products"),
        Layout::O16R2 => ("O16R2", "tiles of 16 channels, pairs of products of whole rows of input"),
        Layout::O16R4 => ("O16R4", "tiles of 16 channels, four products at once of whole rows of input"),
        Layout::O16A4 => ("O16A4", "tiles of 16 channels and 16 pixels, 64 products at once"),
        Layout::O16G4 => ("O16G4", "tiles of 16 channels with the inputs of their groups, four products at once"),
        Layout::O16G2 => ("O16G2", "tiles of 16 channels with the inputs of their groups, pairs of products"),
        Layout::TAPS => ("TAPS", "depthwise, channels side by side"),
        Layout::WINOGRAD => ("WINOGRAD", "Winograd F(2x2, 3x3) in whole numbers"),
        Layout::WINOGRAD_4X4 => ("WINOGRAD_4X4", "Winograd F(4x4, 3x3) in whole numbers"),
        _ => ("unknown", "unknown"),
    }
}

fn float_layout(number: u32) -> (&'static str, &'static str) {
    match number {
        FloatLayout::ROWS => ("ROWS", "one output at a time"),
        FloatLayout::O16 => ("O16", "tiles of 16 channels"),
        FloatLayout::TAPS => ("TAPS", "depthwise, channels side by side"),
        FloatLayout::WINOGRAD => ("WINOGRAD", "Winograd F(2x2, 3x3)"),
        FloatLayout::WINOGRAD_4X4 => ("WINOGRAD_4X4", "Winograd F(4x4, 3x3)"),
        FloatLayout::ROWS_F16 => ("ROWS_F16", "one output at a time"),
        FloatLayout::O16_F16 => ("O16_F16", "tiles of 16 channels"),
        FloatLayout::TAPS_F16 => ("TAPS_F16", "depthwise, channels side by side"),
        FloatLayout::ROWS_BF16 => ("ROWS_BF16", "one output at a time"),
        FloatLayout::O16_BF16 => ("O16_BF16", "tiles of 16 channels"),
        FloatLayout::TAPS_BF16 => ("TAPS_BF16", "depthwise, channels side by side"),
        _ => ("unknown", "unknown"),
    }
}
