//! `Sign`: -1, 0 or 1 (ONNX Sign-13).

use ocellus_graph::{Attributes, ValueId};
use ocellus_plan::args::UnaryFunction;

use super::elementwise::{eval_number, no_grad, number_unary, ranged};
use crate::{Builder, OpDef, OpError};

pub(crate) const OP: OpDef = OpDef {
    eval: Some(|ctx| eval_number(ctx, sign, i128::signum)),
    grad: Some(no_grad),
    quant: Some(ranged(-1.0, 1.0)),
    lower: Some(|ctx| crate::lower::unary::lower(ctx, UnaryFunction::Sign, 0.0, 0.0)),
    ..OpDef::new("Sign", number_unary)
};

/// Unlike `f64::signum`, the sign of a zero is that zero, and of NaN it is NaN.
fn sign(x: f64) -> f64 {
    if x > 0.0 {
        1.0
    } else if x < 0.0 {
        -1.0
    } else {
        x
    }
}

impl Builder {
    /// -1, 0 or 1, with the sign of `x`.
    pub fn sign(&mut self, x: ValueId) -> Result<ValueId, OpError> {
        self.apply(&OP, &[x], Attributes::new())
    }
}

#[cfg(test)]
mod tests {
    use ocellus_graph::Tensor;

    use crate::check;

    #[test]
    fn values() {
        let y = check::eval(|b, v| b.sign(v[0]), &[Tensor::vector(&[-3f32, 0.0, 0.5, f32::NAN])]).to_f32();
        assert_eq!(y[..3], [-1.0, 0.0, 1.0]);
        assert!(y[3].is_nan());
        let y = check::eval(|b, v| b.sign(v[0]), &[Tensor::vector(&[u64::MAX, 0])]);
        assert_eq!(y, Tensor::vector(&[1u64, 0]));
    }

    #[test]
    fn no_gradient_flows() {
        let mut b = crate::Builder::new("flat");
        let x = b.input("x", ocellus_graph::DataType::F64, &[2]);
        let y = b.sign(x).unwrap();
        let g = b.constant("g", Tensor::vector(&[1f64, 1.]));
        assert_eq!(check::backward(&mut b, y, g, &[x]).unwrap(), [None]);
    }
}
