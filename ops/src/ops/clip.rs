//! `Clip`: clamps to `[min, max]` (ONNX Clip-13).

use ocellus_graph::{Attributes, DataType, Tensor, ValueId};
use ocellus_plan::args::UnaryFunction;

use super::elementwise::{from_integers, integers, is_exact, require_number, require_same_type};
use crate::{
    Builder, EvalContext, Fold, FoldContext, GradContext, InferContext, InputRole, OpDef, OpError, OutputScale,
    QuantRule, UpgradeContext, ValueType,
};

pub(crate) const OP: OpDef = OpDef {
    eval: Some(eval),
    grad: Some(grad),
    quant: Some(QuantRule {
        inputs: |_| vec![InputRole::Activation, InputRole::Other, InputRole::Other],
        output: OutputScale::Calibrated,
    }),
    upgrade: Some(upgrade),
    fold: Fold::Clamp(limits),
    lower: Some(|ctx| {
        if let Some(i) = (1..3).find(|&i| ctx.has(i) && ctx.constant(i).is_none()) {
            return Err(ctx.error(format!("input {i} has to be a constant on the device")));
        }
        let bound = |i: usize, or: f32| ctx.constant(i).and_then(|t| t.to_f32().first().copied()).unwrap_or(or);
        let (low, high) = (bound(1, f32::NEG_INFINITY), bound(2, f32::INFINITY));
        crate::lower::unary::lower(ctx, UnaryFunction::Clip, low, high)
    }),
    ..OpDef::new("Clip", infer)
};

fn infer(ctx: &InferContext) -> Result<Vec<ValueType>, OpError> {
    require_number(ctx, 0)?;
    for (i, name) in [(1, "min"), (2, "max")] {
        if let Some(limit) = ctx.optional(i) {
            require_same_type(ctx, 0, i)?;
            if limit.shape.elements().is_some_and(|n| n != 1) {
                return Err(ctx.error(format!("input {i} ({name}) has to be a scalar, found shape {}", limit.shape)));
            }
        }
    }
    Ok(vec![ctx.input(0)?.clone()])
}

/// The first element of a limit; an error where it has none.
fn limit<T: Copy>(ctx: &EvalContext, index: usize, read: impl Fn(&Tensor) -> Vec<T>, default: T) -> Result<T, OpError> {
    match ctx.optional(index) {
        None => Ok(default),
        Some(t) => read(t).first().copied().ok_or_else(|| ctx.error(format!("input {index} has to be a scalar"))),
    }
}

/// Where `min` is above `max`, everything becomes `max`.
fn eval(ctx: &EvalContext) -> Result<Vec<Tensor>, OpError> {
    let x = ctx.input(0)?;
    if is_exact(x.dtype()) {
        let low = limit(ctx, 1, integers, i128::MIN)?;
        let high = limit(ctx, 2, integers, i128::MAX)?;
        let values: Vec<i128> = integers(x).into_iter().map(|v| v.max(low).min(high)).collect();
        return Ok(vec![from_integers(x.dtype(), x.shape(), &values)]);
    }
    let low = limit(ctx, 1, Tensor::to_f64, f64::NEG_INFINITY)?;
    let high = limit(ctx, 2, Tensor::to_f64, f64::INFINITY)?;
    let clamp = |v: f64| {
        let v = if v < low { low } else { v };
        if v > high { high } else { v }
    };
    let values: Vec<f64> = x.to_f64().into_iter().map(clamp).collect();
    Ok(vec![Tensor::from_f64(x.dtype(), x.shape(), &values)])
}

/// `dx = g` where nothing was clipped (the limits included), `dmin = Σ g` over what lay below it, `dmax = Σ g` over
/// what lay above, so that every element's gradient goes to exactly one of them.
fn grad(ctx: &mut GradContext) -> Result<Vec<Option<ValueId>>, OpError> {
    let (g, x, y) = (ctx.grad()?, ctx.input(0)?, ctx.output(0)?);
    let mut grads = vec![None; ctx.node.inputs.len()];
    for (i, slot) in grads.iter_mut().enumerate() {
        let (true, Some(input)) = (ctx.needs(i), ctx.node.input(i)) else { continue };
        let b = &mut *ctx.builder;
        let chosen = match i {
            0 => b.equal(x, y)?,
            1 => b.less(x, input)?,
            _ => b.greater(x, input)?,
        };
        let dtype = b.dtype(g)?;
        let mask = b.cast(chosen, dtype)?;
        let part = b.mul(g, mask)?;
        *slot = Some(b.sum_to_shape_of(part, input)?);
    }
    Ok(grads)
}

/// Both limits where they are constant, and in order.
fn limits(ctx: &FoldContext) -> Option<(f32, f32)> {
    let read = |index: usize, default: f32| match ctx.node.input(index) {
        None => Some(default),
        Some(_) => ctx.constant(index)?.to_f32().first().copied(),
    };
    let (low, high) = (read(1, f32::NEG_INFINITY)?, read(2, f32::INFINITY)?);
    (low <= high).then_some((low, high))
}

