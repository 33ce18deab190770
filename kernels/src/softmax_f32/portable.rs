//! The reference: maximum, sum and division, each a pass over the axis.

use super::Params;

pub(super) fn run(params: &Params, y: &mut [f32]) {
    let (axis, inner) = (params.axis as usize, params.inner as usize);
    for block in y.chunks_exact_mut(axis.wrapping_mul(inner).max(1)) {
        for first in 0..inner {
            one(params.logarithm, block, first, inner);
        }
    }
}

fn one(logarithm: bool, block: &mut [f32], first: usize, inner: usize) {
    let step = inner.max(1);
    let Some(line) = block.get_mut(first..) else { return };
    let max = line.iter().step_by(step).fold(f32::NEG_INFINITY, |max, &x| if x > max { x } else { max });
    if logarithm {
        let sum: f32 = line.iter().step_by(step).map(|&x| libm::expf(x - max)).sum();
        let log = libm::logf(sum);
        for x in line.iter_mut().step_by(step) {
            *x = (*x - max) - log;
        }
    } else {
        let mut sum = 0.0;
        for x in line.iter_mut().step_by(step) {
            *x = libm::expf(*x - max);
            sum += *x;
        }
        for x in line.iter_mut().step_by(step) {
            *x /= sum;
        }
    }
}
