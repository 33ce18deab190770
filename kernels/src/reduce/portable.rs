//! The reference: one output at a time, terms in row-major order.

use super::{Function, Params};
use crate::walk::{Walk, product};

fn start(function: Function) -> f32 {
    match function {
        Function::Max => f32::NEG_INFINITY,
        Function::Min => f32::INFINITY,
        Function::Prod => 1.0,
        Function::Sum | Function::Mean | Function::L2 | Function::L1 | Function::SumSquare => 0.0,
    }
}

fn combine(function: Function, sum: f32, x: f32) -> f32 {
    match function {
        Function::Sum | Function::Mean => sum + x,
        Function::Max => {
            if x > sum || x.is_nan() {
                x
            } else {
                sum
            }
        }
        Function::Min => {
            if x < sum || x.is_nan() {
                x
            } else {
                sum
            }
        }
        Function::L1 => sum + libm::fabsf(x),
        Function::Prod => sum * x,
        Function::L2 | Function::SumSquare => sum + x * x,
    }
}

pub(super) fn run(params: &Params, x: &[f32], y: &mut [f32]) {
    let function = params.function;
    let count = product(&params.reduced).unwrap_or(1) as f32;
    for (y, [kept]) in y.iter_mut().zip(Walk::new(params.kept, [params.kept_strides])) {
        let terms = Walk::new(params.reduced, [params.reduced_strides]);
        let sum = terms.fold(start(function), |sum, [reduced]| {
            x.get(kept.wrapping_add(reduced) as usize).map_or(sum, |&x| combine(function, sum, x))
        });
        *y = match function {
            Function::Mean => sum / count,
            Function::L2 => libm::sqrtf(sum),
            _ => sum,
        };
    }
}
