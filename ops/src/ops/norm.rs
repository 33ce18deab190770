//! The p-norm that several operators take, and its gradient.

use ocellus_graph::{Node, ValueId};

use crate::{Builder, OpError};

/// The attribute `p`, at least 1.
pub(super) fn order(node: &Node, default: i64) -> Result<i32, OpError> {
    let p = node.attributes.int("p").unwrap_or(default);
    let order = i32::try_from(p).ok().filter(|&p| p >= 1);
    order.ok_or_else(|| OpError::at(node, format!("p is {p}; at least 1 is expected")))
}

/// `(Σ |v|^p)^(1/p)`, without overflow where `p` is 1 or 2 and the sum of powers fits.
pub(super) fn norm(values: &mut dyn Iterator<Item = f64>, p: i32) -> f64 {
    match p {
        1 => values.map(f64::abs).sum(),
        2 => values.map(|v| v * v).sum::<f64>().sqrt(),
        _ => libm::pow(values.map(|v| v.abs().powi(p)).sum(), 1.0 / f64::from(p)),
    }
}

/// `sign(x) |x|^(p-1) * spread(g y^(1-p))`, where `y` is a norm and `spread` brings its shape back to that of `x`.
/// The gradient is 0 where the norm is.
pub(super) fn norm_gradient(
    b: &mut Builder,
    g: ValueId,
    x: ValueId,
    y: ValueId,
    p: i32,
    spread: impl FnOnce(&mut Builder, ValueId) -> Result<ValueId, OpError>,
) -> Result<ValueId, OpError> {
    let sign = b.sign(x)?;
    if p == 1 {
        let share = spread(b, g)?;
        return b.mul(share, sign);
    }
    let safe = nonzero(b, y)?;
    let exponent = b.scalar_like(y, f64::from(p - 1))?;
    let power = if p == 2 { safe } else { b.pow(safe, exponent)? };
    let share = b.div(g, power)?;
    let share = spread(b, share)?;
    if p == 2 {
        return b.mul(share, x);
    }
    let size = b.abs(x)?;
    let power = b.pow(size, exponent)?;
    let slope = b.mul(sign, power)?;
    b.mul(share, slope)
}

/// `y`, with 1 in place of 0, for a norm that divides.
pub(super) fn nonzero(b: &mut Builder, y: ValueId) -> Result<ValueId, OpError> {
    let sign = b.sign(y)?;
    let one = b.scalar_like(y, 1.0)?;
    let missing = b.sub(one, sign)?;
    b.add(y, missing)
}
