//! What unary, binary and variadic elementwise operators share.

use ocellus_graph::{Attribute, DataType, Node, Shape, Tensor, TensorData, ValueId};

use crate::shapes::{broadcast, broadcast_offsets, broadcast_sizes};
use crate::{
    Builder, EvalContext, GradContext, InferContext, InputRole, OpError, OutputScale, QuantRule, UpgradeContext,
    ValueType,
};

/// One activation, an output whose scale is calibrated: on 8 bits the operator is a table.
pub(super) const TABLE: QuantRule = QuantRule { inputs: one_activation, output: OutputScale::Calibrated };

/// Two activations, an output whose scale is calibrated.
pub(super) const BINARY: QuantRule =
    QuantRule { inputs: |_| vec![InputRole::Activation; 2], output: OutputScale::Calibrated };

/// Any number of activations, an output whose scale is calibrated.
pub(super) const VARIADIC: QuantRule =
    QuantRule { inputs: |node| vec![InputRole::Activation; node.inputs.len()], output: OutputScale::Calibrated };

/// One activation, an output whose range follows from the operator.
pub(super) const fn ranged(low: f32, high: f32) -> QuantRule {
    QuantRule { inputs: one_activation, output: OutputScale::Range(low, high) }
}

fn one_activation(_: &Node) -> Vec<InputRole> {
    vec![InputRole::Activation]
}

/// Output type = type of input 0.
pub(super) fn same_as_input(ctx: &InferContext) -> Result<Vec<ValueType>, OpError> {
    Ok(vec![ctx.input(0)?.clone()])
}

/// Output type = type of input 0, which has to be a number.
pub(super) fn number_unary(ctx: &InferContext) -> Result<Vec<ValueType>, OpError> {
    require_number(ctx, 0)?;
    same_as_input(ctx)
}

/// Output type = type of input 0, which has to be a float.
pub(super) fn float_unary(ctx: &InferContext) -> Result<Vec<ValueType>, OpError> {
    require_float(ctx, 0)?;
    same_as_input(ctx)
}

/// Refuses an input that is neither float nor integer.
pub(super) fn require_number(ctx: &InferContext, index: usize) -> Result<(), OpError> {
    let dtype = ctx.input(index)?.dtype;
    if dtype.is_float() || dtype.is_integer() {
        return Ok(());
    }
    Err(ctx.error(format!("input {index} has type {dtype}; the operator takes numbers")))
}

/// Refuses an input that is not a float.
pub(super) fn require_float(ctx: &InferContext, index: usize) -> Result<(), OpError> {
    let dtype = ctx.input(index)?.dtype;
    if dtype.is_float() {
        return Ok(());
    }
    Err(ctx.error(format!("input {index} has type {dtype}; the operator takes floats")))
}

/// Output shape = broadcast of inputs 0 and 1; output type = that of input 0, which input 1 has to share.
pub(super) fn broadcast_two(ctx: &InferContext) -> Result<Vec<ValueType>, OpError> {
    require_number(ctx, 0)?;
    let dtype = ctx.input(0)?.dtype;
    require_same_type(ctx, 0, 1)?;
    Ok(vec![ValueType::new(dtype, broadcast_shape(ctx, 0, 1)?)])
}

/// Refuses two inputs of different types.
pub(super) fn require_same_type(ctx: &InferContext, i: usize, j: usize) -> Result<(), OpError> {
    let (a, b) = (ctx.input(i)?.dtype, ctx.input(j)?.dtype);
    if a == b {
        return Ok(());
    }
    Err(ctx.error(format!("inputs {i} and {j} have types {a} and {b}; they have to be the same (insert a Cast)")))
}

/// The broadcast of the shapes of two inputs.
pub(super) fn broadcast_shape(ctx: &InferContext, i: usize, j: usize) -> Result<Shape, OpError> {
    let (a, b) = (&ctx.input(i)?.shape, &ctx.input(j)?.shape);
    broadcast(a, b).ok_or_else(|| ctx.error(format!("shapes {a} and {b} of inputs {i} and {j} do not broadcast")))
}

/// Output shape = broadcast of all inputs, of which there is at least one; all share one type, a number.
pub(super) fn broadcast_all(ctx: &InferContext) -> Result<Vec<ValueType>, OpError> {
    require_number(ctx, 0)?;
    let mut result = ctx.input(0)?.clone();
    for i in 1..ctx.types.len() {
        require_same_type(ctx, 0, i)?;
        let other = &ctx.input(i)?.shape;
        result.shape = broadcast(&result.shape, other).ok_or_else(|| {
            ctx.error(format!("shape {other} of input {i} does not broadcast with {} of those before", result.shape))
        })?;
    }
    Ok(vec![result])
}

/// As [`broadcast_all`], of floats.
pub(super) fn broadcast_floats(ctx: &InferContext) -> Result<Vec<ValueType>, OpError> {
    require_float(ctx, 0)?;
    broadcast_all(ctx)
}

