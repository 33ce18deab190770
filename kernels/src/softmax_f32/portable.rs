//! The reference: maximum, sum and division, each a pass over the axis.

use super::Params;
use crate::rows::{every, every_mut, rows_mut};

pub(super) fn run(params: &Params, y: &mut [f32]) {
    let (axis, inner) = (params.axis as usize, params.inner as usize);
    for block in rows_mut(y, axis.wrapping_mul(inner)) {
        for first in 0..inner {
            one(params.logarithm, block, first, inner);
        }
    }
}

fn one(logarithm: bool, block: &mut [f32], first: usize, inner: usize) {
    let Some(line) = block.get_mut(first..) else { return };
    let max = every(line, inner).fold(f32::NEG_INFINITY, |max, &x| if x > max { x } else { max });
    if logarithm {
        let sum: f32 = every(line, inner).map(|&x| libm::expf(x - max)).sum();
        let log = libm::logf(sum);
        for x in every_mut(line, inner) {
            *x = (*x - max) - log;
        }
    } else {
        let mut sum = 0.0;
        for x in every_mut(line, inner) {
            *x = libm::expf(*x - max);
            sum += *x;
        }
        for x in every_mut(line, inner) {
            *x /= sum;
        }
    }
}
