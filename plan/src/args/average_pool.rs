//! Average pooling.

use super::PoolGeometry;
use crate::words::arguments;

arguments! {
    /// `Σ (x - input_zero_point)` over the taps inside the input, times `multipliers[n - 1]`, where `n` is the number of
    /// taps that count: those inside the input, or, with `count_include_pad`, also those in the padding. Clamped, rounded
    /// half to even, plus `output_zero_point`.
    ///
    /// Writes: y i8. Reads: x i8, multipliers f32 `[KH * KW]`.
    AveragePoolI8 = 12 "average_pool_i8" {
        /// The geometry.
        geometry: PoolGeometry,
        /// 1 where padding counts.
        count_include_pad: u32,
        /// Zero point of the input.
        input_zero_point: i32,
        /// Zero point of the output.
        output_zero_point: i32,
    }
}

arguments! {
    /// `Σ x / n`, with `n` as in [`AveragePoolI8`].
    ///
    /// Writes: y f32. Reads: x f32.
    AveragePoolF32 = 13 "average_pool_f32" {
        /// The geometry.
        geometry: PoolGeometry,
        /// 1 where padding counts.
        count_include_pad: u32,
    }
}
