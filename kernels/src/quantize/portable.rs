//! The reference.

use super::Params;
use crate::round::quantize;

pub(super) fn run(params: &Params, x: &[f32], y: &mut [i8]) {
    for (y, &x) in y.iter_mut().zip(x) {
        *y = quantize(x, params.scale, params.zero_point);
    }
}
