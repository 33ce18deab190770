//! `ReduceMax`: greatest element over axes, of numbers or truth values (ONNX ReduceMax-20).

use ocellus_graph::ValueId;
use ocellus_plan::args::ReduceFunction;

use super::reduce::{Reduction, SELECTS, apply, eval, extreme_grad, infer_any, upgrade};
use crate::{Builder, OpDef, OpError};

pub(crate) const OP: OpDef = OpDef {
    eval: Some(|ctx| eval(ctx, &REDUCTION)),
    grad: Some(extreme_grad),
    quant: Some(SELECTS),
    upgrade: Some(upgrade),
    lower: Some(|ctx| super::reduce_lower::lower(ctx, ReduceFunction::Max)),
    ..OpDef::new("ReduceMax", infer_any)
};

const REDUCTION: Reduction = Reduction {
    float: |v| v.iter().copied().fold(f64::NEG_INFINITY, super::max::greatest),
    int: |v, (least, _)| Some(v.iter().copied().fold(least, Ord::max)),
};

impl Builder {
    /// The greatest element over `axes` (all where empty).
    pub fn reduce_max(&mut self, x: ValueId, axes: &[i64], keepdims: bool) -> Result<ValueId, OpError> {
        apply(self, &OP, x, axes, keepdims)
    }
}

#[cfg(test)]
mod tests {
    use ocellus_graph::{DataType, Tensor};

    use crate::check;

    #[test]
    fn values() {
        let x = Tensor::of(&[2, 2], vec![3f32, -4., 0., 2.]);
        let y = check::eval(|b, v| b.reduce_max(v[0], &[1], true), &[x]);
        assert_eq!(y, Tensor::of(&[2, 1], vec![3f32, 2.]));
        let truth = Tensor::of(&[2, 2], vec![true, false, false, false]);
        let y = check::eval(|b, v| b.reduce_max(v[0], &[1], false), &[truth]);
        assert_eq!(y, Tensor::vector(&[true, false]));
    }

    #[test]
    fn no_elements_give_the_least_value_and_nan_wins() {
        let y = check::eval(|b, v| b.reduce_max(v[0], &[0], false), &[Tensor::of(&[0, 1], Vec::<f32>::new())]);
        assert_eq!(y, Tensor::vector(&[f32::NEG_INFINITY]));
        let y = check::eval(|b, v| b.reduce_max(v[0], &[0], false), &[Tensor::of(&[0, 1], Vec::<i8>::new())]);
        assert_eq!(y, Tensor::vector(&[i8::MIN]));
        let y = check::eval(|b, v| b.reduce_max(v[0], &[], false), &[Tensor::vector(&[1f32, f32::NAN, 9.])]);
        assert!(y.to_f32()[0].is_nan());
    }

    #[test]
    fn gradient() {
        check::gradient(|b, v| b.reduce_max(v[0], &[1], true), &[&[2, 3, 2]]);
        check::gradient(|b, v| b.reduce_max(v[0], &[0, -1], false), &[&[2, 3, 2]]);
        check::gradient(|b, v| b.reduce_max(v[0], &[], false), &[&[2, 3]]);
    }

    #[test]
    fn equals_share_the_gradient() {
        let mut b = crate::Builder::new("ties");
        let x = b.input("x", DataType::F64, &[2, 4]);
        let y = b.reduce_max(x, &[1], false).unwrap();
        let g = b.constant("g", Tensor::vector(&[8f64, 6.]));
        let dx = check::backward(&mut b, y, g, &[x]).unwrap()[0].unwrap();
        let tied = Tensor::of(&[2, 4], vec![5f64, 5., 5., 5., 1., 3., 3., 2.]);
        let values = crate::evaluate_values(b.graph(), &[("x", tied)]).unwrap();
        assert_eq!(values[&dx], Tensor::of(&[2, 4], vec![2f64, 2., 2., 2., 0., 3., 3., 0.]));
    }
}