/// The limits were attributes before opset 11.
fn upgrade(ctx: &mut UpgradeContext) -> Result<(), OpError> {
    let dtype = ctx.node.input(0).and_then(|x| ctx.graph.value(x).dtype).unwrap_or(DataType::F32);
    for (i, name) in [(1, "min"), (2, "max")] {
        if let Some(value) = ctx.node.attributes.float(name) {
            ctx.node.attributes.remove(name);
            ctx.set_constant(i, name, Tensor::full(dtype, &[], value.into()));
        }
    }
    Ok(())
}

impl Builder {
    /// `x` clamped to `[low, high]`; a limit that is `None` does not clamp.
    pub fn clip(&mut self, x: ValueId, low: Option<f32>, high: Option<f32>) -> Result<ValueId, OpError> {
        let mut inputs = vec![Some(x)];
        for limit in [low, high] {
            let limit = limit.map(|v| self.scalar_like(x, v.into())).transpose()?;
            inputs.push(limit);
        }
        while inputs.last() == Some(&None) {
            inputs.pop();
        }
        Ok(self.apply_many(&OP, &inputs, Attributes::new(), 1)?[0])
    }
}

#[cfg(test)]
mod tests {
    use ocellus_graph::{Graph, Model, Node, Shape};

    use super::*;
    use crate::check;

    fn clip_values(b: &mut Builder, v: &[ValueId]) -> Result<ValueId, OpError> {
        b.apply(&OP, v, Attributes::new())
    }

    #[test]
    fn clamps_on_either_side() {
        let x = Tensor::vector(&[-3f32, 0.5, 7.0]);
        let both = check::eval(|b, v| b.clip(v[0], Some(-1.0), Some(6.0)), std::slice::from_ref(&x));
        assert_eq!(both, Tensor::vector(&[-1f32, 0.5, 6.0]));
        let upper = check::eval(|b, v| b.clip(v[0], None, Some(0.0)), std::slice::from_ref(&x));
        assert_eq!(upper, Tensor::vector(&[-3f32, 0.0, 0.0]));
        assert_eq!(check::eval(|b, v| b.clip(v[0], None, None), std::slice::from_ref(&x)), x);
    }

    #[test]
    fn max_wins_over_a_greater_min_and_integers_are_exact() {
        let limits = [Tensor::vector(&[1f32, 9.0]), Tensor::scalar(5f32), Tensor::scalar(2f32)];
        assert_eq!(check::eval(clip_values, &limits), Tensor::vector(&[2f32, 2.0]));
        let large = u64::MAX - 1;
        let limits = [Tensor::vector(&[u64::MAX, 3]), Tensor::scalar(5u64), Tensor::scalar(large)];
        assert_eq!(check::eval(clip_values, &limits), Tensor::vector(&[large, 5]));
    }

    #[test]
    fn limits_that_are_no_scalars_are_refused() {
        let mut b = Builder::new("bad");
        let (x, low) = (b.input("x", DataType::F32, &[2]), b.input("low", DataType::F32, &[2]));
        assert!(clip_values(&mut b, &[x, low]).unwrap_err().to_string().contains("has to be a scalar"));
    }

    #[test]
    fn attributes_become_inputs() {
        let mut g = Graph::new("old");
        let x = g.add_value("x", Some(DataType::F64), Some(Shape::fixed(&[2])));
        let y = g.add_value("y", None, None);
        (g.inputs, g.outputs) = (vec![x], vec![y]);
        g.nodes.push(Node::new("Clip", [Some(x)], [Some(y)]).with_attributes(Attributes::new().with("max", 6f32)));
        let mut model = Model::new(g);
        model.opset = 6;
        crate::upgrade(&mut model).unwrap();
        crate::infer(&mut model).unwrap();
        let y = &crate::evaluate(&model, &[("x", Tensor::vector(&[-7f64, 7.0]))]).unwrap()["y"];
        assert_eq!(*y, Tensor::vector(&[-7f64, 6.0]));
    }

    #[test]
    fn folds_into_a_producer_where_the_limits_are_constant() {
        let ids = [Some(ValueId(0)), None, Some(ValueId(1))];
        let node = Node::new("Clip", ids, []);
        let constants = [None, None, Some(Tensor::scalar(6f32))];
        assert_eq!(
            limits(&FoldContext { node: &node, constants: &constants, types: &[] }),
            Some((f32::NEG_INFINITY, 6.0))
        );
        assert_eq!(limits(&FoldContext { node: &node, constants: &[], types: &[] }), None);
    }

    #[test]
    fn gradient() {
        check::gradient(|b, v| b.clip(v[0], Some(-0.3), Some(0.6)), &[&[3, 5]]);
        let x = Tensor::vector(&[-2f64, -0.5, 0.0, 0.0, 3.0]);
        check::gradient_at(clip_values, &[x, Tensor::scalar(-1f64), Tensor::scalar(1f64)]);
    }

    #[test]
    fn an_element_on_a_limit_keeps_its_gradient() {
        let mut b = Builder::new("limit");
        let x = b.input("x", DataType::F64, &[3]);
        let y = b.clip(x, Some(0.0), Some(6.0)).unwrap();
        let g = b.constant("g", Tensor::vector(&[1f64, 1., 1.]));
        let dx = check::backward(&mut b, y, g, &[x]).unwrap()[0].unwrap();
        let values = crate::evaluate_values(b.graph(), &[("x", Tensor::vector(&[0f64, 6.0, 6.1]))]).unwrap();
        assert_eq!(values[&dx], Tensor::vector(&[1f64, 1., 0.]));
    }
}
