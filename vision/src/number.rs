//! Rounding and bounding without std and without a panic path.

/// 1.5 * 2^23: adding and subtracting it rounds an f32 of magnitude below 2^22 to the nearest integer, half to even.
const MAGIC: f32 = 12_582_912.0;

/// `v` between `low` and `high`; a NaN becomes `low`.
pub(crate) fn clamp(v: f32, low: f32, high: f32) -> f32 {
    let v = if v > low { v } else { low };
    if v < high { v } else { high }
}

/// The nearest integer, half to even, for `|v| < 2^22`.
pub(crate) fn round_even(v: f32) -> i32 {
    ((v + MAGIC) - MAGIC) as i32
}

/// The logistic function.
pub(crate) fn sigmoid(v: f32) -> f32 {
    1.0 / (1.0 + libm::expf(-v))
}

/// The greater of two numbers; a NaN is never chosen over a number on the left.
pub(crate) fn greater(a: f32, b: f32) -> f32 {
    if b > a { b } else { a }
}

/// The lesser of two numbers; a NaN is never chosen over a number on the left.
pub(crate) fn lesser(a: f32, b: f32) -> f32 {
    if b < a { b } else { a }
}
