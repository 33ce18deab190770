//! `Slice`: every `step`-th element between a start and an end, along chosen axes (ONNX Slice-13).

use ocellus_graph::{Attributes, Dim, Shape, Tensor, ValueId};

use super::movement::{MOVES, axes, list, pick};
use crate::shapes::strides;
use crate::{Builder, EvalContext, GradContext, InferContext, OpDef, OpError, UpgradeContext, ValueType};

pub(crate) const OP: OpDef = OpDef {
    eval: Some(eval),
    grad: Some(grad),
    quant: Some(MOVES),
    upgrade: Some(upgrade),
    lower: Some(super::movement_lower::slice),
    ..OpDef::new("Slice", infer)
};

/// What the four list inputs ask for, one entry per sliced axis.
struct Request {
    axes: Vec<usize>,
    starts: Vec<i64>,
    ends: Vec<i64>,
    steps: Vec<i64>,
}

impl Request {
    fn new(
        rank: usize,
        starts: Vec<i64>,
        ends: Vec<i64>,
        given: Option<Vec<i64>>,
        steps: Option<Vec<i64>>,
    ) -> Result<Self, String> {
        let count = starts.len();
        let given = given.unwrap_or_else(|| (0..count as i64).collect());
        let steps = steps.unwrap_or_else(|| vec![1; count]);
        let lengths = [ends.len(), given.len(), steps.len()];
        if lengths.iter().any(|&n| n != count) {
            return Err(format!("starts, ends, axes and steps have {count}, {lengths:?} entries; all need the same"));
        }
        if steps.contains(&0) {
            return Err("a step of 0 does not move".to_owned());
        }
        Ok(Self { axes: axes(&given, rank)?, starts, ends, steps })
    }

    /// The sliced shape.
    fn shape(&self, from: &Shape) -> Shape {
        let mut shape = from.clone();
        for (i, &axis) in self.axes.iter().enumerate() {
            shape.0[axis] = match &from[axis] {
                Dim::Known(n) => Dim::Known(self.span(i, *n).2),
                d if self.keeps_all(i) => d.clone(),
                _ => Dim::Unknown,
            };
        }
        shape
    }

    /// Whether entry `i` takes the whole axis, whatever its size.
    fn keeps_all(&self, i: usize) -> bool {
        self.steps[i] == 1 && self.starts[i] == 0 && self.ends[i] >= i64::from(i32::MAX)
    }

    /// First place, step and number of the elements that entry `i` selects of an axis of `size` elements.
    fn span(&self, i: usize, size: usize) -> (i128, i128, usize) {
        let (n, step) = (size as i128, i128::from(self.steps[i]));
        if size == 0 {
            return (0, step, 0);
        }
        let from_front = |v: i64| if v < 0 { i128::from(v) + n } else { v.into() };
        let (start, end) = (from_front(self.starts[i]), from_front(self.ends[i]));
        let (start, end) =
            if step > 0 { (start.clamp(0, n), end.clamp(0, n)) } else { (start.clamp(0, n - 1), end.clamp(-1, n - 1)) };
        let length = if step > 0 { end - start } else { start - end };
        (start, step, (length.max(0) as u128).div_ceil(step.unsigned_abs()) as usize)
    }

    /// The places along an axis of `size` elements that entry `i` selects, in order.
    fn places(&self, i: usize, size: usize) -> Vec<usize> {
        let (start, step, count) = self.span(i, size);
        (0..count).map(|k| (start + k as i128 * step) as usize).collect()
    }
}

fn infer(ctx: &InferContext) -> Result<Vec<ValueType>, OpError> {
    let x = ctx.input(0)?;
    let (axes, steps) = (list(ctx, 3), list(ctx, 4));
    let dynamic = (1..5).any(|i| ctx.optional(i).is_some() && ctx.constant(i).is_none());
    let shape = match (list(ctx, 1), list(ctx, 2)) {
        (Some(starts), Some(ends)) if !dynamic => {
            Request::new(x.shape.rank(), starts, ends, axes, steps).map_err(|e| ctx.error(e))?.shape(&x.shape)
        }
        _ => {
            ctx.input(1)?;
            ctx.input(2)?;
            Shape(vec![Dim::Unknown; x.shape.rank()])
        }
    };
    Ok(vec![ValueType::new(x.dtype, shape)])
}

