//! int8 elements of the vector variant that f32 has.
#![allow(unsafe_code)] // Loads and stores of vectors.

use crate::resize_f32::vector::Element;
use crate::round::requantize;
use crate::simd::Simd;

/// 1.5 * 2^23: where it is added to a number near zero, the lower bits are the nearest integer, half to even.
const MAGIC: f32 = 12_582_912.0;

impl Element for i8 {
    /// The zero point.
    type Way = i32;

    #[inline(always)]
    fn value(self, zero_point: i32) -> f32 {
        i32::from(self).wrapping_sub(zero_point) as f32
    }

    #[inline(always)]
    fn of(value: f32, zero_point: i32) -> Self {
        requantize(value, zero_point, -128, 127)
    }

    #[inline(always)]
    unsafe fn load<S: Simd>(simd: S, from: *const Self, zero_point: i32) -> S::F32 {
        let mut values = [0f32; 16];
        for (k, to) in values.iter_mut().take(S::LANES).enumerate() {
            // SAFETY: the caller's promise.
            *to = f32::from(unsafe { *from.wrapping_add(k) });
        }
        // SAFETY: no vector has more lanes than the array.
        simd.sub(unsafe { simd.load(values.as_ptr()) }, simd.splat(zero_point as f32))
    }

    #[inline(always)]
    unsafe fn store<S: Simd>(simd: S, to: *mut Self, values: S::F32, zero_point: i32) {
        let [low, high] = [-128, 127].map(|end: i32| simd.splat(end.wrapping_sub(zero_point) as f32));
        let bounded = simd.min(simd.max(values, low), high);
        let mut whole = [0f32; 16];
        // SAFETY: no vector has more lanes than the array.
        unsafe { simd.store(whole.as_mut_ptr(), simd.add(bounded, simd.splat(MAGIC))) };
        for (k, whole) in whole.iter().take(S::LANES).enumerate() {
            // SAFETY: the caller's promise.
            unsafe { *to.wrapping_add(k) = (whole.to_bits() as i8).wrapping_add(zero_point as i8) };
        }
    }
}
