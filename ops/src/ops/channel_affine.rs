//! Which constants are one number per channel, so that a linear producer can absorb the operator.

use crate::{Affine, FoldContext};

/// The value of constant input 1 for every channel (axis 1) of input 0; `None` where it is not one number per channel
/// (shapes `[]`, `[C, 1, 1]`, `[1, C, 1, 1]` and the like), or would widen input 0.
fn per_channel(ctx: &FoldContext) -> Option<Vec<f64>> {
    let x = ctx.types.first()?.as_ref()?;
    let constant = ctx.constant(1)?;
    if !x.dtype.is_float() || constant.rank() > x.shape.rank() {
        return None;
    }
    let channels = x.shape.get(1)?.known()?;
    let values = constant.to_f64();
    if let [value] = values[..] {
        return Some(vec![value; channels]);
    }
    let place = 1usize.checked_sub(x.shape.rank() - constant.rank())?;
    (constant.shape().get(place) == Some(&channels) && values.len() == channels).then_some(values)
}

/// `x * scale(c) + shift(c)` for the per-channel constant `c` in input 1. `None` where a factor is not finite.
pub(super) fn affine(ctx: &FoldContext, scale: fn(f64) -> f64, shift: fn(f64) -> f64) -> Option<Affine> {
    let values = per_channel(ctx)?;
    let of = |f: fn(f64) -> f64| -> Vec<f64> { values.iter().map(|&v| f(v)).collect() };
    let affine = Affine { scale: of(scale), shift: of(shift) };
    affine.scale.iter().chain(&affine.shift).all(|v| v.is_finite()).then_some(affine)
}

#[cfg(test)]
mod tests {
    use ocellus_graph::{DataType, Node, Tensor};

    use super::*;
    use crate::ValueType;

    fn folded(x: &[usize], constant: Tensor) -> Option<Affine> {
        let node = Node::new("Mul", [], []);
        let types = [Some(ValueType::fixed(DataType::F32, x)), None];
        affine(&FoldContext { node: &node, constants: &[None, Some(constant)], types: &types }, |c| c, |_| 0.0)
    }

    #[test]
    fn one_number_per_channel_in_every_spelling() {
        let two = Some(Affine { scale: vec![2.0, 3.0], shift: vec![0.0; 2] });
        let values = vec![2f32, 3.];
        assert_eq!(folded(&[1, 2, 4, 4], Tensor::of(&[2, 1, 1], values.clone())), two);
        assert_eq!(folded(&[1, 2, 4, 4], Tensor::of(&[1, 2, 1, 1], values.clone())), two);
        assert_eq!(folded(&[5, 2], Tensor::of(&[2], values)), two);
        assert_eq!(folded(&[1, 2, 4, 4], Tensor::scalar(7f32)).unwrap().scale, [7.0, 7.0]);
    }

    #[test]
    fn anything_else_is_not() {
        let values = vec![2f32, 3.];
        assert_eq!(folded(&[1, 2, 2, 2], Tensor::of(&[2, 1], values.clone())), None, "along the height");
        assert_eq!(folded(&[1, 1, 4, 4], Tensor::of(&[2, 1, 1], values.clone())), None, "widens the channels");
        assert_eq!(folded(&[2, 2], Tensor::of(&[2, 1], values.clone())), None, "along the batch");
        assert_eq!(folded(&[2], Tensor::of(&[2], values)), None, "no channels");
        assert_eq!(folded(&[1, 2, 4], Tensor::scalar(f32::INFINITY)), None, "not finite");
    }
}
