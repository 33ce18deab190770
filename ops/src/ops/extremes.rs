//! What Min and Max share.

use ocellus_graph::ValueId;

use crate::{GradContext, OpError};

/// `g / k` to each of the `k` inputs that equal the output at a place, so that the parts add up to `g` on ties.
pub(super) fn grad(ctx: &mut GradContext) -> Result<Vec<Option<ValueId>>, OpError> {
    let (g, y) = (ctx.grad()?, ctx.output(0)?);
    let inputs: Vec<ValueId> = ctx.node.inputs.iter().flatten().copied().collect();
    if let [_] = inputs[..] {
        return Ok(vec![Some(g)]);
    }
    let b = &mut *ctx.builder;
    let dtype = b.dtype(g)?;
    let mut masks = Vec::with_capacity(inputs.len());
    for &x in &inputs {
        let same = b.equal(x, y)?;
        masks.push(b.cast(same, dtype)?);
    }
    let mut ties = masks[0];
    for &mask in &masks[1..] {
        ties = b.add(ties, mask)?;
    }
    let share = b.div(g, ties)?;
    let mut grads = vec![None; inputs.len()];
    for (i, slot) in grads.iter_mut().enumerate() {
        if ctx.needs(i) {
            let part = ctx.builder.mul(masks[i], share)?;
            *slot = Some(ctx.builder.sum_to_shape_of(part, inputs[i])?);
        }
    }
    Ok(grads)
}
