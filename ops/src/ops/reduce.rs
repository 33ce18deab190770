//! What the reductions share: axes, shape rule, evaluation, the parts of their gradients.

use ocellus_graph::{Attributes, DataType, Dim, Shape, Tensor, ValueId};

use super::elementwise::{from_integers, integers, is_exact, require_number};
use crate::shapes::{axis, offsets, strides};
use crate::{Builder, EvalContext, GradContext, InferContext, InputRole, OpDef, OpError, OutputScale, QuantRule};
use crate::{UpgradeContext, ValueType};

/// The activation and its axes, an output whose scale is calibrated.
pub(super) const CALIBRATED: QuantRule = QuantRule { inputs: |_| roles(), output: OutputScale::Calibrated };

/// The activation and its axes, an output that is one of the inputs.
pub(super) const SELECTS: QuantRule = QuantRule { inputs: |_| roles(), output: OutputScale::SameAsInput };

fn roles() -> Vec<InputRole> {
    vec![InputRole::Activation, InputRole::Other]
}

/// What a reduction makes of the elements that fall together.
pub(super) struct Reduction {
    /// Of floats, in f64.
    pub float: fn(&[f64]) -> f64,
    /// Of integers, exactly, given the least and greatest value of the type; `None` where no element has no answer.
    pub int: fn(&[i128], (i128, i128)) -> Option<i128>,
}

/// Which axes the list names: in order, each once. An empty list means all of them, or none with `noop`.
fn resolve(list: &[i64], rank: usize, noop: bool) -> Result<Vec<usize>, String> {
    if list.is_empty() {
        return Ok(if noop { Vec::new() } else { (0..rank).collect() });
    }
    let mut axes = Vec::with_capacity(list.len());
    for &a in list {
        let a = axis(a, rank).ok_or_else(|| format!("axis {a} is out of range for an input of rank {rank}"))?;
        if axes.contains(&a) {
            return Err(format!("axis {a} is named twice in axes {list:?}"));
        }
        axes.push(a);
    }
    axes.sort_unstable();
    Ok(axes)
}

/// The shape after the reduction: sizes of 1 in place of `axes`, or nothing.
fn reduced(shape: &[Dim], axes: &[usize], keep: bool) -> Shape {
    let dims = shape.iter().enumerate().filter(|(i, _)| keep || !axes.contains(i));
    dims.map(|(i, d)| if axes.contains(&i) { Dim::Known(1) } else { d.clone() }).collect()
}

/// The shape rule of every reduction of numbers (ONNX Reduce*-18, ReduceSum-13).
pub(super) fn infer(ctx: &InferContext) -> Result<Vec<ValueType>, OpError> {
    require_number(ctx, 0)?;
    infer_any(ctx)
}

/// The shape rule without a look at the type.
pub(super) fn infer_any(ctx: &InferContext) -> Result<Vec<ValueType>, OpError> {
    let x = ctx.input(0)?;
    let keep = ctx.int("keepdims", 1) != 0;
    let noop = ctx.int("noop_with_empty_axes", 0) != 0;
    let list = match (ctx.optional(1), ctx.constant(1)) {
        (None, _) => Some(Vec::new()),
        (_, Some(constant)) => Some(constant.to_i64()),
        (Some(given), None) => (given.shape.elements() == Some(0)).then(Vec::new),
    };
    let shape = match list {
        Some(list) => {
            let axes = resolve(&list, x.shape.rank(), noop).map_err(|problem| ctx.error(problem))?;
            reduced(&x.shape, &axes, keep)
        }
        None if keep => x.shape.iter().map(|d| if *d == Dim::Known(1) { d.clone() } else { Dim::Unknown }).collect(),
        None => unknown_axes(ctx, x.shape.rank())?,
    };
    Ok(vec![ValueType::new(x.dtype, shape)])
}

/// The shape where only the number of axes is known.
fn unknown_axes(ctx: &InferContext, rank: usize) -> Result<Shape, OpError> {
    let count = ctx.input(1)?.shape.elements();
    let rest = count.and_then(|n| rank.checked_sub(n)).ok_or_else(|| {
        ctx.error("input 1 (axes) has to be a constant, or of a known size no greater than the rank of input 0")
    })?;
    Ok(Shape(vec![Dim::Unknown; rest]))
}

/// The evaluation of every reduction.
pub(super) fn eval(ctx: &EvalContext, reduction: &Reduction) -> Result<Vec<Tensor>, OpError> {
    let x = ctx.input(0)?;
    let list = ctx.optional(1).map(Tensor::to_i64).unwrap_or_default();
    let noop = ctx.int("noop_with_empty_axes", 0) != 0;
    let axes = resolve(&list, x.rank(), noop).map_err(|problem| ctx.error(problem))?;
    let groups = Groups::new(x.shape(), &axes);
    let keep = ctx.int("keepdims", 1) != 0;
    let shape = reduced(&Shape::fixed(x.shape()), &axes, keep).known().unwrap_or_default();
    if !is_exact(x.dtype()) {
        return Ok(vec![Tensor::from_f64(x.dtype(), &shape, &groups.map(&x.to_f64(), reduction.float))]);
    }
    let range = x.dtype().integer_range().unwrap_or((0, 1));
    let values: Option<Vec<i128>> =
        groups.map(&integers(x), |group| (reduction.int)(group, range)).into_iter().collect();
    let values =
        values.ok_or_else(|| ctx.error(format!("no elements have no such value in {}; cast to a float", x.dtype())))?;
    Ok(vec![from_integers(x.dtype(), &shape, &values)])
}

