//! `Gather`: slices of an axis, by index (ONNX Gather-13).

use ocellus_graph::{Attributes, DataType, Tensor, ValueId};

use super::movement::{MOVES, as_list, index, pick};
use crate::shapes::axis;
use crate::{Builder, EvalContext, GradContext, InferContext, OpDef, OpError, ValueType};

pub(crate) const OP: OpDef = OpDef {
    eval: Some(eval),
    grad: Some(grad),
    quant: Some(MOVES),
    lower: Some(super::movement_lower::gather),
    ..OpDef::new("Gather", infer)
};

/// Up to this many slices the gradient is a product with a one-hot matrix, which is deterministic; beyond, a scatter.
const MOST_ONE_HOT: usize = 512;

fn infer(ctx: &InferContext) -> Result<Vec<ValueType>, OpError> {
    let (x, indices) = (ctx.input(0)?, ctx.input(1)?);
    require_indices(ctx, 1)?;
    let given = ctx.int("axis", 0);
    let along = axis(given, x.shape.rank())
        .ok_or_else(|| ctx.error(format!("axis {given} is out of range for an input of shape {}", x.shape)))?;
    let (before, after) = (&x.shape[..along], &x.shape[along + 1..]);
    Ok(vec![ValueType::new(x.dtype, before.iter().chain(indices.shape.iter()).chain(after).cloned().collect())])
}

/// Refuses indices that are not integers.
pub(super) fn require_indices(ctx: &InferContext, i: usize) -> Result<(), OpError> {
    let dtype = ctx.input(i)?.dtype;
    if dtype.is_integer() {
        return Ok(());
    }
    Err(ctx.error(format!("input {i} holds indices of type {dtype}; they have to be i32 or i64")))
}

fn eval(ctx: &EvalContext) -> Result<Vec<Tensor>, OpError> {
    let (x, indices) = (ctx.input(0)?, ctx.input(1)?);
    let along = axis(ctx.int("axis", 0), x.rank()).ok_or_else(|| ctx.error("axis is out of range"))?;
    let size = x.shape()[along];
    let chosen: Result<Vec<usize>, String> = indices.to_i64().into_iter().map(|i| index(i, size)).collect();
    let chosen = chosen.map_err(|e| ctx.error(e))?;
    let (before, after) = (&x.shape()[..along], &x.shape()[along + 1..]);
    let (outer, inner): (usize, usize) = (before.iter().product(), after.iter().product());
    let mut offsets = Vec::with_capacity(outer * chosen.len() * inner);
    for row in 0..outer {
        for &i in &chosen {
            let base = (row * size + i) * inner;
            offsets.extend(base..base + inner);
        }
    }
    Ok(vec![pick(x, &[before, indices.shape(), after].concat(), &offsets)])
}

/// `dx[..., indices[k], ...] += g[..., k, ...]`. Constant indices of which none occurs twice are a selection, whose
/// transpose is another one.
fn grad(ctx: &mut GradContext) -> Result<Vec<Option<ValueId>>, OpError> {
    let (g, x, indices) = (ctx.grad()?, ctx.input(0)?, ctx.input(1)?);
    let shape = ctx.builder.shape(x)?;
    let along = axis(ctx.int("axis", 0), shape.len()).ok_or_else(|| ctx.error("axis is out of range"))?;
    let count: usize = ctx.builder.shape(indices)?.iter().product();
    let b = &mut *ctx.builder;
    let mut rows = shape.clone();
    rows[along] = count;
    let rows = b.reshape_to(g, &rows)?;
    let constant = b.constant_of(indices).map(Tensor::to_i64);
    if let Some(places) = constant.and_then(|all| distinct(&all, shape[along])) {
        return Ok(vec![Some(b.spread_along(rows, along, &places, shape[along])?), None]);
    }
    let inner: usize = shape[..along].iter().chain(&shape[along + 1..]).product();
    let order: Vec<usize> = std::iter::once(along).chain((0..shape.len()).filter(|&i| i != along)).collect();
    let turned = b.transpose_unless_sorted(rows, &order)?;
    let matrix = b.reshape_to(turned, &[count, inner])?;
    let sum = add_rows(b, matrix, indices, shape[along])?;
    let back: Vec<usize> = (1..=along).chain([0]).chain(along + 1..shape.len()).collect();
    let ordered: Vec<usize> = order.iter().map(|&i| shape[i]).collect();
    let sum = b.reshape_to(sum, &ordered)?;
    Ok(vec![Some(b.transpose_unless_sorted(sum, &back)?), None])
}

/// The indices counted from the front, where none occurs twice.
fn distinct(indices: &[i64], size: usize) -> Option<Vec<usize>> {
    let mut seen = vec![false; size];
    let fresh = |&i: &i64| {
        let place = axis(i, size)?;
        (!std::mem::replace(&mut seen[place], true)).then_some(place)
    };
    indices.iter().map(fresh).collect()
}

