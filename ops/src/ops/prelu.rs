//! `PRelu`: `x`, times a learned slope below 0 (ONNX PRelu-16; He et al. 2015).

use ocellus_graph::{Attributes, Shape, Tensor, ValueId};
use ocellus_plan::args::BinaryFunction;

use super::elementwise::{append_axes, broadcast_two, eval_binary};
use crate::{Builder, EvalContext, GradContext, InferContext, OpDef, OpError, UpgradeContext, ValueType};

pub(crate) const OP: OpDef = OpDef {
    eval: Some(eval),
    grad: Some(grad),
    upgrade: Some(upgrade),
    lower: Some(|ctx| super::binary_lower::lower(ctx, BinaryFunction::PRelu)),
    ..OpDef::new("PRelu", infer)
};

/// The slope broadcasts to `x`, never the other way round.
fn infer(ctx: &InferContext) -> Result<Vec<ValueType>, OpError> {
    let result = broadcast_two(ctx)?;
    let (x, slope) = (ctx.input(0)?, ctx.input(1)?);
    let known = x.shape.known().zip(result[0].shape.known());
    if slope.shape.rank() > x.shape.rank() || known.is_some_and(|(x, y)| x != y) {
        let (x, slope) = (&x.shape, &slope.shape);
        return Err(ctx.error(format!("a slope of shape {slope} does not broadcast to the input's {x}")));
    }
    Ok(vec![x.clone()])
}

fn eval(ctx: &EvalContext) -> Result<Vec<Tensor>, OpError> {
    eval_binary(ctx, |x, s| if x < 0.0 { x * s } else { x }, |x, s| if x < 0 { x.wrapping_mul(s) } else { x })
}

/// `dx = g`, times the slope below 0; `dslope = Σ g * min(x, 0)` over its broadcast axes.
fn grad(ctx: &mut GradContext) -> Result<Vec<Option<ValueId>>, OpError> {
    let (g, x, slope) = (ctx.grad()?, ctx.input(0)?, ctx.input(1)?);
    let needs = [ctx.needs(0), ctx.needs(1)];
    let b = &mut *ctx.builder;
    let mut grads = vec![None; 2];
    if needs[0] {
        let negative = b.is_negative(x)?;
        let below = b.mul(g, slope)?;
        grads[0] = Some(b.where_(negative, below, g)?);
    }
    if needs[1] {
        let zero = b.scalar_like(x, 0.0)?;
        let below = b.min(x, zero)?;
        let product = b.mul(g, below)?;
        grads[1] = Some(b.sum_to_shape_of(product, slope)?);
    }
    Ok(grads)
}

/// Before opset 7 a slope of shape `[C]` belonged to axis 1, and was not lined up with the last axis.
fn upgrade(ctx: &mut UpgradeContext) -> Result<(), OpError> {
    if ctx.opset >= 7 || ctx.input_shape(1).and_then(Shape::elements) == Some(1) {
        return Ok(());
    }
    let ranks = ctx.input_shape(0).map(Shape::rank).zip(ctx.input_shape(1).map(Shape::rank));
    let (x, slope) = ranks.ok_or_else(|| ctx.error("is of opset 6, but the ranks of its inputs are not known"))?;
    if slope == 1 {
        append_axes(ctx, 1, 1, x.saturating_sub(2));
    }
    Ok(())
}

impl Builder {
    /// `x`, times `slope` below 0; the slope broadcasts to `x`.
    pub fn prelu(&mut self, x: ValueId, slope: ValueId) -> Result<ValueId, OpError> {
        self.apply(&OP, &[x, slope], Attributes::new())
    }
}

#[cfg(test)]
mod tests {
    use ocellus_graph::{DataType, Graph, Model, Node};

    use crate::check;

    use super::*;

    #[test]
    fn values() {
        let x = Tensor::of(&[2, 2], vec![-1f32, 2., 0., -4.]);
        let y = check::eval(|b, v| b.prelu(v[0], v[1]), &[x, Tensor::vector(&[0.5f32, 0.25])]);
        assert_eq!(y, Tensor::of(&[2, 2], vec![-0.5f32, 2., 0., -1.]));
    }

    #[test]
    fn the_slope_may_not_widen_the_input() {
        let mut b = Builder::new("bad");
        let (x, s) = (b.input("x", DataType::F32, &[1, 2]), b.input("s", DataType::F32, &[3, 2]));
        assert!(b.prelu(x, s).unwrap_err().to_string().contains("does not broadcast to"));
    }

    #[test]
    fn an_old_slope_belongs_to_the_channels() {
        let mut g = Graph::new("old");
        let x = g.add_value("x", Some(DataType::F32), Some(Shape::fixed(&[1, 2, 2])));
        let s = g.add_initializer("s", Tensor::vector(&[0.5f32, 2.0]));
        let y = g.add_value("y", None, None);
        (g.inputs, g.outputs) = (vec![x], vec![y]);
        g.nodes.push(Node::new("PRelu", [Some(x), Some(s)], [Some(y)]));
        let mut model = Model::new(g);
        model.opset = 6;
        crate::upgrade(&mut model).unwrap();
        crate::infer(&mut model).unwrap();
        let y = &crate::evaluate(&model, &[("x", Tensor::full(DataType::F32, &[1, 2, 2], -1.0))]).unwrap()["y"];
        assert_eq!(*y, Tensor::of(&[1, 2, 2], vec![-0.5f32, -0.5, -2., -2.]));
    }

    #[test]
    fn gradient() {
        check::gradient(|b, v| b.prelu(v[0], v[1]), &[&[2, 3, 4], &[3, 1]]);
    }
}