/// The offsets of the elements that fall together: those of one group are `bases[k] + steps`.
pub(super) struct Groups {
    bases: Vec<usize>,
    steps: Vec<usize>,
}

impl Groups {
    /// The groups of a tensor of this shape, reduced over `axes`; in row-major order of what remains.
    pub fn new(shape: &[usize], axes: &[usize]) -> Self {
        let strides = strides(shape);
        let walk = |inside: bool| {
            let chosen = (0..shape.len()).filter(|i| axes.contains(i) == inside);
            let (sizes, steps): (Vec<usize>, Vec<usize>) = chosen.map(|i| (shape[i], strides[i])).unzip();
            offsets(&sizes, &steps)
        };
        Self { bases: walk(false), steps: walk(true) }
    }

    /// `f` of the elements of each group.
    pub fn map<T: Copy, R>(&self, values: &[T], f: impl Fn(&[T]) -> R) -> Vec<R> {
        let mut group = Vec::with_capacity(self.steps.len());
        let one = |&base: &usize| {
            group.clear();
            group.extend(self.steps.iter().map(|&step| values[base + step]));
            f(&group)
        };
        self.bases.iter().map(one).collect()
    }
}

/// What the gradient of a reduction needs to know.
pub(super) struct Parts {
    /// The input of the forward node.
    pub x: ValueId,
    /// The gradient of the output, shaped as with `keepdims = 1`, so that it broadcasts against `x`.
    pub g: ValueId,
    /// The axes.
    pub axes: Vec<i64>,
    /// How many elements fall together.
    pub count: usize,
    kept: Vec<i64>,
    keep: bool,
}

impl Parts {
    /// Reads the forward node, whose axes have to be constant.
    pub fn new(ctx: &mut GradContext) -> Result<Self, OpError> {
        let x = ctx.input(0)?;
        let list = match ctx.node.input(1) {
            None => Vec::new(),
            Some(id) => {
                let constant = ctx.builder.constant_of(id);
                constant.ok_or_else(|| ctx.error("its axes (input 1) have to be a constant for a gradient"))?.to_i64()
            }
        };
        let shape = ctx.builder.shape(x)?;
        let noop = ctx.int("noop_with_empty_axes", 0) != 0;
        let axes = resolve(&list, shape.len(), noop).map_err(|problem| ctx.error(problem))?;
        let kept = (0..shape.len()).map(|i| if axes.contains(&i) { 1 } else { shape[i] as i64 }).collect();
        let count = axes.iter().map(|&i| shape[i]).product();
        let keep = ctx.int("keepdims", 1) != 0;
        let axes = axes.into_iter().map(|i| i as i64).collect();
        let mut parts = Self { x, g: ctx.grad()?, axes, count, kept, keep };
        parts.g = parts.aligned(ctx.builder, parts.g)?;
        Ok(parts)
    }

    /// A value of the output's shape, shaped as with `keepdims = 1`.
    pub fn aligned(&self, b: &mut Builder, value: ValueId) -> Result<ValueId, OpError> {
        if self.keep || self.axes.is_empty() { Ok(value) } else { b.reshape(value, &self.kept) }
    }

    /// A value shaped as with `keepdims = 1`, repeated to the shape of `x`.
    pub fn spread(&self, b: &mut Builder, value: ValueId) -> Result<ValueId, OpError> {
        let shape: Vec<i64> = b.shape(self.x)?.into_iter().map(|n| n as i64).collect();
        if shape == self.kept { Ok(value) } else { b.expand(value, &shape) }
    }

    /// The sum of a value of `x`'s shape over the axes, shaped as with `keepdims = 1`.
    pub fn sum(&self, b: &mut Builder, value: ValueId) -> Result<ValueId, OpError> {
        if self.axes.is_empty() { Ok(value) } else { b.reduce_sum(value, &self.axes, true) }
    }
}

/// The gradients of a reduction: `dx`, and none for the axes.
pub(super) fn grads(ctx: &GradContext, dx: ValueId) -> Vec<Option<ValueId>> {
    let mut grads = vec![None; ctx.node.inputs.len()];
    grads[0] = Some(dx);
    grads
}

/// `g / k` to each of the `k` elements that equal the extreme of their group, so that the parts add up to `g`.
pub(super) fn extreme_grad(ctx: &mut GradContext) -> Result<Vec<Option<ValueId>>, OpError> {
    let parts = Parts::new(ctx)?;
    let y = ctx.output(0)?;
    let b = &mut *ctx.builder;
    let y = parts.aligned(b, y)?;
    let dtype = b.dtype(parts.x)?;
    let same = b.equal(parts.x, y)?;
    let mask = b.cast(same, dtype)?;
    let ties = parts.sum(b, mask)?;
    let share = b.div(parts.g, ties)?;
    let dx = b.mul(mask, share)?;
    Ok(grads(ctx, dx))
}

