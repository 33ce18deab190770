//! int8 elements of the vector variant that f32 has.

use crate::resize_f32::vector::Element;
use crate::round::requantize;

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
}
