//! `LpPool`: the p-norm of every window (ONNX LpPool-18; 22 only adds types).

use ocellus_graph::{Tensor, ValueId};

use super::conv_gradient::spread;
use super::elementwise::require_float;
use super::norm::{norm, norm_gradient, order};
use super::pool::{eval_pool, pool_axes, pooled_shape};
use super::window::Window;
use crate::{Builder, EvalContext, GradContext, InferContext, OpDef, OpError, ValueType};

pub(crate) const OP: OpDef = OpDef {
    eval: Some(eval),
    grad: Some(grad),
    lower: Some(super::pool_lower::lp_pool),
    ..OpDef::new("LpPool", infer)
};

fn infer(ctx: &InferContext) -> Result<Vec<ValueType>, OpError> {
    require_float(ctx, 0)?;
    order(ctx.node, 2)?;
    Ok(vec![ValueType::new(ctx.input(0)?.dtype, pooled_shape(ctx)?)])
}

fn eval(ctx: &EvalContext) -> Result<Vec<Tensor>, OpError> {
    let p = order(ctx.node, 2)?;
    eval_pool(ctx, |values, _| norm(values, p))
}

/// `sign(x) |x|^(p-1)` times the sum of `g y^(1-p)` over the windows that see `x`.
fn grad(ctx: &mut GradContext) -> Result<Vec<Option<ValueId>>, OpError> {
    let (g, x, y) = (ctx.grad()?, ctx.input(0)?, ctx.output(0)?);
    let p = order(&ctx.node, 2)?;
    let axes = pool_axes(&ctx.node, &ctx.builder.shape(x)?)?;
    Ok(vec![Some(norm_gradient(ctx.builder, g, x, y, p, |b, share| spread(b, share, &axes))?)])
}

impl Builder {
    /// The p-norm of every window of `x` `[N, C, ...]`.
    pub fn lp_pool(&mut self, x: ValueId, window: &Window, p: i64) -> Result<ValueId, OpError> {
        self.apply(&OP, &[x], window.attributes().with("p", p))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check;

    #[test]
    fn norms_of_windows() {
        let x = Tensor::of(&[1, 1, 2, 3], vec![3f32, -4., 0., 0., 0., -1.]);
        let y = check::eval(|b, v| b.lp_pool(v[0], &Window::new(&[1, 2]), 2), std::slice::from_ref(&x));
        assert_eq!(y, Tensor::of(&[1, 1, 2, 2], vec![5f32, 4., 0., 1.]));
        let y = check::eval(|b, v| b.lp_pool(v[0], &Window::square(2, 1, 0), 1), &[x]);
        assert_eq!(y, Tensor::of(&[1, 1, 1, 2], vec![7f32, 5.]));
    }

    #[test]
    fn orders_below_one_are_refused() {
        let mut b = Builder::new("bad");
        let x = b.input("x", ocellus_graph::DataType::F32, &[1, 1, 2, 2]);
        assert!(b.lp_pool(x, &Window::square(2, 2, 0), 0).unwrap_err().to_string().contains("p is 0"));
    }

    #[test]
    fn gradient() {
        for p in 1..=3 {
            check::gradient(|b, v| b.lp_pool(v[0], &Window::square(2, 2, 0), p), &[&[1, 2, 4, 4]]);
            check::gradient(|b, v| b.lp_pool(v[0], &Window::square(3, 2, 1), p), &[&[1, 2, 5, 4]]);
        }
    }

    #[test]
    fn the_gradient_of_a_zero_window_is_zero() {
        let mut b = Builder::new("zero");
        let x = b.input("x0", ocellus_graph::DataType::F64, &[1, 1, 2, 2]);
        let y = b.lp_pool(x, &Window::square(2, 2, 0), 2).unwrap();
        let g = b.constant("g", Tensor::of(&[1, 1, 1, 1], vec![1.0f64]));
        let dx = check::backward(&mut b, y, g, &[x]).unwrap()[0].unwrap();
        let zeros = Tensor::of(&[1, 1, 2, 2], vec![0.0f64; 4]);
        assert_eq!(crate::evaluate_values(b.graph(), &[("x0", zeros.clone())]).unwrap()[&dx], zeros);
    }
}
