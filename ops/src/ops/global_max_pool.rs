//! `GlobalMaxPool`: the maximum of every plane (ONNX GlobalMaxPool-1; 22 only adds types).

use ocellus_graph::{Attributes, ValueId};

use super::elementwise::require_float;
use super::pool::{eval_global, first_maximum, global_shape};
use crate::{Builder, GradContext, InferContext, InputRole, OpDef, OpError, OutputScale, QuantRule, ValueType};

pub(crate) const OP: OpDef = OpDef {
    eval: Some(|ctx| eval_global(ctx, |plane| first_maximum(plane.iter().copied()).map_or(f64::NAN, |(_, v)| v))),
    grad: Some(grad),
    quant: Some(QuantRule { inputs: |_| vec![InputRole::Activation], output: OutputScale::SameAsInput }),
    lower: Some(super::pool_lower::global_max_pool),
    ..OpDef::new("GlobalMaxPool", infer)
};

fn infer(ctx: &InferContext) -> Result<Vec<ValueType>, OpError> {
    require_float(ctx, 0)?;
    Ok(vec![ValueType::new(ctx.input(0)?.dtype, global_shape(ctx)?)])
}

/// `g` where the first maximum stands, 0 elsewhere.
fn grad(ctx: &mut GradContext) -> Result<Vec<Option<ValueId>>, OpError> {
    let (g, x) = (ctx.grad()?, ctx.input(0)?);
    let b = &mut *ctx.builder;
    let shape: Vec<i64> = b.shape(x)?.iter().map(|&n| n as i64).collect();
    let (planes, plane) = (shape[..2].iter().product(), shape[2..].iter().product());
    let rows = b.reshape(x, &[planes, plane])?;
    let places = b.arg_max(rows, 1, true)?;
    let g = b.reshape(g, &[planes, 1])?;
    let zero = b.scalar_like(x, 0.0)?;
    let zeros = b.expand(zero, &[planes, plane])?;
    let dx = b.scatter_elements(zeros, places, g, 1, "none")?;
    Ok(vec![Some(b.reshape(dx, &shape)?)])
}

impl Builder {
    /// The maximum of every plane of `x` `[N, C, ...]`, `[N, C, 1, ...]`.
    pub fn global_max_pool(&mut self, x: ValueId) -> Result<ValueId, OpError> {
        self.apply(&OP, &[x], Attributes::new())
    }
}

#[cfg(test)]
mod tests {
    use ocellus_graph::{DataType, Tensor};

    use crate::check;

    #[test]
    fn maxima_of_planes() {
        let x = Tensor::of(&[1, 2, 1, 3], vec![1f32, 6., 2., -1., -3., -4.]);
        let y = check::eval(|b, v| b.global_max_pool(v[0]), &[x]);
        assert_eq!(y, Tensor::of(&[1, 2, 1, 1], vec![6f32, -1.]));
    }

    #[test]
    fn gradient() {
        check::gradient(|b, v| b.global_max_pool(v[0]), &[&[2, 3, 2, 4]]);
    }

    #[test]
    fn a_tie_goes_to_the_first() {
        let mut b = crate::Builder::new("ties");
        let x = b.input("x0", DataType::F64, &[1, 1, 3]);
        let y = b.global_max_pool(x).unwrap();
        let g = b.constant("g", Tensor::of(&[1, 1, 1], vec![5.0f64]));
        let dx = check::backward(&mut b, y, g, &[x]).unwrap()[0].unwrap();
        let inputs = [("x0", Tensor::of(&[1, 1, 3], vec![1.0f64, 2.0, 2.0]))];
        assert_eq!(crate::evaluate_values(b.graph(), &inputs).unwrap()[&dx].to_f64(), [0.0, 5.0, 0.0]);
    }
}
