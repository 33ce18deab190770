//! `AveragePool`: the mean of every window (ONNX AveragePool-19; 22 only adds types).

use ocellus_graph::{Node, Tensor, ValueId};

use super::conv_gradient::spread;
use super::elementwise::require_float;
use super::pool::{eval_pool, pool_axes, pooled_shape};
use super::window::{Axis, Window};
use crate::{
    Builder, EvalContext, GradContext, InferContext, InputRole, OpDef, OpError, OutputScale, QuantRule, ValueType,
};

pub(crate) const OP: OpDef = OpDef {
    eval: Some(eval),
    grad: Some(grad),
    quant: Some(QuantRule { inputs: |_| vec![InputRole::Activation], output: OutputScale::Calibrated }),
    lower: Some(super::pool_lower::average_pool),
    ..OpDef::new("AveragePool", infer)
};

fn infer(ctx: &InferContext) -> Result<Vec<ValueType>, OpError> {
    require_float(ctx, 0)?;
    Ok(vec![ValueType::new(ctx.input(0)?.dtype, pooled_shape(ctx)?)])
}

/// What the sum of every window is divided by. Padding counts where the node says so, but what a last window of
/// `ceil_mode` covers beyond the padding never does.
pub(super) fn counts(node: &Node, axes: &[Axis]) -> Vec<usize> {
    let with_padding = node.attributes.int("count_include_pad").unwrap_or(0) != 0;
    let along = |axis: &Axis, o: usize| if with_padding { axis.inside_padded(o) } else { axis.inside(o).count() };
    let mut all = vec![1];
    for axis in axes {
        let own: Vec<usize> = (0..axis.output).map(|o| along(axis, o)).collect();
        all = all.iter().flat_map(|&n| own.iter().map(move |&m| n * m)).collect();
    }
    all
}

fn eval(ctx: &EvalContext) -> Result<Vec<Tensor>, OpError> {
    let counts = counts(ctx.node, &pool_axes(ctx.node, ctx.input(0)?.shape())?);
    eval_pool(ctx, |values, i| values.sum::<f64>() / counts[i] as f64)
}

/// Every element of a window gets `g / count`.
fn grad(ctx: &mut GradContext) -> Result<Vec<Option<ValueId>>, OpError> {
    let (g, x) = (ctx.grad()?, ctx.input(0)?);
    let b = &mut *ctx.builder;
    let axes = pool_axes(&ctx.node, &b.shape(x)?)?;
    let counts = counts(&ctx.node, &axes);
    let shares: Vec<f64> = counts.iter().map(|&n| 1.0 / n as f64).collect();
    let dtype = b.dtype(g)?;
    let shares = if counts.windows(2).all(|pair| pair[0] == pair[1]) {
        Tensor::full(dtype, &[], shares.first().copied().unwrap_or(1.0))
    } else {
        let shape: Vec<usize> = [1, 1].into_iter().chain(axes.iter().map(|a| a.output)).collect();
        Tensor::from_f64(dtype, &shape, &shares)
    };
    let shares = b.constant("shares", shares);
    let shared = b.mul(g, shares)?;
    Ok(vec![Some(spread(b, shared, &axes)?)])
}

impl Builder {
    /// The mean of every window of `x` `[N, C, ...]`; padding counts as zeros where `count_include_pad` is set.
    pub fn average_pool(&mut self, x: ValueId, window: &Window, count_include_pad: bool) -> Result<ValueId, OpError> {
        let mut attributes = window.attributes();
        if count_include_pad {
            attributes.set("count_include_pad", 1i64);
        }
        self.apply(&OP, &[x], attributes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check;
    use crate::ops::window::AutoPad;

    fn ramp(n: usize) -> Tensor {
        Tensor::of(&[1, 1, n, n], (1..=n * n).map(|i| i as f32).collect())
    }

    fn pool(window: Window, include: bool, x: Tensor) -> Vec<f32> {
        check::eval(|b, v| b.average_pool(v[0], &window, include), &[x]).to_f32()
    }

    /// The examples of the ONNX node tests.
    #[test]
    fn counts_only_what_belongs_to_a_window() {
        let padded = pool(Window::square(5, 1, 2), false, ramp(5));
        assert_eq!(padded[..6], [7., 7.5, 8., 8.5, 9., 9.5]);
        let counted = pool(Window::square(5, 1, 2), true, ramp(5));
        assert_eq!(counted[..2], [2.52, 3.6]);
        let ceil = Window { ceil_mode: true, ..Window::square(3, 2, 0) };
        assert_eq!(pool(ceil, false, ramp(4)), [6., 7.5, 12., 13.5]);
        let dilated = Window::square(2, 1, 0).dilated(&[2, 2]);
        assert_eq!(pool(dilated, false, ramp(4)), [6., 7., 10., 11.]);
        let same = Window { auto_pad: AutoPad::SameUpper, ..Window::square(3, 2, 0) };
        assert_eq!(pool(same, false, ramp(5)), [4., 5.5, 7., 11.5, 13., 14.5, 19., 20.5, 22.]);
    }

    /// A last window of `ceil_mode` counts padding, but not what lies beyond it.
    #[test]
    fn what_lies_beyond_the_padding_is_never_counted() {
        let window = Window { ceil_mode: true, ..Window::square(3, 2, 1) };
        let y = pool(window, true, Tensor::of(&[1, 1, 4, 4], vec![36.0; 16]));
        assert_eq!(y, [16., 24., 12., 24., 36., 18., 12., 18., 9.], "sums 4, 6, 2 ... of 36 over 9, 6 and 4");
    }

    #[test]
    fn gradient() {
        let pool = |w: Window, include| move |b: &mut Builder, v: &[ValueId]| b.average_pool(v[0], &w, include);
        check::gradient(pool(Window::square(2, 2, 0), false), &[&[2, 3, 4, 6]]);
        check::gradient(pool(Window::square(3, 1, 1), false), &[&[1, 2, 4, 3]]);
        check::gradient(pool(Window::square(3, 2, 1), true), &[&[1, 2, 5, 6]]);
        check::gradient(pool(Window { ceil_mode: true, ..Window::square(3, 2, 1) }, true), &[&[1, 2, 4, 5]]);
        check::gradient(pool(Window::square(2, 1, 1).dilated(&[2, 2]), false), &[&[1, 1, 4, 4]]);
        check::gradient(pool(Window { strides: vec![3], ..Window::new(&[2]) }, false), &[&[1, 2, 9]]);
    }
}