fn eval(ctx: &EvalContext) -> Result<Vec<Tensor>, OpError> {
    let x = ctx.input(0)?;
    let optional = |i: usize| ctx.optional(i).map(Tensor::to_i64);
    let request = Request::new(x.rank(), ctx.input(1)?.to_i64(), ctx.input(2)?.to_i64(), optional(3), optional(4));
    let request = request.map_err(|e| ctx.error(e))?;
    let mut places: Vec<Vec<usize>> = x.shape().iter().map(|&n| (0..n).collect()).collect();
    for (i, &axis) in request.axes.iter().enumerate() {
        places[axis] = request.places(i, x.shape()[axis]);
    }
    Ok(vec![select(x, &places)])
}

/// The tensor of the elements at all combinations of `places`, one list per axis.
pub(super) fn select(x: &Tensor, places: &[Vec<usize>]) -> Tensor {
    let mut offsets = vec![0];
    for (along, step) in places.iter().zip(strides(x.shape())) {
        offsets = offsets.iter().flat_map(|&base| along.iter().map(move |&i| base + i * step)).collect();
    }
    let shape: Vec<usize> = places.iter().map(Vec::len).collect();
    pick(x, &shape, &offsets)
}

/// `dx` = `g` among zeros: a Pad where all steps are 1, and a Gather for each other axis.
fn grad(ctx: &mut GradContext) -> Result<Vec<Option<ValueId>>, OpError> {
    let (mut g, x) = (ctx.grad()?, ctx.input(0)?);
    let shape = ctx.builder.shape(x)?;
    let request = {
        let constant = |i: usize| match ctx.node.input(i) {
            None => Ok(None),
            Some(v) => ctx
                .builder
                .constant_of(v)
                .map(|t| Some(t.to_i64()))
                .ok_or_else(|| ctx.error(format!("the gradient needs input {i} to be a constant"))),
        };
        let (starts, ends) = (constant(1)?.unwrap_or_default(), constant(2)?.unwrap_or_default());
        Request::new(shape.len(), starts, ends, constant(3)?, constant(4)?).map_err(|e| ctx.error(e))?
    };
    let mut pads = vec![0; 2 * shape.len()];
    for (i, &axis) in request.axes.iter().enumerate() {
        let places = request.places(i, shape[axis]);
        if request.steps[i] == 1 {
            let start = places.first().copied().unwrap_or(0);
            (pads[axis], pads[shape.len() + axis]) = (start as i64, (shape[axis] - start - places.len()) as i64);
        } else {
            g = ctx.builder.spread_along(g, axis, &places, shape[axis])?;
        }
    }
    if pads.iter().any(|&p| p != 0) {
        g = ctx.builder.pad(g, &pads, "constant", 0.0)?;
    }
    Ok(std::iter::once(Some(g)).chain((1..ctx.node.inputs.len()).map(|_| None)).collect())
}

/// Opset 10 made starts, ends and axes inputs, and added steps.
fn upgrade(ctx: &mut UpgradeContext) -> Result<(), OpError> {
    for (i, name) in ["starts", "ends", "axes"].into_iter().enumerate() {
        ctx.attribute_to_input(name, i + 1);
    }
    Ok(())
}

impl Builder {
    /// The elements from `starts` up to `ends` along `axes` in steps of `steps`; negative numbers count from the end.
    pub fn slice(
        &mut self,
        x: ValueId,
        starts: &[i64],
        ends: &[i64],
        axes: &[i64],
        steps: &[i64],
    ) -> Result<ValueId, OpError> {
        let mut inputs = vec![x];
        for values in [starts, ends, axes, steps] {
            inputs.push(self.indices(values));
        }
        self.apply(&OP, &inputs, Attributes::new())
    }
}

#[cfg(test)]
mod tests {
    use ocellus_graph::{DataType, Graph, Model, Node};

    use crate::check;

    use super::*;

