//! Softmax.

use crate::words::arguments;

arguments! {
    /// Softmax over the middle axis of `[outer, axis, inner]`, or its logarithm.
    ///
    /// Writes: y f32. Reads: x f32 (or in place).
    SoftmaxF32 = 33 "softmax_f32" {
        /// Product of the sizes before the axis.
        outer: u32,
        /// Size of the axis.
        axis: u32,
        /// Product of the sizes after the axis.
        inner: u32,
        /// 1 for the logarithm.
        logarithm: u32,
    }
}

arguments! {
    /// Softmax over the middle axis of `[outer, axis, inner]`: `e = exponentials[255 - (max - x)]`, `s = Σ e` in u64,
    /// `y = min((e * 256 + s / 2) / s, 255) - 128`: scale 1/256, zero point -128.
    ///
    /// Writes: y i8. Reads: x i8, exponentials u32 `[256]` (index 255 for the maximum).
    SoftmaxI8 = 34 "softmax_i8" {
        /// Product of the sizes before the axis.
        outer: u32,
        /// Size of the axis.
        axis: u32,
        /// Product of the sizes after the axis.
        inner: u32,
    }
}
