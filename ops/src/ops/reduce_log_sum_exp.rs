//! `ReduceLogSumExp`: logarithm of the sum of exponentials over axes (ONNX ReduceLogSumExp-18).

use ocellus_graph::ValueId;

use super::reduce::{Parts, Reduction, apply, eval, grads, infer, upgrade};
use crate::{Builder, GradContext, OpDef, OpError};

pub(crate) const OP: OpDef = OpDef {
    eval: Some(|ctx| eval(ctx, &REDUCTION)),
    grad: Some(grad),
    upgrade: Some(upgrade),
    lower: Some(super::reduce_lower::log_sum_exp),
    ..OpDef::new("ReduceLogSumExp", infer)
};

const REDUCTION: Reduction = Reduction {
    float: log_sum_exp,
    int: |v, range| {
        let v: Vec<f64> = v.iter().map(|&x| x as f64).collect();
        Some((log_sum_exp(&v) as i128).clamp(range.0, range.1))
    },
};

/// The greatest element is subtracted first, so that no exponential overflows.
fn log_sum_exp(v: &[f64]) -> f64 {
    let greatest = v.iter().copied().fold(f64::NEG_INFINITY, super::max::greatest);
    if !greatest.is_finite() {
        return greatest;
    }
    greatest + libm::log(v.iter().map(|x| libm::exp(x - greatest)).sum())
}

/// `dx = g * e^(x - y)`.
fn grad(ctx: &mut GradContext) -> Result<Vec<Option<ValueId>>, OpError> {
    let parts = Parts::new(ctx)?;
    let y = ctx.output(0)?;
    let b = &mut *ctx.builder;
    let y = parts.aligned(b, y)?;
    let exponent = b.sub(parts.x, y)?;
    let share = b.exp(exponent)?;
    let dx = b.mul(share, parts.g)?;
    Ok(grads(ctx, dx))
}

impl Builder {
    /// The logarithm of the sum of exponentials over `axes` (all where empty).
    pub fn reduce_log_sum_exp(&mut self, x: ValueId, axes: &[i64], keepdims: bool) -> Result<ValueId, OpError> {
        apply(self, &OP, x, axes, keepdims)
    }
}

#[cfg(test)]
mod tests {
    use ocellus_graph::Tensor;

    use crate::check;

    #[test]
    fn values_without_overflow() {
        let x = Tensor::of(&[2, 2], vec![0f64, 3f64.ln(), 1000., 1000.]);
        let y = check::eval(|b, v| b.reduce_log_sum_exp(v[0], &[1], false), &[x]).to_f64();
        assert!((y[0] - 4f64.ln()).abs() < 1e-12 && (y[1] - 1000.0 - 2f64.ln()).abs() < 1e-12, "{y:?}");
        let y = check::eval(|b, v| b.reduce_log_sum_exp(v[0], &[0], false), &[Tensor::of(&[0], Vec::<f32>::new())]);
        assert_eq!(y, Tensor::scalar(f32::NEG_INFINITY));
    }

    #[test]
    fn gradient() {
        check::gradient(|b, v| b.reduce_log_sum_exp(v[0], &[1], true), &[&[2, 3, 2]]);
        check::gradient(|b, v| b.reduce_log_sum_exp(v[0], &[0, -1], false), &[&[2, 3, 2]]);
        check::gradient(|b, v| b.reduce_log_sum_exp(v[0], &[], false), &[&[2, 3]]);
    }
}
