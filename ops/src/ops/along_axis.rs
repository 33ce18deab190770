//! What Softmax, LogSoftmax and Hardmax share: one axis, whose lines are normalized one by one.

use ocellus_graph::{Attributes, Dim, Node, Tensor};

use super::elementwise::require_float;
use crate::shapes::{axis, offsets, strides};
use crate::{EvalContext, InferContext, OpError, UpgradeContext, ValueType};

/// Output type = type of input 0, a float; the axis has to be one of its own.
pub(super) fn infer(ctx: &InferContext) -> Result<Vec<ValueType>, OpError> {
    require_float(ctx, 0)?;
    let x = ctx.input(0)?;
    let given = ctx.int("axis", -1);
    axis(given, x.shape.rank())
        .ok_or_else(|| ctx.error(format!("axis {given} is out of range for an input of shape {}", x.shape)))?;
    Ok(vec![x.clone()])
}

/// Replaces every line along the axis by `f` of it, in f64.
pub(super) fn eval(ctx: &EvalContext, f: impl Fn(&mut [f64])) -> Result<Vec<Tensor>, OpError> {
    let x = ctx.input(0)?;
    let axis = axis(ctx.int("axis", -1), x.rank()).ok_or_else(|| ctx.error("axis is out of range"))?;
    let mut values = x.to_f64();
    each_line(&mut values, x.shape(), axis, f);
    Ok(vec![Tensor::from_f64(x.dtype(), x.shape(), &values)])
}

/// Replaces every line of a row-major array along `axis` by `f` of it.
pub(super) fn each_line<T: Copy>(values: &mut [T], shape: &[usize], axis: usize, f: impl Fn(&mut [T])) {
    let (mut sizes, steps) = (shape.to_vec(), strides(shape));
    let (length, step) = (std::mem::replace(&mut sizes[axis], 1), steps[axis]);
    let mut line = Vec::with_capacity(length);
    for base in offsets(&sizes, &steps) {
        line.clear();
        line.extend((0..length).map(|i| values[base + i * step]));
        f(&mut line);
        for (i, &v) in line.iter().enumerate() {
            values[base + i * step] = v;
        }
    }
}

/// Before opset 13 the axis (default 1) split the shape in two, and all that came after it was one line.
pub(super) fn upgrade(ctx: &mut UpgradeContext) -> Result<(), OpError> {
    if ctx.opset >= 13 {
        return Ok(());
    }
    let given = ctx.int("axis", 1);
    if given == -1 || is_one_axis(ctx, given)? {
        ctx.node.attributes.set("axis", given);
        return Ok(());
    }
    let mut fresh = |stem: &str| {
        let name = ctx.graph.fresh_name(&format!("{}_{stem}", ctx.node.name));
        ctx.graph.add_value(&name, None, None)
    };
    let (shape, flat, result) = (fresh("shape"), fresh("flat"), fresh("normalized"));
    let (x, y) = (ctx.node.input(0), ctx.node.output(0));
    ctx.before.push(Node::new("Shape", [x], [Some(shape)]));
    let flatten = Node::new("Flatten", [x], [Some(flat)]);
    ctx.before.push(flatten.with_attributes(Attributes::new().with("axis", given)));
    ctx.after.push(Node::new("Reshape", [Some(result), Some(shape)], [y]));
    (ctx.node.inputs, ctx.node.outputs) = (vec![Some(flat)], vec![Some(result)]);
    ctx.node.attributes.set("axis", -1i64);
    Ok(())
}

/// Whether all axes after the given one are known to have size 1, so that a line lies along it alone.
fn is_one_axis(ctx: &UpgradeContext, given: i64) -> Result<bool, OpError> {
    let Some(shape) = ctx.input_shape(0) else { return Ok(false) };
    let axis = axis(given, shape.rank());
    let axis = axis.ok_or_else(|| ctx.error(format!("axis {given} is out of range for an input of shape {shape}")))?;
    Ok(shape[axis + 1..].iter().all(|d| *d == Dim::Known(1)))
}

#[cfg(test)]
mod tests {
    use ocellus_graph::{DataType, Graph, Model, Shape};

    use super::*;

    /// The operators after the upgrade of a Softmax of opset 9, and its answer for `x`.
    fn upgraded(shape: Option<&[usize]>, axis: Option<i64>, x: Tensor) -> (Vec<String>, Tensor) {
        let mut g = Graph::new("old");
        let x_id = g.add_value("x", Some(DataType::F64), Some(Shape::fixed(x.shape())));
        let middle = g.add_value("m", Some(DataType::F64), shape.map(Shape::fixed));
        let y = g.add_value("y", None, None);
        (g.inputs, g.outputs) = (vec![x_id], vec![y]);
        g.nodes.push(Node::new("Neg", [Some(x_id)], [Some(middle)]));
        let attributes = axis.map_or_else(Attributes::new, |a| Attributes::new().with("axis", a));
        g.nodes.push(Node::new("Softmax", [Some(middle)], [Some(y)]).with_attributes(attributes));
        let mut model = Model::new(g);
        model.opset = 9;
        crate::upgrade(&mut model).unwrap();
        let ops = model.graph.nodes.iter().map(|n| n.op.clone()).collect();
        crate::infer(&mut model).unwrap();
        (ops, crate::evaluate(&model, &[("x", x)]).unwrap().remove("y").unwrap())
    }

    #[test]
    fn the_old_axis_flattens_what_follows() {
        let x = Tensor::full(DataType::F64, &[1, 2, 4], 0.0);
        let eighth = Tensor::full(DataType::F64, &[1, 2, 4], 0.125);
        assert_eq!(upgraded(None, None, x.clone()).1, eighth);
        let (ops, y) = upgraded(Some(&[1, 2, 4]), Some(1), x.clone());
        assert_eq!((ops.join(" "), y), ("Neg Shape Flatten Softmax Reshape".to_owned(), eighth));
        let (ops, y) = upgraded(Some(&[1, 2, 4]), Some(2), x);
        assert_eq!((ops.join(" "), y), ("Neg Softmax".to_owned(), Tensor::full(DataType::F64, &[1, 2, 4], 0.25)));
    }

    #[test]
    fn trailing_axes_of_one_need_no_flattening() {
        let x = Tensor::full(DataType::F64, &[1, 4, 1, 1], 3.0);
        let (ops, y) = upgraded(Some(&[1, 4, 1, 1]), None, x);
        assert_eq!((ops.join(" "), y), ("Neg Softmax".to_owned(), Tensor::full(DataType::F64, &[1, 4, 1, 1], 0.25)));
    }
}
