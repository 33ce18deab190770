//! Tables from bytes to a model's numbers.

use crate::number::{clamp, round_even};

/// The table that leaves bytes as they are.
pub const IDENTITY: [u8; 256] = {
    let mut table = [0u8; 256];
    let mut i = 0usize;
    while i < 256 {
        #[allow(clippy::indexing_slicing)] // evaluated by the compiler, never at run time
        {
            table[i] = i as u8;
        }
        i += 1;
    }
    table
};

/// `(byte / 255 - mean) / std` in f64, rounded once to f32: the same on every machine.
pub fn normalized(mean: f32, std: f32) -> [f32; 256] {
    core::array::from_fn(|p| ((p as f64 / 255.0 - f64::from(mean)) / f64::from(std)) as f32)
}

/// A table of floats as the int8 numbers of a quantized input: `clamp(rne(v / scale) + zero_point)`, what the runtime
/// makes of the floats themselves. A value that is no number becomes the zero point.
pub fn quantized(table: &[f32; 256], scale: f32, zero_point: i32) -> [i8; 256] {
    let (low, high) = ((-128i32).wrapping_sub(zero_point) as f32, 127i32.wrapping_sub(zero_point) as f32);
    table.map(|v| {
        let v = v / scale;
        let v = clamp(if v.is_nan() { 0.0 } else { v }, low, high);
        round_even(v).wrapping_add(zero_point) as i8
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_the_formula() {
        let table = normalized(0.25, 0.125);
        assert_eq!((table[255], IDENTITY[255], IDENTITY[0]), (6.0, 255, 0));
        let q = quantized(&table, 0.05, -3);
        assert_eq!((q[255], q[0]), (117, -43));
        let wide = quantized(&normalized(0.0, 0.001), 0.05, 0);
        assert_eq!((wide[0], wide[255]), (0, 127));
        assert_eq!(quantized(&[f32::NAN; 256], 1.0, 7)[0], 7);
    }
}
