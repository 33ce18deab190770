//! `LogSoftmax`: `x - ln Σ e^x` along one axis (ONNX LogSoftmax-13).

use ocellus_graph::{Attributes, ValueId};

use super::along_axis::{eval, infer, upgrade};
use super::elementwise::TABLE;
use crate::{Builder, GradContext, OpDef, OpError};

pub(crate) const OP: OpDef = OpDef {
    eval: Some(|ctx| eval(ctx, log_softmax)),
    grad: Some(grad),
    quant: Some(TABLE),
    upgrade: Some(upgrade),
    lower: Some(super::softmax_lower::log_softmax),
    ..OpDef::new("LogSoftmax", infer)
};

/// The greatest element is subtracted first, so that no exponential overflows.
fn log_softmax(line: &mut [f64]) {
    let greatest = line.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = line.iter().map(|v| libm::exp(v - greatest)).sum();
    let log = libm::log(sum);
    line.iter_mut().for_each(|v| *v = *v - greatest - log);
}

/// `dx = g - e^y * Σ g`, summed along the axis.
fn grad(ctx: &mut GradContext) -> Result<Vec<Option<ValueId>>, OpError> {
    let (g, y, axis) = (ctx.grad()?, ctx.output(0)?, ctx.int("axis", -1));
    let b = &mut *ctx.builder;
    let sum = b.reduce_sum(g, &[axis], true)?;
    let softmax = b.exp(y)?;
    let share = b.mul(softmax, sum)?;
    Ok(vec![Some(b.sub(g, share)?)])
}

impl Builder {
    /// `x - ln Σ e^x` along `axis`, which may count from the end.
    pub fn log_softmax(&mut self, x: ValueId, axis: i64) -> Result<ValueId, OpError> {
        self.apply(&OP, &[x], Attributes::new().with("axis", axis))
    }
}

#[cfg(test)]
mod tests {
    use ocellus_graph::{DataType, Tensor};

    use crate::check;

    #[test]
    fn values_without_overflow() {
        let x = Tensor::of(&[2, 2], vec![0f64, 3f64.ln(), 1000., 0.]);
        let y = check::eval(|b, v| b.log_softmax(v[0], -1), &[x]).to_f64();
        let expected = [0.25f64.ln(), 0.75f64.ln(), 0.0, -1000.0];
        assert!(y.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12), "{y:?}");
    }

    #[test]
    fn gradient() {
        check::gradient(|b, v| b.log_softmax(v[0], 1), &[&[2, 4, 3]]);
        check::gradient_at(|b, v| b.log_softmax(v[0], -1), &[Tensor::full(DataType::F64, &[2, 3], 0.5)]);
    }
}
