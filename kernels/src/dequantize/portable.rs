//! The reference.

use super::Params;

pub(super) fn run(params: &Params, x: &[i8], y: &mut [f32]) {
    for (y, &x) in y.iter_mut().zip(x) {
        *y = i32::from(x).wrapping_sub(params.zero_point) as f32 * params.scale;
    }
}
