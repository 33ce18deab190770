//! What unary and binary elementwise operators share.

use ocellus_graph::{Attribute, DataType, Node, Shape, Tensor, ValueId};

use crate::shapes::{broadcast, broadcast_offsets, broadcast_sizes};
use crate::{Builder, EvalContext, InferContext, OpError, UpgradeContext, ValueType};

/// Output type = type of input 0.
pub(super) fn same_as_input(ctx: &InferContext) -> Result<Vec<ValueType>, OpError> {
    Ok(vec![ctx.input(0)?.clone()])
}

/// Output shape = broadcast of inputs 0 and 1; output type = that of input 0, which input 1 has to share.
pub(super) fn broadcast_two(ctx: &InferContext) -> Result<Vec<ValueType>, OpError> {
    let (a, b) = (ctx.input(0)?, ctx.input(1)?);
    if a.dtype != b.dtype {
        return Err(ctx.error(format!("inputs have types {} and {}; they have to be the same", a.dtype, b.dtype)));
    }
    let shape = broadcast(&a.shape, &b.shape)
        .ok_or_else(|| ctx.error(format!("shapes {} and {} do not broadcast", a.shape, b.shape)))?;
    Ok(vec![ValueType::new(a.dtype, shape)])
}

/// Applies `f` to every element of input 0, in f64 for floats.
pub(super) fn eval_unary(ctx: &EvalContext, f: impl Fn(f64) -> f64) -> Result<Vec<Tensor>, OpError> {
    let x = ctx.input(0)?;
    let values: Vec<f64> = x.to_f64().into_iter().map(f).collect();
    Ok(vec![Tensor::from_f64(x.dtype(), x.shape(), &values)])
}

/// Applies `float` (in f64) or `int` (exactly, wrapping to the type) to the broadcast of inputs 0 and 1.
pub(super) fn eval_binary(
    ctx: &EvalContext,
    float: impl Fn(f64, f64) -> f64,
    int: impl Fn(i64, i64) -> i64,
) -> Result<Vec<Tensor>, OpError> {
    let (a, b) = (ctx.input(0)?, ctx.input(1)?);
    let shape = broadcast_sizes(a.shape(), b.shape())
        .ok_or_else(|| ctx.error(format!("shapes {:?} and {:?} do not broadcast", a.shape(), b.shape())))?;
    let pairs = broadcast_offsets(a.shape(), &shape).into_iter().zip(broadcast_offsets(b.shape(), &shape));
    let dtype = a.dtype();
    let tensor = if dtype == DataType::Bool || dtype.is_integer() {
        let (a, b) = (a.to_i64(), b.to_i64());
        Tensor::from_i64(dtype, &shape, &pairs.map(|(i, j)| int(a[i], b[j])).collect::<Vec<_>>())
    } else {
        let (a, b) = (a.to_f64(), b.to_f64());
        Tensor::from_f64(dtype, &shape, &pairs.map(|(i, j)| float(a[i], b[j])).collect::<Vec<_>>())
    };
    Ok(vec![tensor])
}

impl Builder {
    /// Sums a gradient over the axes along which `target` was broadcast, so that it has `target`'s shape.
    pub fn sum_to_shape_of(&mut self, grad: ValueId, target: ValueId) -> Result<ValueId, OpError> {
        let (from, to) = (self.shape(grad)?, self.shape(target)?);
        if from == to {
            return Ok(grad);
        }
        let skip = from.len() - to.len();
        let summed: Vec<i64> =
            (0..from.len()).filter(|&i| i < skip || (to[i - skip] == 1 && from[i] != 1)).map(|i| i as i64).collect();
        let sum = if summed.is_empty() { grad } else { self.reduce_sum(grad, &summed, true)? };
        self.reshape(sum, &to.iter().map(|&n| n as i64).collect::<Vec<_>>())
    }
}

/// Opset 6 to numpy broadcasting: `broadcast=1, axis=k` lines the second input up with axis `k` of the first.
pub(super) fn upgrade_broadcast(ctx: &mut UpgradeContext) -> Result<(), OpError> {
    let axis = ctx.node.attributes.remove("axis");
    let legacy = ctx.node.attributes.remove("broadcast").is_some();
    let (true, Some(Attribute::Int(axis))) = (legacy, axis) else { return Ok(()) };
    let ranks = ctx.input_shape(0).map(Shape::rank).zip(ctx.input_shape(1).map(Shape::rank));
    let (a, b) = ranks.ok_or_else(|| ctx.error("has a legacy `axis`, but the ranks of its inputs are not known"))?;
    let axis = crate::shapes::axis(axis, a).ok_or_else(|| ctx.error(format!("axis {axis} is out of range")))?;
    let trailing: Vec<i64> = (axis + b..a).map(|i| (i - axis) as i64).collect();
    if trailing.is_empty() {
        return Ok(());
    }
    let name = ctx.graph.fresh_name(&format!("{}_aligned", ctx.node.name));
    let aligned = ctx.graph.add_value(&name, None, None);
    let mut unsqueeze = Node::new("Unsqueeze", [ctx.node.input(1), None], [Some(aligned)]);
    let axes = ctx.graph.fresh_name(&format!("{}_axes", ctx.node.name));
    unsqueeze.inputs[1] = Some(ctx.graph.add_initializer(&axes, Tensor::vector(&trailing)));
    ctx.before.push(unsqueeze);
    ctx.node.inputs[1] = Some(aligned);
    Ok(())
}