/// The elements of an integer or boolean tensor, exact also for u64.
pub(super) fn integers(tensor: &Tensor) -> Vec<i128> {
    match tensor.data() {
        TensorData::U64(v) => v.iter().map(|&x| x.into()).collect(),
        _ => tensor.to_i64().into_iter().map(i128::from).collect(),
    }
}

/// A tensor of an integer type from exact integers, wrapping.
pub(super) fn from_integers(dtype: DataType, shape: &[usize], values: &[i128]) -> Tensor {
    Tensor::from_i64(dtype, shape, &values.iter().map(|&v| v as i64).collect::<Vec<_>>())
}

/// Whether the elements are computed in integers.
pub(super) fn is_exact(dtype: DataType) -> bool {
    dtype.is_integer() || dtype == DataType::Bool
}

/// Applies `f` to every element of input 0, in f64.
pub(super) fn eval_unary(ctx: &EvalContext, f: impl Fn(f64) -> f64) -> Result<Vec<Tensor>, OpError> {
    let x = ctx.input(0)?;
    let values: Vec<f64> = x.to_f64().into_iter().map(f).collect();
    Ok(vec![Tensor::from_f64(x.dtype(), x.shape(), &values)])
}

/// Applies `float` (in f64) or `int` (exactly, wrapping to the type) to every element of input 0.
pub(super) fn eval_number(
    ctx: &EvalContext,
    float: impl Fn(f64) -> f64,
    int: impl Fn(i128) -> i128,
) -> Result<Vec<Tensor>, OpError> {
    let x = ctx.input(0)?;
    if !is_exact(x.dtype()) {
        return eval_unary(ctx, float);
    }
    let values: Vec<i128> = integers(x).into_iter().map(int).collect();
    Ok(vec![from_integers(x.dtype(), x.shape(), &values)])
}

/// The broadcast of two shapes, and for each of its elements the offsets of the two elements that meet there.
pub(super) fn pairs(
    ctx: &EvalContext,
    a: &Tensor,
    b: &Tensor,
) -> Result<(Vec<usize>, impl Iterator<Item = (usize, usize)> + use<>), OpError> {
    let shape = broadcast_sizes(a.shape(), b.shape())
        .ok_or_else(|| ctx.error(format!("shapes {:?} and {:?} do not broadcast", a.shape(), b.shape())))?;
    let pairs = broadcast_offsets(a.shape(), &shape).into_iter().zip(broadcast_offsets(b.shape(), &shape));
    Ok((shape, pairs))
}

/// Applies `float` (in f64) or `int` (exactly, wrapping to the type) to the broadcast of inputs 0 and 1.
pub(super) fn eval_binary(
    ctx: &EvalContext,
    float: impl Fn(f64, f64) -> f64,
    int: impl Fn(i128, i128) -> i128,
) -> Result<Vec<Tensor>, OpError> {
    Ok(vec![combine(ctx, ctx.input(0)?, ctx.input(1)?, &float, &int)?])
}

/// Applies `float` or `int` to all inputs in order, as a chain of binary operations. Floats stay f64 to the end.
pub(super) fn eval_variadic(
    ctx: &EvalContext,
    float: impl Fn(f64, f64) -> f64,
    int: impl Fn(i128, i128) -> i128,
) -> Result<Vec<Tensor>, OpError> {
    let first = ctx.input(0)?;
    let dtype = first.dtype();
    let wide = if is_exact(dtype) { dtype } else { DataType::F64 };
    let mut result = first.cast(wide);
    for i in 1..ctx.inputs.len() {
        let next = ctx.input(i)?;
        if next.dtype() != dtype {
            return Err(ctx.error(format!("input {i} has type {}, input 0 has {dtype}", next.dtype())));
        }
        result = combine(ctx, &result, &next.cast(wide), &float, &int)?;
    }
    Ok(vec![result.cast(dtype)])
}

fn combine(
    ctx: &EvalContext,
    a: &Tensor,
    b: &Tensor,
    float: &impl Fn(f64, f64) -> f64,
    int: &impl Fn(i128, i128) -> i128,
) -> Result<Tensor, OpError> {
    let dtype = a.dtype();
    if b.dtype() != dtype {
        return Err(ctx.error(format!("inputs have types {dtype} and {}; they have to be the same", b.dtype())));
    }
    let (shape, pairs) = pairs(ctx, a, b)?;
    Ok(if is_exact(dtype) {
        let (a, b) = (integers(a), integers(b));
        from_integers(dtype, &shape, &pairs.map(|(i, j)| int(a[i], b[j])).collect::<Vec<_>>())
    } else {
        let (a, b) = (a.to_f64(), b.to_f64());
        Tensor::from_f64(dtype, &shape, &pairs.map(|(i, j)| float(a[i], b[j])).collect::<Vec<_>>())
    })
}

/// `dx = g * derivative(x, y)`.
pub(super) fn unary_grad(
    ctx: &mut GradContext,
    derivative: impl FnOnce(&mut Builder, ValueId, ValueId) -> Result<ValueId, OpError>,
) -> Result<Vec<Option<ValueId>>, OpError> {
    let (g, x, y) = (ctx.grad()?, ctx.input(0)?, ctx.output(0)?);
    let slope = derivative(ctx.builder, x, y)?;
    Ok(vec![Some(ctx.builder.mul(g, slope)?)])
}

