//! What comparisons and logical operators share: two broadcast inputs, a truth value out.

use ocellus_graph::{DataType, Tensor};

use super::elementwise::{broadcast_shape, integers, is_exact, pairs, require_number, require_same_type};
use crate::{EvalContext, InferContext, OpError, ValueType};

/// Bool, of the broadcast of inputs 0 and 1, which are numbers of one type.
pub(super) fn infer_order(ctx: &InferContext) -> Result<Vec<ValueType>, OpError> {
    require_number(ctx, 0)?;
    infer_any(ctx)
}

/// Bool, of the broadcast of inputs 0 and 1, which are of one type.
pub(super) fn infer_any(ctx: &InferContext) -> Result<Vec<ValueType>, OpError> {
    require_same_type(ctx, 0, 1)?;
    Ok(vec![ValueType::new(DataType::Bool, broadcast_shape(ctx, 0, 1)?)])
}

/// Bool, of the broadcast of inputs 0 and 1, which are bool.
pub(super) fn infer_logical(ctx: &InferContext) -> Result<Vec<ValueType>, OpError> {
    require_bool(ctx, 0)?;
    infer_any(ctx)
}

/// Refuses an input that is not bool.
pub(super) fn require_bool(ctx: &InferContext, index: usize) -> Result<(), OpError> {
    match ctx.input(index)?.dtype {
        DataType::Bool => Ok(()),
        other => Err(ctx.error(format!("input {index} has type {other}; it has to be bool"))),
    }
}

/// Compares the broadcast of inputs 0 and 1: floats by `float`, integers and truth values exactly by `int`.
pub(super) fn eval(
    ctx: &EvalContext,
    float: impl Fn(&f64, &f64) -> bool,
    int: impl Fn(&i128, &i128) -> bool,
) -> Result<Vec<Tensor>, OpError> {
    let (a, b) = (ctx.input(0)?, ctx.input(1)?);
    if a.dtype() != b.dtype() {
        return Err(ctx.error(format!("inputs have types {} and {}; they have to be the same", a.dtype(), b.dtype())));
    }
    let (shape, pairs) = pairs(ctx, a, b)?;
    let values: Vec<bool> = if is_exact(a.dtype()) {
        let (a, b) = (integers(a), integers(b));
        pairs.map(|(i, j)| int(&a[i], &b[j])).collect()
    } else {
        let (a, b) = (a.to_f64(), b.to_f64());
        pairs.map(|(i, j)| float(&a[i], &b[j])).collect()
    };
    Ok(vec![Tensor::of(&shape, values)])
}

/// Combines the broadcast of inputs 0 and 1, which are bool.
pub(super) fn eval_logical(ctx: &EvalContext, f: impl Fn(bool, bool) -> bool) -> Result<Vec<Tensor>, OpError> {
    let (a, b) = (ctx.view::<bool>(0)?, ctx.view::<bool>(1)?);
    let (shape, pairs) = pairs(ctx, ctx.input(0)?, ctx.input(1)?)?;
    Ok(vec![Tensor::of(&shape, pairs.map(|(i, j)| f(a[i], b[j])).collect())])
}
