//! `Pad`: adds (or, below zero, removes) elements at both ends of axes (ONNX Pad-21).

use ocellus_graph::{Attribute, Attributes, Dim, Node, Shape, Tensor, ValueId};

use super::movement::{MOVES, axes, first_element, grown, list, pick_or};
use crate::shapes::strides;
use crate::{Builder, EvalContext, GradContext, InferContext, OpDef, OpError, UpgradeContext, ValueType};

pub(crate) const OP: OpDef = OpDef {
    eval: Some(eval),
    grad: Some(grad),
    quant: Some(MOVES),
    upgrade: Some(upgrade),
    lower: Some(super::movement_lower::pad),
    ..OpDef::new("Pad", infer)
};

/// Where the new elements come from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Mode {
    Constant,
    Edge,
    Reflect,
    Wrap,
}

impl Mode {
    fn parse(name: &str) -> Result<Self, String> {
        Ok(match name {
            "constant" => Self::Constant,
            "edge" => Self::Edge,
            "reflect" => Self::Reflect,
            "wrap" => Self::Wrap,
            _ => return Err(format!("mode {name:?} is none of constant, edge, reflect, wrap")),
        })
    }

    /// The element that stands at place `i` outside `0..n`.
    fn source(self, i: i64, n: i64) -> Option<i64> {
        match self {
            Self::Constant => None,
            Self::Edge => Some(i.clamp(0, n - 1)),
            Self::Wrap => Some(i.rem_euclid(n)),
            Self::Reflect if n == 1 => Some(0),
            Self::Reflect => {
                let i = i.rem_euclid(2 * (n - 1));
                Some(i.min(2 * (n - 1) - i))
            }
        }
    }
}

/// The most elements that a pad may add or remove: sums of two cannot overflow.
const MOST_PADDED: u64 = 1 << 48;

/// Elements added before and after every axis.
fn amounts(rank: usize, pads: &[i64], given: Option<&[i64]>) -> Result<Vec<(i64, i64)>, String> {
    let along = match given {
        Some(given) => axes(given, rank)?,
        None => (0..rank).collect(),
    };
    let (before, after) = pads.split_at(pads.len() / 2);
    if pads.len() != 2 * along.len() {
        return Err(format!("pads has {} entries for {} axes; it needs two for each", pads.len(), along.len()));
    }
    if let Some(&far) = pads.iter().find(|&&n| n.unsigned_abs() > MOST_PADDED) {
        return Err(format!("cannot pad by {far} elements"));
    }
    let mut all = vec![(0, 0); rank];
    for ((axis, &b), &a) in along.into_iter().zip(before).zip(after) {
        all[axis] = (b, a);
    }
    Ok(all)
}

/// The source of every element along a padded axis; `None` is the constant. What is removed goes first, so that a
/// reflection happens at the new edge.
fn sources(size: usize, (before, after): (i64, i64), mode: Mode) -> Result<Vec<Option<usize>>, String> {
    let total = grown(&Dim::Known(size), before.saturating_add(after))?.known().unwrap_or(0) as i64;
    let (first, end) = ((-before).max(0), size as i64 - (-after).max(0));
    let shift = before.max(0);
    let source = |o: i64| {
        let i = o - shift;
        if mode == Mode::Constant || (0..end - first).contains(&i) {
            return Ok(Some(first + i).filter(|k| (0..size as i64).contains(k)));
        }
        if end <= first {
            return Err(format!("nothing of {size} elements is left to fill pads of {before} and {after} from"));
        }
        Ok(mode.source(i, end - first).map(|k| first + k))
    };
    (0..total).map(|o| Ok(source(o)?.map(|k| k as usize))).collect()
}