/// The gradient of a piecewise constant operator: nothing flows.
pub(super) fn no_grad(ctx: &mut GradContext) -> Result<Vec<Option<ValueId>>, OpError> {
    Ok(vec![None; ctx.node.inputs.len()])
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
        if skip == 0 {
            return Ok(sum);
        }
        self.reshape(sum, &to.iter().map(|&n| n as i64).collect::<Vec<_>>())
    }

    /// `x * factor`, with the factor as a constant of `x`'s type.
    pub(super) fn scale_by(&mut self, x: ValueId, factor: f64) -> Result<ValueId, OpError> {
        let factor = self.scalar_like(x, factor)?;
        self.mul(x, factor)
    }

    /// `x + summand`, with the summand as a constant of `x`'s type.
    pub(super) fn shift_by(&mut self, x: ValueId, summand: f64) -> Result<ValueId, OpError> {
        let summand = self.scalar_like(x, summand)?;
        self.add(x, summand)
    }

    /// `value - x`, with the value as a constant of `x`'s type.
    pub(super) fn minus_from(&mut self, value: f64, x: ValueId) -> Result<ValueId, OpError> {
        let value = self.scalar_like(x, value)?;
        self.sub(value, x)
    }

    /// Whether `x` is below 0.
    pub(super) fn is_negative(&mut self, x: ValueId) -> Result<ValueId, OpError> {
        let zero = self.scalar_like(x, 0.0)?;
        self.less(x, zero)
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
    append_axes(ctx, 1, b, a.saturating_sub(axis + b));
    Ok(())
}

/// Gives input `index`, of rank `rank`, `count` more axes of size 1 at its end.
pub(super) fn append_axes(ctx: &mut UpgradeContext, index: usize, rank: usize, count: usize) {
    if count == 0 {
        return;
    }
    let trailing: Vec<i64> = (rank..rank + count).map(|i| i as i64).collect();
    let name = ctx.graph.fresh_name(&format!("{}_aligned", ctx.node.name));
    let aligned = ctx.graph.add_value(&name, None, None);
    let axes = ctx.graph.fresh_name(&format!("{}_axes", ctx.node.name));
    let axes = ctx.graph.add_initializer(&axes, Tensor::vector(&trailing));
    ctx.before.push(Node::new("Unsqueeze", [ctx.node.input(index), Some(axes)], [Some(aligned)]));
    ctx.node.inputs[index] = Some(aligned);
}

#[cfg(test)]
mod tests {
    use ocellus_graph::{Attributes, DataType, Graph, Model, Node, Shape, Tensor};

    #[test]
    fn a_legacy_axis_lines_up_the_second_input() {
        let mut g = Graph::new("old");
        let a = g.add_value("a", Some(DataType::F32), Some(Shape::fixed(&[1, 2, 3])));
        let b = g.add_value("b", Some(DataType::F32), Some(Shape::fixed(&[2])));
        let y = g.add_value("y", None, None);
        g.inputs = vec![a, b];
        g.outputs = vec![y];
        let legacy = Attributes::new().with("broadcast", 1i64).with("axis", 1i64);
        g.nodes.push(Node::new("Mul", [Some(a), Some(b)], [Some(y)]).with_attributes(legacy));
        let mut model = Model::new(g);
        model.opset = 6;
        crate::upgrade(&mut model).unwrap();
        crate::infer(&mut model).unwrap();
        let inputs = [("a", Tensor::full(DataType::F32, &[1, 2, 3], 2.0)), ("b", Tensor::vector(&[1f32, 10.]))];
        let y = &crate::evaluate(&model, &inputs).unwrap()["y"];
        assert_eq!(*y, Tensor::of(&[1, 2, 3], vec![2f32, 2., 2., 20., 20., 20.]));
    }

    #[test]
    fn mixed_types_and_shapes_that_do_not_fit_are_refused() {
        let mut b = crate::Builder::new("bad");
        let x = b.input("x", DataType::F32, &[2, 3]);
        let i = b.input("i", DataType::I32, &[2, 3]);
        let s = b.input("s", DataType::F32, &[2]);
        let t = b.input("t", DataType::String, &[2, 3]);
        assert!(b.mul(x, i).unwrap_err().to_string().contains("f32 and i32"));
        assert!(b.mul(x, s).unwrap_err().to_string().contains("do not broadcast"));
        assert!(b.mul(t, t).unwrap_err().to_string().contains("takes numbers"));
        assert!(b.exp(i).unwrap_err().to_string().contains("takes floats"));
    }

    #[test]
    fn sums_a_gradient_back_to_its_target() {
        let y = crate::check::eval(
            |b, v| b.sum_to_shape_of(v[0], v[1]),
            &[Tensor::of(&[2, 2, 2], vec![1f32, 2., 3., 4., 5., 6., 7., 8.]), Tensor::of(&[2, 1], vec![0f32, 0.])],
        );
        assert_eq!(y, Tensor::of(&[2, 1], vec![14f32, 22.]));
    }
}
