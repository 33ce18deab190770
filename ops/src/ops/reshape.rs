//! `Reshape`: the same elements under another shape (ONNX Reshape-21).

use ocellus_graph::{Attributes, Dim, Shape, ValueId};

use super::movement::{MOVES, as_list, list, list_length, sizes};
use crate::{Builder, EvalContext, GradContext, InferContext, OpDef, OpError, ValueType};

pub(crate) const OP: OpDef = OpDef {
    eval: Some(eval),
    grad: Some(grad),
    quant: Some(MOVES),
    lower: Some(crate::lower::moves::reshape),
    ..OpDef::new("Reshape", infer)
};

fn infer(ctx: &InferContext) -> Result<Vec<ValueType>, OpError> {
    let x = ctx.input(0)?;
    let shape = match list(ctx, 1) {
        Some(target) => resolve(&x.shape, &target, ctx.int("allowzero", 0) != 0).map_err(|e| ctx.error(e))?,
        None => Shape(vec![Dim::Unknown; list_length(ctx, 1)?]),
    };
    Ok(vec![ValueType::new(x.dtype, shape)])
}

/// The shape that `target` asks for: 0 copies the size at the same place (unless `allow_zero`), -1 is what is left.
fn resolve(from: &Shape, target: &[i64], allow_zero: bool) -> Result<Shape, String> {
    let mut dims = Vec::with_capacity(target.len());
    let mut hole = None;
    for (i, &n) in target.iter().enumerate() {
        dims.push(match n {
            -1 if hole.is_some() => return Err(format!("the target shape {target:?} has more than one -1")),
            -1 => {
                hole = Some(i);
                Dim::Unknown
            }
            0 if !allow_zero => from.get(i).cloned().ok_or_else(|| {
                format!("entry {i} of the target shape {target:?} is 0, but {from} has no size there")
            })?,
            n => Dim::Known(usize::try_from(n).map_err(|_| format!("the target shape {target:?} has a size of {n}"))?),
        });
    }
    if let Some(hole) = hole {
        if allow_zero && target.contains(&0) {
            return Err(format!("the target shape {target:?} has both 0 and -1 where allowzero is set"));
        }
        dims[hole] = remainder(from, target)?;
    }
    let shape = Shape(dims);
    match (from.elements(), shape.elements()) {
        (Some(a), Some(b)) if a != b => {
            Err(format!("an input of shape {from} has {a} elements, the target shape {target:?} has {b}"))
        }
        _ => Ok(shape),
    }
}

/// The size at -1: those sizes of the input that 0 does not copy, divided by those that the target names.
fn remainder(from: &Shape, target: &[i64]) -> Result<Dim, String> {
    let left: Vec<&Dim> = from.iter().enumerate().filter(|(i, _)| target.get(*i) != Some(&0)).map(|(_, d)| d).collect();
    let known = left.iter().filter_map(|d| d.known()).try_fold(1usize, usize::checked_mul);
    let named = target.iter().filter(|&&n| n > 0).try_fold(1usize, |all, &n| all.checked_mul(n as usize));
    let (known, named) = known.zip(named).ok_or_else(|| format!("{from} or {target:?} is larger than memory"))?;
    let symbols: Vec<&Dim> = left.into_iter().filter(|d| d.known().is_none()).collect();
    match symbols.as_slice() {
        [] if named > 0 && known % named == 0 => Ok(Dim::Known(known / named)),
        [] => Err(format!("the target shape {target:?} does not divide the elements of an input of shape {from}")),
        [one] if known == named => Ok((*one).clone()),
        _ => Ok(Dim::Unknown),
    }
}

fn eval(ctx: &EvalContext) -> Result<Vec<ocellus_graph::Tensor>, OpError> {
    let (x, target) = (ctx.input(0)?, ctx.input(1)?.to_i64());
    let shape = resolve(&Shape::fixed(x.shape()), &target, ctx.int("allowzero", 0) != 0).map_err(|e| ctx.error(e))?;
    Ok(vec![x.reshaped(&sizes(&shape)).map_err(|e| ctx.error(e.to_string()))?])
}