    fn line(start: i64, end: i64, step: i64) -> Vec<i32> {
        let x = Tensor::vector(&[0i32, 1, 2, 3, 4]);
        let y = check::eval(|b, v| b.slice(v[0], &[start], &[end], &[0], &[step]), &[x]);
        y.view::<i32>().unwrap().to_vec()
    }

    #[test]
    fn follows_the_clamping_of_onnx() {
        assert_eq!(line(1, 4, 1), [1, 2, 3]);
        assert_eq!(line(0, i64::MAX, 2), [0, 2, 4]);
        assert_eq!(line(-2, 1000, 1), [3, 4]);
        assert_eq!(line(-1000, 2, 1), [0, 1]);
        assert_eq!(line(3, 1, 1), [] as [i32; 0]);
        assert_eq!(line(-1, i64::MIN, -1), [4, 3, 2, 1, 0]);
        assert_eq!(line(100, 0, -2), [4, 2]);
        assert_eq!(line(1, -1000, -1), [1, 0]);
        assert_eq!(line(0, i64::MAX, i64::MAX), [0]);
    }

    #[test]
    fn slices_several_axes() {
        let x = Tensor::of(&[3, 4], (0u8..12).collect());
        let y = check::eval(|b, v| b.slice(v[0], &[2, 1], &[0, 4], &[-2, 1], &[-1, 2]), &[x]);
        assert_eq!(y, Tensor::of(&[2, 2], vec![9u8, 11, 5, 7]));
    }

    #[test]
    fn bad_requests_are_refused() {
        let mut b = Builder::new("t");
        let x = b.input("x", DataType::F32, &[2, 2]);
        assert!(b.slice(x, &[0], &[1], &[0], &[0]).is_err());
        assert!(b.slice(x, &[0], &[1], &[2], &[1]).is_err());
        assert!(b.slice(x, &[0], &[1, 2], &[0], &[1]).is_err());
        assert!(b.slice(x, &[0, 0], &[1, 1], &[0, -2], &[1, 1]).is_err());
    }

    #[test]
    fn a_declared_size_beyond_memory_is_only_counted() {
        let huge = Shape::fixed(&[1 << 62]);
        let request = Request::new(1, vec![-1], vec![i64::MIN], None, Some(vec![-2])).unwrap();
        assert_eq!(request.shape(&huge), Shape::fixed(&[1 << 61]));
    }

    #[test]
    fn symbols_stay_where_all_is_kept() {
        let n = Shape(vec![Dim::Symbol("n".into()), Dim::Known(4)]);
        let request = Request::new(2, vec![0, 1], vec![i64::MAX, 3], None, None).unwrap();
        assert_eq!(request.shape(&n).to_string(), "[n, 2]");
        let request = Request::new(2, vec![1], vec![i64::MAX], None, None).unwrap();
        assert_eq!(request.shape(&n).to_string(), "[?, 4]");
    }

    #[test]
    fn the_attributes_become_inputs() {
        let mut g = Graph::new("old");
        let x = g.add_value("x", Some(DataType::F32), Some(Shape::fixed(&[4, 4])));
        let y = g.add_value("y", None, None);
        (g.inputs, g.outputs) = (vec![x], vec![y]);
        let old = Attributes::new().with("axes", vec![1i64]).with("starts", vec![1i64]).with("ends", vec![-1i64]);
        g.nodes.push(Node::new("Slice", [Some(x)], [Some(y)]).with_attributes(old));
        let mut model = Model { opset: 9, ..Model::new(g) };
        crate::upgrade(&mut model).unwrap();
        crate::infer(&mut model).unwrap();
        assert_eq!(model.graph.value(y).shape, Some(Shape::fixed(&[4, 2])));
    }

    #[test]
    fn gradient() {
        check::gradient(|b, v| b.slice(v[0], &[1, 0], &[3, -1], &[1, 0], &[1, 1]), &[&[3, 4, 2]]);
        check::gradient(|b, v| b.slice(v[0], &[1, 0], &[i64::MAX, 3], &[1, 2], &[2, 1]), &[&[2, 5, 4]]);
        check::gradient(|b, v| b.slice(v[0], &[-1], &[i64::MIN], &[1], &[-2]), &[&[2, 5]]);
    }
}