/// Row `k` of `rows` added to row `indices[k]` of a matrix of `size` rows of zeros.
fn add_rows(b: &mut Builder, rows: ValueId, indices: ValueId, size: usize) -> Result<ValueId, OpError> {
    let shape = b.shape(rows)?;
    let dtype = b.dtype(rows)?;
    if size <= MOST_ONE_HOT {
        let indices = b.reshape_to(indices, &shape[..1])?;
        let one_hot = b.one_hot(indices, size, 0, dtype)?;
        return b.matmul(one_hot, rows);
    }
    let indices = b.reshape_to(indices, &[shape[0], 1])?;
    let indices = b.cast(indices, DataType::I64)?;
    let zeros = b.constant("zeros", Tensor::full(dtype, &[size, shape[1]], 0.0));
    b.scatter_nd(zeros, indices, rows, "add")
}

impl Builder {
    /// The slices of `x` along `axis` at `indices`, whose shape takes the place of the axis.
    pub fn gather(&mut self, x: ValueId, indices: ValueId, axis: i64) -> Result<ValueId, OpError> {
        self.apply(&OP, &[x, indices], Attributes::new().with("axis", axis))
    }

    /// `x` under known sizes; `x` itself where it has them already.
    pub(super) fn reshape_to(&mut self, x: ValueId, shape: &[usize]) -> Result<ValueId, OpError> {
        if self.shape(x)? == shape {
            return Ok(x);
        }
        let shape = self.indices(&as_list(shape));
        // A 0 would copy a size of `x` unless `allowzero` is set.
        self.apply(&super::reshape::OP, &[x, shape], Attributes::new().with("allowzero", 1i64))
    }

    /// The transpose, or `x` itself where nothing moves.
    pub(super) fn transpose_unless_sorted(&mut self, x: ValueId, perm: &[usize]) -> Result<ValueId, OpError> {
        if perm.is_sorted() { Ok(x) } else { self.transpose(x, perm) }
    }
}

#[cfg(test)]
mod tests {
    use crate::check;

    use super::*;

    #[test]
    fn gathers_along_any_axis() {
        let x = Tensor::of(&[3, 2], (0u8..6).collect());
        let at = |shape: &[usize], i: Vec<i64>, axis| {
            check::eval(|b, v| b.gather(v[0], v[1], axis), &[x.clone(), Tensor::of(shape, i)])
        };
        assert_eq!(at(&[2], vec![2, 0], 0), Tensor::of(&[2, 2], vec![4u8, 5, 0, 1]));
        assert_eq!(at(&[], vec![-1], 1), Tensor::of(&[3], vec![1u8, 3, 5]));
        assert_eq!(at(&[1, 2], vec![1, 1], -1), Tensor::of(&[3, 1, 2], vec![1u8, 1, 3, 3, 5, 5]));
    }

    #[test]
    fn an_index_out_of_range_is_an_error() {
        let mut b = Builder::new("t");
        let (x, i) = (b.input("x", DataType::F32, &[3]), b.input("i", DataType::I64, &[1]));
        let y = b.gather(x, i, 0).unwrap();
        b.output(y, "y");
        let run = |at: i64| {
            let given = [("x", Tensor::vector(&[1f32, 2., 3.])), ("i", Tensor::vector(&[at]))];
            crate::evaluate_values(b.graph(), &given)
        };
        assert!(run(-3).is_ok());
        assert!(run(3).unwrap_err().to_string().contains("index 3 is out of range"));
        assert!(run(-4).is_err());
    }

    #[test]
    fn gradient_of_few_and_of_many_slices() {
        let indices = Tensor::of(&[2, 2], vec![1i64, -1, 1, 0]);
        for axis in 0..3 {
            let x = Tensor::of(&[3, 4, 3], check::numbers(36, 5));
            check::gradient_at(|b, v| b.gather(v[0], v[1], axis), &[x, indices.clone()]);
        }
        let x = Tensor::of(&[600, 1], check::numbers(600, 5));
        check::gradient_at(|b, v| b.gather(v[0], v[1], 0), &[x, Tensor::vector(&[599i32, 3, 599])]);
    }

    #[test]
    fn gradient_of_constant_indices() {
        let with = |indices: &'static [i64]| {
            move |b: &mut Builder, v: &[ValueId]| {
                let indices = b.indices(indices);
                b.gather(v[0], indices, 1)
            }
        };
        check::gradient(with(&[3, 0]), &[&[2, 4, 2]]);
        check::gradient(with(&[1, 2]), &[&[2, 4, 2]]);
        check::gradient(with(&[1, 1, -1]), &[&[2, 4, 2]]);
    }
}
