//! int8 to float: `y = (x - zero_point) as f32 * scale`. Every variant gives the same bits.

mod portable;

use crate::Isa;
pub use crate::quantize::Params;

/// Dequantizes `x` into `y`, of one length. Other lengths leave `y` as it is.
pub fn run(_isa: Isa, params: &Params, x: &[i8], y: &mut [f32]) {
    if params.check() && x.len() == y.len() {
        portable::run(params, x, y);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_follows_the_definition() {
        let x: [i8; 256] = core::array::from_fn(|k| k as u8 as i8);
        for zero_point in [-128, -1, 0, 127] {
            for isa in Isa::available() {
                let mut y = [f32::NAN; 256];
                run(isa, &Params { scale: 0.37, zero_point }, &x, &mut y);
                for (&x, &y) in x.iter().zip(&y) {
                    assert_eq!(y, (i32::from(x) - zero_point) as f32 * 0.37f32, "{x} {zero_point}");
                }
            }
        }
    }

    #[test]
    fn other_lengths_leave_the_output() {
        for isa in Isa::available() {
            let mut y = [7.0; 4];
            run(isa, &Params { scale: 1.0, zero_point: 0 }, &[1; 3], &mut y);
            run(isa, &Params { scale: 1.0, zero_point: -129 }, &[1; 4], &mut y);
            assert_eq!(y, [7.0; 4]);
        }
    }
}