/// `dx = g`, under the input's shape.
fn grad(ctx: &mut GradContext) -> Result<Vec<Option<ValueId>>, OpError> {
    let (g, x) = (ctx.grad()?, ctx.input(0)?);
    Ok(vec![Some(ctx.builder.reshape_like(g, x)?), None])
}

impl Builder {
    /// `x` under another shape; 0 copies a size of `x`, one -1 is what is left.
    pub fn reshape(&mut self, x: ValueId, shape: &[i64]) -> Result<ValueId, OpError> {
        let shape = self.indices(shape);
        self.apply(&OP, &[x, shape], Attributes::new())
    }

    /// `x` under the shape of `like`; `x` itself where it has it already.
    pub(super) fn reshape_like(&mut self, x: ValueId, like: ValueId) -> Result<ValueId, OpError> {
        let shape = self.shape(like)?;
        if self.shape(x)? == shape {
            return Ok(x);
        }
        // A 0 would copy a size of `x` unless `allowzero` is set.
        let attributes = if shape.contains(&0) { Attributes::new().with("allowzero", 1i64) } else { Attributes::new() };
        let shape = self.indices(&as_list(&shape));
        self.apply(&OP, &[x, shape], attributes)
    }
}

#[cfg(test)]
mod tests {
    use ocellus_graph::Tensor;

    use crate::check;

    use super::*;

    fn symbolic(dims: &[&str]) -> Shape {
        dims.iter().map(|d| d.parse().map_or_else(|_| Dim::Symbol((*d).into()), Dim::Known)).collect()
    }

    #[test]
    fn zero_copies_and_minus_one_is_the_rest() {
        let resolve = |from: &[&str], target: &[i64]| resolve(&symbolic(from), target, false).map(|s| s.to_string());
        assert_eq!(resolve(&["2", "3", "4"], &[0, -1]).as_deref(), Ok("[2, 12]"));
        assert_eq!(resolve(&["2", "3", "4"], &[4, -1, 2]).as_deref(), Ok("[4, 3, 2]"));
        assert_eq!(resolve(&["n", "3", "4"], &[0, 12]).as_deref(), Ok("[n, 12]"));
        assert_eq!(resolve(&["n", "3", "4"], &[-1, 12]).as_deref(), Ok("[n, 12]"));
        assert_eq!(resolve(&["n", "3", "4"], &[0, -1]).as_deref(), Ok("[n, 12]"));
        assert_eq!(resolve(&["n", "3", "4"], &[-1, 6]).as_deref(), Ok("[?, 6]"));
        assert_eq!(resolve(&["0", "3"], &[0, -1]).as_deref(), Ok("[0, 3]"));
        for bad in [&[-1, -1][..], &[5, -1], &[2, 3], &[2, 3, 4, 0], &[-2, 12]] {
            assert!(resolve(&["2", "3", "4"], bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn allowzero_means_a_size_of_zero() {
        assert_eq!(super::resolve(&Shape::fixed(&[0, 5]), &[3, 0], true).unwrap(), Shape::fixed(&[3, 0]));
        assert!(super::resolve(&Shape::fixed(&[0, 5]), &[0, -1], true).is_err());
        assert!(super::resolve(&Shape::fixed(&[2, 5]), &[0, 10], true).is_err());
    }

    #[test]
    fn keeps_the_elements_of_any_type() {
        let x = Tensor::of(&[2, 3], (0u8..6).collect());
        let y = check::eval(|b, v| b.reshape(v[0], &[3, -1]), &[x]);
        assert_eq!(y, Tensor::of(&[3, 2], (0u8..6).collect()));
    }

    #[test]
    fn gradient() {
        check::gradient(|b, v| b.reshape(v[0], &[0, -1]), &[&[2, 3, 2]]);
    }
}
