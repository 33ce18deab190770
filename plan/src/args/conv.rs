//! Convolutions.

use crate::words::{arguments, words};

words! {
    /// The geometry of a convolution: input `[batch, in_height, in_width, in_channels]`, output `[batch, out_height,
    /// out_width, out_channels]`, NHWC. Padding at the end follows from the sizes.
    ConvGeometry {
        /// N.
        batch: u32,
        /// Input rows.
        in_height: u32,
        /// Input columns.
        in_width: u32,
        /// Input channels.
        in_channels: u32,
        /// Output rows.
        out_height: u32,
        /// Output columns.
        out_width: u32,
        /// Output channels.
        out_channels: u32,
        /// Kernel rows.
        kernel_height: u32,
        /// Kernel columns.
        kernel_width: u32,
        /// Rows from window to window.
        stride_height: u32,
        /// Columns from window to window.
        stride_width: u32,
        /// Rows from tap to tap.
        dilation_height: u32,
        /// Columns from tap to tap.
        dilation_width: u32,
        /// Rows of padding before the first.
        pad_top: u32,
        /// Columns of padding before the first.
        pad_left: u32,
        /// Groups; both channel counts are multiples of it.
        groups: u32,
    }
}

/// Layouts of int8 convolution weights, by number.
pub struct Layout;

impl Layout {
    /// `[O][KH][KW][I / groups]`, one row per output channel.
    pub const ROWS: u32 = 0;
    /// `[O / 16]` blocks of 16 channels: first int32 `[16]`, `-128 * Σ w` of every channel, then `[KH * KW * I / 4][16][4]`,
    /// the weights in fours; zero-filled to multiples of 16 and 4; one group only.
    pub const O16K4: u32 = 4;
    /// `[KH][KW][C]`, depthwise.
    pub const TAPS: u32 = 2;
    /// `[O / 16][KH * KW * I / 2][16][2]`, zero-filled: the weights in pairs, and no sums; one group only.
    pub const O16K2: u32 = 3;
    /// `[O / 16][KH][KW][I / 4][16][4]`: every tap filled up to fours, and no sums; one group only.
    pub const O16I4: u32 = 1;
    /// `[O / 16][16][I / 2][16][2]` int16, transformed for Winograd's F(2x2, 3x3).
    pub const WINOGRAD: u32 = 5;
    /// `[O / 16][36][I / 2][16][2]` int16, transformed for Winograd's F(4x4, 3x3).
    pub const WINOGRAD_4X4: u32 = 6;
    /// `[O / 16][KH][KW * I / 2][16][2]`: the weights in pairs, every row of taps filled up to pairs; at most 4 channels, one
    /// group only.
    pub const O16R2: u32 = 7;
    /// `[O / 16]` blocks of int32 `[16]`, `-128 * Σ w` of every channel, and `[KH][KW * I / 4][16][4]`: the weights in fours,
    /// every row of taps filled up to fours; one group only.
    pub const O16R4: u32 = 8;
    /// `[O / 16][KH][KW * I / 4][16][4]`: the weights in fours and no sums, every row of taps filled up to tiles of equally
    /// many fours, at most 16; one group only. Where columns are dilated, every tap by itself.
    pub const O16A4: u32 = 9;
    /// `[O / 16]` blocks of int32 `[16]`, `-128 * Σ w` of every channel, and `[KH][KW][I / 4][16][4]`: the weights in fours, for
    /// the inputs of those groups that a block has channels of, as many for every block; several groups.
    pub const O16G4: u32 = 10;
    /// `[O / 16][KH][KW][I / 2][16][2]`: as [`Self::O16G4`], in pairs, and no sums.
    pub const O16G2: u32 = 11;
}

/// Layouts of f32 convolution weights, by number.
pub struct FloatLayout;

impl FloatLayout {
    /// `[O][KH][KW][I / groups]`, one row per output channel.
    pub const ROWS: u32 = 0;
    /// `[O / 16][KH][KW][I][16]`, zero-filled to a multiple of 16; one group only.
    pub const O16: u32 = 1;
    /// `[KH][KW][C]`, depthwise.
    pub const TAPS: u32 = 2;
    /// `[O / 16][16][I][16]`, transformed for Winograd's F(2x2, 3x3).
    pub const WINOGRAD: u32 = 3;
    /// [`Self::ROWS`] in IEEE's 16 bits.
    pub const ROWS_F16: u32 = 4;
    /// [`Self::O16`] in IEEE's 16 bits.
    pub const O16_F16: u32 = 5;
    /// [`Self::ROWS`] in the upper 16 bits of f32.
    pub const ROWS_BF16: u32 = 6;
    /// [`Self::O16`] in the upper 16 bits of f32.
    pub const O16_BF16: u32 = 7;
    /// [`Self::TAPS`] in IEEE's 16 bits.
    pub const TAPS_F16: u32 = 8;
    /// [`Self::TAPS`] in the upper 16 bits of f32.
    pub const TAPS_BF16: u32 = 9;
    /// `[O / 16][36][I][16]`, transformed for Winograd's F(4x4, 3x3).
    pub const WINOGRAD_4X4: u32 = 10;
}

