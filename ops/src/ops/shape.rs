//! `Shape`: the sizes of its input, or of some of its axes (ONNX Shape-21).

use std::ops::Range;

use ocellus_graph::{Attributes, DataType, Dim, Shape, Tensor, ValueId};

use super::movement::as_list;
use crate::{Builder, EvalContext, InferContext, OpDef, OpError, ValueType};

pub(crate) const OP: OpDef = OpDef {
    static_value: Some(static_value),
    eval: Some(eval),
    grad: Some(|_| Ok(vec![None])),
    ..OpDef::new("Shape", infer)
};

/// The axes from `start` up to `end`, both clamped into the shape.
fn chosen(start: i64, end: Option<i64>, rank: usize) -> Range<usize> {
    let n = rank as i64;
    let clamp = |v: i64| (if v < 0 { v.saturating_add(n) } else { v }).clamp(0, n) as usize;
    let (start, end) = (clamp(start), end.map_or(rank, clamp));
    start..end.max(start)
}

fn infer(ctx: &InferContext) -> Result<Vec<ValueType>, OpError> {
    let rank = ctx.input(0)?.shape.rank();
    let count = chosen(ctx.int("start", 0), ctx.node.attributes.int("end"), rank).len();
    Ok(vec![ValueType::new(DataType::I64, Shape::fixed(&[count]))])
}

/// Known as soon as the chosen sizes are.
fn static_value(ctx: &InferContext) -> Option<Tensor> {
    let shape = &ctx.optional(0)?.shape;
    let chosen = chosen(ctx.int("start", 0), ctx.node.attributes.int("end"), shape.rank());
    let sizes: Option<Vec<usize>> = shape[chosen].iter().map(Dim::known).collect();
    Some(Tensor::vector(&as_list(&sizes?)))
}

fn eval(ctx: &EvalContext) -> Result<Vec<Tensor>, OpError> {
    let x = ctx.input(0)?;
    let chosen = chosen(ctx.int("start", 0), ctx.node.attributes.int("end"), x.rank());
    Ok(vec![Tensor::vector(&as_list(&x.shape()[chosen]))])
}

impl Builder {
    /// The sizes of `x` as a vector of i64.
    pub fn shape_of(&mut self, x: ValueId) -> Result<ValueId, OpError> {
        self.apply(&OP, &[x], Attributes::new())
    }
}

#[cfg(test)]
mod tests {
    use ocellus_graph::{Graph, Model, Node};

    use crate::check;

    use super::*;

    #[test]
    fn the_sizes_or_some_of_them() {
        let x = Tensor::of(&[2, 3, 4], vec![0u8; 24]);
        let sizes = |start: i64, end: Option<i64>| {
            let mut attributes = Attributes::new().with("start", start);
            if let Some(end) = end {
                attributes.set("end", end);
            }
            check::eval(|b, v| b.apply(&OP, v, attributes.clone()), std::slice::from_ref(&x)).to_i64()
        };
        assert_eq!(sizes(0, None), [2, 3, 4]);
        assert_eq!(sizes(-2, None), [3, 4]);
        assert_eq!(sizes(0, Some(-1)), [2, 3]);
        assert_eq!(sizes(-100, Some(100)), [2, 3, 4]);
        assert_eq!(sizes(2, Some(1)), [] as [i64; 0]);
    }

    #[test]
    fn chosen_sizes_are_known_beside_symbols() {
        let mut g = Graph::new("g");
        let shape = Shape(vec![Dim::Symbol("n".into()), Dim::Known(7)]);
        let x = g.add_value("x", Some(DataType::F32), Some(shape));
        let (s, y) = (g.add_value("s", None, None), g.add_value("y", None, None));
        (g.inputs, g.outputs) = (vec![x], vec![y]);
        let start = Attributes::new().with("start", 1i64);
        g.nodes.push(Node::new("Shape", [Some(x)], [Some(s)]).with_attributes(start));
        g.nodes.push(Node::new("Identity", [Some(s)], [Some(y)]));
        let mut model = Model::new(g);
        crate::infer(&mut model).unwrap();
        assert_eq!(model.graph.initializers[&s], Tensor::vector(&[7i64]));
    }
}