fn infer(ctx: &InferContext) -> Result<Vec<ValueType>, OpError> {
    let x = ctx.input(0)?;
    Mode::parse(&ctx.string("mode", "constant")).map_err(|e| ctx.error(e))?;
    if let Some(value) = ctx.optional(2).filter(|v| v.dtype != x.dtype) {
        return Err(ctx.error(format!("pads elements of type {} with a value of type {}", x.dtype, value.dtype)));
    }
    ctx.input(1)?;
    let given = list(ctx, 3);
    let (Some(pads), true) = (list(ctx, 1), given.is_some() || ctx.optional(3).is_none()) else {
        return Ok(vec![ValueType::new(x.dtype, Shape(vec![Dim::Unknown; x.shape.rank()]))]);
    };
    let amounts = amounts(x.shape.rank(), &pads, given.as_deref()).map_err(|e| ctx.error(e))?;
    let dims = x.shape.iter().zip(amounts).map(|(d, (b, a))| grown(d, b.saturating_add(a)));
    let shape: Result<Shape, String> = dims.collect::<Result<Vec<_>, _>>().map(Shape);
    Ok(vec![ValueType::new(x.dtype, shape.map_err(|e| ctx.error(e))?)])
}

fn eval(ctx: &EvalContext) -> Result<Vec<Tensor>, OpError> {
    let x = ctx.input(0)?;
    let given = ctx.optional(3).map(Tensor::to_i64);
    let mode = Mode::parse(&ctx.string("mode", "constant")).map_err(|e| ctx.error(e))?;
    let amounts = amounts(x.rank(), &ctx.input(1)?.to_i64(), given.as_deref()).map_err(|e| ctx.error(e))?;
    let value = match ctx.optional(2) {
        Some(value) => first_element(value).ok_or_else(|| ctx.error("the constant to pad with is empty"))?,
        None => Tensor::full(x.dtype(), &[], 0.0),
    };
    let mut offsets = vec![Some(0)];
    let mut shape = Vec::with_capacity(x.rank());
    for ((&size, amount), step) in x.shape().iter().zip(amounts).zip(strides(x.shape())) {
        let along = sources(size, amount, mode).map_err(|e| ctx.error(e))?;
        shape.push(along.len());
        let sum = |base: Option<usize>, i: Option<usize>| Some(base? + i? * step);
        offsets = offsets.iter().flat_map(|&base| along.iter().map(move |&i| sum(base, i))).collect();
    }
    let padded = pick_or(x, &value, &shape, &offsets);
    Ok(vec![padded.ok_or_else(|| ctx.error(format!("pads {} with a value of type {}", x.dtype(), value.dtype())))?])
}

/// Of a constant pad: what was added is cut off, what was removed gets zeros. Of the other modes: for each axis, the sum
/// of the runs of neighbouring elements that were copied, each put back in its place.
fn grad(ctx: &mut GradContext) -> Result<Vec<Option<ValueId>>, OpError> {
    let (mut g, x) = (ctx.grad()?, ctx.input(0)?);
    let shape = ctx.builder.shape(x)?;
    let constant = |i: usize| ctx.node.input(i).and_then(|v| ctx.builder.constant_of(v)).map(Tensor::to_i64);
    let pads = constant(1).ok_or_else(|| ctx.error("the gradient needs constant pads"))?;
    let amounts = amounts(shape.len(), &pads, constant(3).as_deref()).map_err(|e| ctx.error(e))?;
    let mode = Mode::parse(&ctx.string("mode", "constant")).map_err(|e| ctx.error(e))?;
    if mode == Mode::Constant {
        g = constant_unpad(ctx.builder, g, &amounts)?;
    } else {
        for (axis, &amount) in amounts.iter().enumerate().filter(|(_, a)| **a != (0, 0)) {
            let sources = sources(shape[axis], amount, mode).map_err(|e| ctx.error(e))?;
            let sources: Vec<i64> = sources.into_iter().flatten().map(|i| i as i64).collect();
            g = unpad(ctx.builder, g, axis, &sources, shape[axis])?;
        }
    }
    Ok(std::iter::once(Some(g)).chain((1..ctx.node.inputs.len()).map(|_| None)).collect())
}

