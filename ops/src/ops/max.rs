//! `Max`: elementwise greatest of any number of inputs, with broadcasting (ONNX Max-13).

use ocellus_graph::{Attributes, ValueId};
use ocellus_plan::args::BinaryFunction;

use super::elementwise::{VARIADIC, broadcast_all, eval_variadic};
use super::extremes;
use crate::{Builder, OpDef, OpError};

pub(crate) const OP: OpDef = OpDef {
    eval: Some(|ctx| eval_variadic(ctx, greatest, Ord::max)),
    grad: Some(extremes::grad),
    quant: Some(VARIADIC),
    lower: Some(|ctx| super::binary_lower::lower(ctx, BinaryFunction::Max)),
    ..OpDef::new("Max", broadcast_all)
};

/// Unlike `f64::max`, NaN where either is NaN.
pub(super) fn greatest(a: f64, b: f64) -> f64 {
    if a > b || a.is_nan() { a } else { b }
}

impl Builder {
    /// The greater of `a` and `b`, broadcast.
    pub fn max(&mut self, a: ValueId, b: ValueId) -> Result<ValueId, OpError> {
        self.max_of(&[a, b])
    }

    /// The greatest of `inputs`, of which there is at least one, broadcast.
    pub fn max_of(&mut self, inputs: &[ValueId]) -> Result<ValueId, OpError> {
        self.apply(&OP, inputs, Attributes::new())
    }
}

#[cfg(test)]
mod tests {
    use ocellus_graph::{DataType, Tensor};

    use crate::check;

    #[test]
    fn nan_wins() {
        let y = check::eval(|b, v| b.max(v[0], v[1]), &[Tensor::vector(&[1f32, 5., f32::NAN]), Tensor::scalar(3f32)])
            .to_f32();
        assert_eq!(y[..2], [3f32, 5.]);
        assert!(y[2].is_nan());
        let y = check::eval(|b, v| b.max(v[0], v[1]), &[Tensor::scalar(3f32), Tensor::scalar(f32::NAN)]);
        assert!(y.to_f32()[0].is_nan());
    }

    #[test]
    fn any_number_of_inputs() {
        let inputs = [Tensor::vector(&[1i8, 7, 3]), Tensor::scalar(4i8), Tensor::vector(&[2i8, 2, 9])];
        assert_eq!(check::eval(|b, v| b.max_of(v), &inputs), Tensor::vector(&[4i8, 7, 9]));
        assert_eq!(check::eval(|b, v| b.max_of(v), &inputs[..1]), inputs[0]);
    }

    #[test]
    fn gradient() {
        check::gradient(|b, v| b.max(v[0], v[1]), &[&[3, 4], &[1, 4]]);
        check::gradient(|b, v| b.max_of(v), &[&[2, 3], &[3], &[2, 1]]);
        check::gradient(|b, v| b.max_of(v), &[&[4]]);
    }

    #[test]
    fn two_equals_share_the_gradient() {
        let x = Tensor::full(DataType::F64, &[2, 2], 0.5);
        check::gradient_at(|b, v| b.max(v[0], v[1]), &[x.clone(), x]);
    }

    #[test]
    fn on_constant_data_the_parts_add_up_to_the_gradient() {
        let mut b = crate::Builder::new("ties");
        let x: Vec<_> = ["x", "y", "z"].map(|n| b.input(n, DataType::F64, &[2])).to_vec();
        let y = b.max_of(&x).unwrap();
        let g = b.constant("g", Tensor::vector(&[3f64, 6.]));
        let grads = check::backward(&mut b, y, g, &x).unwrap();
        let given = ["x", "y", "z"].map(|n| (n, Tensor::vector(&[1f64, if n == "z" { 0. } else { 1. }])));
        let values = crate::evaluate_values(b.graph(), &given).unwrap();
        let parts: Vec<_> = grads.into_iter().map(|g| values[&g.unwrap()].to_f64()).collect();
        assert_eq!(parts, [[1., 3.], [1., 3.], [1., 0.]]);
    }
}