arguments! {
    /// int8 convolution; also fully connected layers, as 1x1 with `batch` rows.
    ///
    /// `acc = bias[o] + Σ x * w` over all taps, int32 wrapping; a padded tap reads `input_zero_point`, and the bias holds
    /// `-input_zero_point * Σ w`. `y = clamp(rne(acc as f32 * multiplier[o]) + output_zero_point)`, clamped before the
    /// rounding. With a table, which boards do not take, `table[y + 128]` is written instead of y.
    ///
    /// Writes: y i8. Reads: x i8, weights i8 in `layout`, bias i32 `[O]`, multipliers f32 `[O]`, table i8 `[256]` (optional).
    ConvI8 = 1 "conv_i8" {
        /// The geometry.
        geometry: ConvGeometry,
        /// What a padded tap reads.
        input_zero_point: i32,
        /// Added after rounding.
        output_zero_point: i32,
        /// Least output, zero point included.
        low: i32,
        /// Greatest output, zero point included.
        high: i32,
        /// Layout of the weights, one of [`Layout`].
        layout: u32,
    }
}

arguments! {
    /// int8 depthwise convolution: groups = in_channels = out_channels. Arithmetic as [`ConvI8`], weights in
    /// [`Layout::TAPS`].
    ///
    /// Writes: y i8. Reads: x i8, weights i8 `[KH][KW][C]`, bias i32 `[C]`, multipliers f32 `[C]`, table i8 `[256]`
    /// (optional).
    DepthwiseI8 = 2 "depthwise_i8" {
        /// The geometry.
        geometry: ConvGeometry,
        /// What a padded tap reads.
        input_zero_point: i32,
        /// Added after rounding.
        output_zero_point: i32,
        /// Least output, zero point included.
        low: i32,
        /// Greatest output, zero point included.
        high: i32,
    }
}

arguments! {
    /// f32 convolution: `y = clamp(bias[o] + Σ x * w)`; padded taps are zero. `groups` of any number.
    ///
    /// Writes: y f32. Reads: x f32, weights in `layout`, bias f32 `[O]`.
    ConvF32 = 3 "conv_f32" {
        /// The geometry.
        geometry: ConvGeometry,
        /// Least output.
        low: f32,
        /// Greatest output.
        high: f32,
        /// Layout of the weights, one of [`FloatLayout`].
        layout: u32,
    }
}

arguments! {
    /// f32 depthwise convolution, weights `[KH][KW][C]`.
    ///
    /// Writes: y f32. Reads: x f32, weights f32 `[KH][KW][C]`, bias f32 `[C]`.
    DepthwiseF32 = 4 "depthwise_f32" {
        /// The geometry.
        geometry: ConvGeometry,
        /// Least output.
        low: f32,
        /// Greatest output.
        high: f32,
    }
}

arguments! {
    /// f32 depthwise convolution with weights of 16 bits, which are widened.
    ///
    /// Writes: y f32. Reads: x f32, weights `[KH][KW][C]` in `layout`, bias f32 `[C]`.
    DepthwiseHalf = 66 "depthwise_half" {
        /// The geometry.
        geometry: ConvGeometry,
        /// Least output.
        low: f32,
        /// Greatest output.
        high: f32,
        /// [`FloatLayout::TAPS_F16`] or [`FloatLayout::TAPS_BF16`].
        layout: u32,
    }
}

arguments! {
    /// int8 transposed convolution. `stride`, `pad`, `dilation` are those of ONNX ConvTranspose: input pixel `i` reaches
    /// output `i * stride - pad + tap * dilation`. Arithmetic as [`ConvI8`] over the taps that reach a pixel, with
    /// `x - input_zero_point` in the sum (the bias is plain).
    ///
    /// Writes: y i8. Reads: x i8, weights i8 in `layout`, bias i32 `[O]`, multipliers f32 `[O]`.
    ConvTransposeI8 = 5 "conv_transpose_i8" {
        /// The geometry.
        geometry: ConvGeometry,
        /// Zero point of the input.
        input_zero_point: i32,
        /// Added after rounding.
        output_zero_point: i32,
        /// Least output, zero point included.
        low: i32,
        /// Greatest output, zero point included.
        high: i32,
        /// Layout of the weights: [`Layout::ROWS`] or, for one group, [`Layout::O16K2`] (an even number of channels) or
        /// [`Layout::O16K4`] (whole fours of channels, windows side by side that cover the output).
        layout: u32,
    }
}

arguments! {
    /// f32 transposed convolution, geometry as [`ConvTransposeI8`].
    ///
    /// Writes: y f32. Reads: x f32, weights `[O][KH][KW][I / groups]` in `layout`, bias f32 `[O]`.
    ConvTransposeF32 = 6 "conv_transpose_f32" {
        /// The geometry.
        geometry: ConvGeometry,
        /// Least output.
        low: f32,
        /// Greatest output.
        high: f32,
        /// Layout of the weights, one of [`FloatLayout`].
        layout: u32,
    }
}
