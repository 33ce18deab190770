//! Rounding and clamping of the numeric contract, without std.

/// 1.5 * 2^23: adding and subtracting it rounds an f32 of magnitude below 2^22 to the nearest integer, half to even.
const MAGIC: f32 = 12_582_912.0;

/// The nearest integer, half to even, for `|v| < 2^22`.
#[inline(always)]
pub fn round_even(v: f32) -> i32 {
    ((v + MAGIC) - MAGIC) as i32
}

/// `v` between `low` and `high`; a NaN becomes `low`. Unlike `f32::clamp` it cannot panic.
#[inline(always)]
pub fn clamp(v: f32, low: f32, high: f32) -> f32 {
    let v = if v > low { v } else { low };
    if v < high { v } else { high }
}

/// `v` between `low` and `high`, as float kernels bound their outputs: a NaN stays a NaN.
#[inline(always)]
pub fn bound(v: f32, low: f32, high: f32) -> f32 {
    let v = if v < low { low } else { v };
    if v > high { high } else { v }
}

/// The requantization of every integer kernel: clamp to `[low - zero_point, high - zero_point]`, round half to even, add
/// the zero point.
#[inline(always)]
pub fn requantize(v: f32, zero_point: i32, low: i32, high: i32) -> i8 {
    let v = clamp(v, low.wrapping_sub(zero_point) as f32, high.wrapping_sub(zero_point) as f32);
    round_even(v).wrapping_add(zero_point) as i8
}

/// `x` quantized: `clamp(rne(x / scale)) + zero_point`; a NaN becomes the zero point.
#[inline(always)]
pub fn quantize(x: f32, scale: f32, zero_point: i32) -> i8 {
    let v = x / scale;
    requantize(if v.is_nan() { 0.0 } else { v }, zero_point, -128, 127)
}

/// Whether `n` is a logical int8.
pub fn is_i8(n: i32) -> bool {
    (-128..=127).contains(&n)
}

/// From an int32 sum to an int8 output: `clamp(rne(sum as f32 * multiplier)) + zero_point`, clamped before the rounding.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Output {
    /// Added after rounding.
    pub zero_point: i32,
    /// Least output, zero point included.
    pub low: i32,
    /// Greatest output, zero point included.
    pub high: i32,
}

impl Output {
    /// Whether zero point and bounds are int8 and in order.
    pub fn check(&self) -> bool {
        is_i8(self.zero_point) && is_i8(self.low) && is_i8(self.high) && self.low <= self.high
    }

    /// The output of this sum; a NaN becomes the least one.
    #[inline(always)]
    pub fn of(&self, sum: i32, multiplier: f32) -> i8 {
        requantize(sum as f32 * multiplier, self.zero_point, self.low, self.high)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_go_to_even() {
        let cases = [(0.5, 0), (1.5, 2), (2.5, 2), (-0.5, 0), (-1.5, -2), (-2.5, -2), (0.499_999_97, 0), (127.4, 127)];
        for (v, want) in cases {
            assert_eq!(round_even(v), want, "{v}");
        }
    }

    #[test]
    fn quantization_saturates() {
        assert_eq!(quantize(1e30, 0.1, 3), 127);
        assert_eq!(quantize(f32::NEG_INFINITY, 0.1, 3), -128);
        assert_eq!(quantize(f32::NAN, 0.1, 3), 3);
        assert_eq!(quantize(0.25, 0.1, 3), 5);
    }
}