/// `axes` was an attribute before opset 18 (opset 13 for ReduceSum).
pub(super) fn upgrade(ctx: &mut UpgradeContext) -> Result<(), OpError> {
    ctx.attribute_to_input("axes", 1);
    Ok(())
}

/// Adds a reduction over `axes`; over all where the list is empty.
pub(super) fn apply(b: &mut Builder, op: &OpDef, x: ValueId, axes: &[i64], keep: bool) -> Result<ValueId, OpError> {
    let attributes = Attributes::new().with("keepdims", i64::from(keep));
    if axes.is_empty() {
        return b.apply(op, &[x], attributes);
    }
    let axes = b.indices(axes);
    b.apply(op, &[x, axes], attributes)
}

/// The least positive normal number of a float type: a denominator's floor that changes no other quotient.
pub(super) fn least_normal(dtype: DataType) -> f64 {
    match dtype {
        DataType::F64 => f64::MIN_POSITIVE,
        DataType::F16 => half::f16::MIN_POSITIVE.to_f64(),
        _ => f64::from(f32::MIN_POSITIVE),
    }
}

#[cfg(test)]
mod tests {
    use ocellus_graph::{Graph, Model, Node};

    use super::*;
    use crate::check;

    #[test]
    fn axes_count_from_both_ends_and_are_checked() {
        assert_eq!(resolve(&[-1, 0], 3, false), Ok(vec![0, 2]));
        assert_eq!(resolve(&[], 2, false), Ok(vec![0, 1]));
        assert_eq!(resolve(&[], 2, true), Ok(vec![]));
        assert!(resolve(&[2], 2, false).unwrap_err().contains("out of range"));
        assert!(resolve(&[1, -1], 2, false).unwrap_err().contains("twice"));
    }

    #[test]
    fn groups_gather_what_falls_together() {
        let groups = Groups::new(&[2, 2, 3], &[0, 2]);
        let values: Vec<usize> = (0..12).collect();
        assert_eq!(groups.map(&values, <[usize]>::to_vec), [[0, 1, 2, 6, 7, 8], [3, 4, 5, 9, 10, 11]]);
    }

    /// `ReduceSum` of `x: [2, n, 3]` with axes that are an input of the graph.
    fn with_axes_at_run_time(keep: i64, count: usize) -> Result<String, OpError> {
        let mut g = Graph::new("late");
        let shape = Shape(vec![Dim::Known(1), Dim::Symbol("n".into()), Dim::Known(3)]);
        let x = g.add_value("x", Some(DataType::F32), Some(shape));
        let axes = g.add_value("axes", Some(DataType::I64), Some(Shape::fixed(&[count])));
        let y = g.add_value("y", None, None);
        (g.inputs, g.outputs) = (vec![x, axes], vec![y]);
        let attributes = Attributes::new().with("keepdims", keep);
        g.nodes.push(Node::new("ReduceSum", [Some(x), Some(axes)], [Some(y)]).with_attributes(attributes));
        let mut model = Model::new(g);
        crate::infer(&mut model)?;
        Ok(model.graph.value(y).shape.as_ref().map(Shape::to_string).unwrap_or_default())
    }

    #[test]
    fn axes_that_are_not_constant_leave_unknown_sizes() {
        assert_eq!(with_axes_at_run_time(1, 2).unwrap(), "[1, ?, ?]");
        assert_eq!(with_axes_at_run_time(0, 2).unwrap(), "[?]");
        assert_eq!(with_axes_at_run_time(0, 0).unwrap(), "[]");
        assert!(with_axes_at_run_time(0, 4).is_err());
    }

    #[test]
    fn an_axes_attribute_becomes_an_input() {
        let mut g = Graph::new("old");
        let x = g.add_value("x", Some(DataType::F32), Some(Shape::fixed(&[2, 2])));
        let y = g.add_value("y", None, None);
        (g.inputs, g.outputs) = (vec![x], vec![y]);
        let attributes = Attributes::new().with("axes", vec![-1i64]).with("keepdims", 0i64);
        g.nodes.push(Node::new("ReduceMean", [Some(x)], [Some(y)]).with_attributes(attributes));
        let mut model = Model::new(g);
        model.opset = 13;
        crate::upgrade(&mut model).unwrap();
        crate::infer(&mut model).unwrap();
        let y = &crate::evaluate(&model, &[("x", Tensor::of(&[2, 2], vec![1f32, 3., 5., 9.]))]).unwrap()["y"];
        assert_eq!(*y, Tensor::vector(&[2f32, 7.]));
    }

    #[test]
    fn nothing_is_reduced_with_noop_and_no_axes() {
        let y = check::eval(
            |b, v| {
                b.apply_named("ReduceSum", &[Some(v[0])], Attributes::new().with("noop_with_empty_axes", 1i64), 1)
                    .map(|y| y[0])
            },
            &[Tensor::vector(&[1f32, 2.])],
        );
        assert_eq!(y, Tensor::vector(&[1f32, 2.]));
    }
}
