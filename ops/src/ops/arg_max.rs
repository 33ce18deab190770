//! `ArgMax`: the place of the greatest element along an axis (ONNX ArgMax-13).

use std::cmp::Ordering;

use ocellus_graph::ValueId;

use super::arg_reduce::{PLACES, apply, eval, infer};
use super::elementwise::no_grad;
use crate::{Builder, OpDef, OpError};

pub(crate) const OP: OpDef = OpDef {
    eval: Some(|ctx| eval(ctx, Ordering::Greater)),
    grad: Some(no_grad),
    quant: Some(PLACES),
    lower: Some(|ctx| super::reduce_lower::arg_max(ctx, false)),
    ..OpDef::new("ArgMax", infer)
};

impl Builder {
    /// The place of the greatest element along `axis`, the first one among equals.
    pub fn arg_max(&mut self, x: ValueId, axis: i64, keepdims: bool) -> Result<ValueId, OpError> {
        apply(self, &OP, x, axis, keepdims)
    }
}

#[cfg(test)]
mod tests {
    use ocellus_graph::{Attributes, DataType, Tensor};

    use super::*;
    use crate::check;

    fn last(b: &mut Builder, v: &[ValueId]) -> Result<ValueId, OpError> {
        b.apply(&OP, v, Attributes::new().with("axis", -1i64).with("keepdims", 0i64).with("select_last_index", 1i64))
    }

    #[test]
    fn the_first_or_the_last_of_equals() {
        let x = Tensor::of(&[2, 3], vec![3f32, 3., 1., -1., 0., 0.]);
        let y = check::eval(|b, v| b.arg_max(v[0], -1, false), std::slice::from_ref(&x));
        assert_eq!(y, Tensor::vector(&[0i64, 1]));
        assert_eq!(check::eval(last, &[x]), Tensor::vector(&[1i64, 2]));
    }

    #[test]
    fn constant_data_and_a_kept_axis() {
        let x = Tensor::full(DataType::I8, &[3, 2], 5.0);
        let y = check::eval(|b, v| b.arg_max(v[0], 0, true), std::slice::from_ref(&x));
        assert_eq!(y, Tensor::of(&[1, 2], vec![0i64, 0]));
        assert_eq!(check::eval(last, &[x]), Tensor::vector(&[1i64, 1, 1]));
    }

    #[test]
    fn nan_wins_and_large_integers_are_exact() {
        let y = check::eval(|b, v| b.arg_max(v[0], 0, true), &[Tensor::vector(&[1f32, f32::NAN, 9., f32::NAN, -9.])]);
        assert_eq!(y, Tensor::vector(&[1i64]));
        let x = Tensor::vector(&[u64::MAX - 1, u64::MAX]);
        assert_eq!(check::eval(|b, v| b.arg_max(v[0], 0, true), &[x]), Tensor::vector(&[1i64]));
    }

    #[test]
    fn an_empty_axis_is_refused() {
        let mut b = Builder::new("bad");
        let x = b.input("x", DataType::F32, &[2, 0]);
        assert!(b.arg_max(x, 1, true).unwrap_err().to_string().contains("no elements"));
        assert!(b.arg_max(x, 2, true).unwrap_err().to_string().contains("out of range"));
    }
}