/// The opposite of a constant pad. A slice and no negative pad, which not every engine knows.
fn constant_unpad(b: &mut Builder, g: ValueId, amounts: &[(i64, i64)]) -> Result<ValueId, OpError> {
    let cut: Vec<usize> = (0..amounts.len()).filter(|&i| amounts[i].0 > 0 || amounts[i].1 > 0).collect();
    let sizes = b.shape(g)?;
    let axes: Vec<i64> = cut.iter().map(|&i| i as i64).collect();
    let starts: Vec<i64> = cut.iter().map(|&i| amounts[i].0.max(0)).collect();
    let ends: Vec<i64> = cut.iter().map(|&i| sizes[i] as i64 - amounts[i].1.max(0)).collect();
    let g = if cut.is_empty() { g } else { b.slice(g, &starts, &ends, &axes, &vec![1; cut.len()])? };
    let removed = |amount: i64| (-amount).max(0);
    let pads: Vec<i64> = amounts.iter().map(|a| removed(a.0)).chain(amounts.iter().map(|a| removed(a.1))).collect();
    if pads.iter().all(|&p| p == 0) { Ok(g) } else { b.pad(g, &pads, "constant", 0.0) }
}

/// For `y[o] = x[sources[o]]` along an axis: the gradient of `x` from that of `y`.
fn unpad(b: &mut Builder, g: ValueId, axis: usize, sources: &[i64], size: usize) -> Result<ValueId, OpError> {
    let along = [axis as i64];
    let mut sum: Option<ValueId> = None;
    for (at, count) in runs(sources) {
        let last = at + count - 1;
        let step = if count > 1 { sources[at + 1] - sources[at] } else { 1 };
        let (start, end) = (at as i64, at as i64 + count as i64);
        let mut part = match step {
            -1 => b.slice(g, &[end - 1], &[if start == 0 { i64::MIN } else { start - 1 }], &along, &[-1])?,
            _ => b.slice(g, &[start], &[end], &along, &[1])?,
        };
        if step == 0 {
            part = b.reduce_sum(part, &along, true)?;
        }
        let first = sources[at].min(sources[last]) as usize;
        let length = if step == 0 { 1 } else { count };
        let places: Vec<usize> = (first..first + length).collect();
        let part = b.spread_along(part, axis, &places, size)?;
        sum = Some(match sum {
            Some(sum) => b.add(sum, part)?,
            None => part,
        });
    }
    sum.map_or_else(|| b.spread_along(g, axis, &[], size), Ok)
}

/// The longest pieces (place and length) in which the sources go up by 1, down by 1, or stay.
fn runs(sources: &[i64]) -> Vec<(usize, usize)> {
    let mut runs = Vec::new();
    let mut at = 0;
    while at < sources.len() {
        let step = sources.get(at + 1).map_or(1, |next| next - sources[at]);
        let mut end = at + 1;
        while step.abs() <= 1 && end < sources.len() && sources[end] - sources[end - 1] == step {
            end += 1;
        }
        runs.push((at, end - at));
        at = end;
    }
    runs
}

/// Opset 11 made pads and value inputs.
fn upgrade(ctx: &mut UpgradeContext) -> Result<(), OpError> {
    ctx.attribute_to_input("pads", 1);
    let Some(Attribute::Float(value)) = ctx.node.attributes.remove("value") else { return Ok(()) };
    if value == 0.0 {
        return Ok(());
    }
    // The element type may not be known yet: CastLike takes it from the input.
    ctx.set_constant(2, "value", Tensor::scalar(value));
    let name = ctx.graph.fresh_name(&format!("{}_typed_value", ctx.node.name));
    let typed = ctx.graph.add_value(&name, None, None);
    ctx.before.push(Node::new("CastLike", [ctx.node.input(2), ctx.node.input(0)], [Some(typed)]));
    ctx.node.inputs[2] = Some(typed);
    Ok(())
}

impl Builder {
    /// `x` with `pads` elements more (fewer, below zero) before all axes, then after all axes; `mode` is `constant`
    /// (of `value`), `edge`, `reflect` or `wrap`.
    pub fn pad(&mut self, x: ValueId, pads: &[i64], mode: &str, value: f64) -> Result<ValueId, OpError> {
        let mut inputs = vec![x, self.indices(pads)];
        if mode == "constant" && value != 0.0 {
            inputs.push(self.scalar_like(x, value)?);
        }
        self.apply(&OP, &inputs, Attributes::new().with("mode", mode))
    }
}

#[cfg(test)]
mod tests {
    use ocellus_graph::{DataType, Graph, Model};

    use crate::check;

    use super::*;

    fn line(mode: &str, before: i64, after: i64) -> Vec<f32> {
        let x = Tensor::vector(&[1f32, 2., 3., 4.]);
        check::eval(|b, v| b.pad(v[0], &[before, after], mode, 9.0), &[x]).to_f32()
    }

    #[test]
    fn every_mode() {
        assert_eq!(line("constant", 2, 1), [9., 9., 1., 2., 3., 4., 9.]);
        assert_eq!(line("edge", 2, 1), [1., 1., 1., 2., 3., 4., 4.]);
        assert_eq!(line("reflect", 2, 3), [3., 2., 1., 2., 3., 4., 3., 2., 1.]);
        assert_eq!(line("wrap", 1, 2), [4., 1., 2., 3., 4., 1., 2.]);
        // Longer than the axis: the reflection goes back and forth.
        assert_eq!(line("reflect", 5, 0), [2., 3., 4., 3., 2., 1., 2., 3., 4.]);
        assert_eq!(line("wrap", 5, 0), [4., 1., 2., 3., 4., 1., 2., 3., 4.]);
    }

    #[test]
    fn negative_pads_remove() {
        assert_eq!(line("constant", -1, 2), [2., 3., 4., 9., 9.]);
        assert_eq!(line("constant", -1, -2), [2.]);
        assert_eq!(line("reflect", -1, 2), [2., 3., 4., 3., 2.]);
        assert_eq!(line("edge", 1, -2), [1., 1., 2.]);
        let mut b = Builder::new("t");
        let x = b.input("x", DataType::F32, &[4]);
        assert!(b.pad(x, &[-3, -2], "constant", 0.0).is_err());
        assert!(b.pad(x, &[1], "constant", 0.0).is_err());
        assert!(b.pad(x, &[i64::MIN, i64::MAX], "constant", 0.0).is_err());
        assert!(b.pad(x, &[1, 1], "mirror", 0.0).is_err());
    }

    #[test]
    fn axes_choose_what_is_padded() {
        let x = Tensor::of(&[1, 2], vec![1i32, 2]);
        let y = check::eval(
            |b, v| {
                let inputs = [v[0], b.indices(&[1, 0]), b.constant("v", Tensor::scalar(7i32)), b.indices(&[-1])];
                b.apply(&OP, &inputs, Attributes::new())
            },
            &[x],
        );
        assert_eq!(y, Tensor::of(&[1, 3], vec![7, 1, 2]));
    }

    #[test]
    fn an_empty_axis_cannot_be_reflected() {
        assert!(sources(0, (1, 0), Mode::Reflect).is_err());
        assert_eq!(sources(0, (1, 1), Mode::Constant), Ok(vec![None, None]));
    }

    #[test]
    fn the_attributes_become_inputs() {
        let mut g = Graph::new("old");
        let x = g.add_value("x", Some(DataType::F16), Some(Shape::fixed(&[1])));
        let (m, y) = (g.add_value("m", None, None), g.add_value("y", None, None));
        (g.inputs, g.outputs) = (vec![x], vec![y]);
        g.nodes.push(Node::new("Identity", [Some(x)], [Some(m)]));
        let old = Attributes::new().with("pads", vec![0i64, 2]).with("value", 1.5f32);
        g.nodes.push(Node::new("Pad", [Some(m)], [Some(y)]).with_attributes(old));
        let mut model = Model { opset: 6, ..Model::new(g) };
        crate::upgrade(&mut model).unwrap();
        crate::infer(&mut model).unwrap();
        let x = Tensor::full(DataType::F16, &[1], 3.0);
        let y = crate::evaluate(&model, &[("x", x)]).unwrap().remove("y").unwrap();
        assert_eq!(y, Tensor::from_f64(DataType::F16, &[3], &[3.0, 1.5, 1.5]));
    }

    #[test]
    fn gradient() {
        check::gradient(|b, v| b.pad(v[0], &[0, 1, -1, 0, 2, 1], "constant", 0.5), &[&[2, 2, 3]]);
        for mode in ["edge", "reflect", "wrap"] {
            check::gradient(|b, v| b.pad(v[0], &[0, 2, 0, 1], mode, 0.0), &[&[2, 4]]);
            check::gradient(|b, v| b.pad(v[0], &[1, 5, 2, -1], mode, 0.0), &[&[3, 4]]);
        }
    }
}
