//! `Conv` behind `Conv`: a pointwise one sums the channels of each pixel, so that the one before it may do that too, where it
//! takes fewer products than both.

use ocellus_graph::Tensor;

use super::window::Window;
use crate::{FoldContext, Mixture};

/// What a pointwise convolution computes of a pixel.
pub(super) fn mixture(ctx: &FoldContext) -> Option<Mixture> {
    let weights = ctx.constant(1)?;
    let window = Window::of_node(ctx.node).ok()?;
    let plain = window.group == 1 && window.strides.iter().all(|&s| s == 1) && window.pads.iter().all(|&p| p == 0);
    let (&outputs, inner) = weights.shape().split_first()?;
    let (&inputs, kernel) = inner.split_first()?;
    if !plain || kernel.iter().any(|&k| k != 1) {
        return None;
    }
    let shift = bias(ctx, outputs)?;
    Some(Mixture { inputs, factors: weights.to_f64(), shift })
}

/// The weights and the bias of a convolution of one group that makes sums of its channels.
pub(super) fn absorb(ctx: &FoldContext, mixture: &Mixture) -> Option<(Tensor, Tensor)> {
    let weights = ctx.constant(1)?;
    let (&channels, inner) = weights.shape().split_first()?;
    let (taps, outputs) = (inner.iter().product::<usize>(), mixture.shift.len());
    let products = channels.checked_mul(taps.checked_add(outputs)?)?;
    if Window::of_node(ctx.node).ok()?.group != 1
        || channels != mixture.inputs
        || outputs.checked_mul(taps)? >= products
    {
        return None;
    }
    let (rows, own) = (weights.to_f64(), bias(ctx, channels)?);
    let mut mixed = vec![0.0; outputs * taps];
    let mut shift = mixture.shift.clone();
    let factors = mixture.factors.chunks_exact(channels.max(1));
    for ((mixed, shift), factors) in mixed.chunks_exact_mut(taps.max(1)).zip(&mut shift).zip(factors) {
        for ((row, bias), &factor) in rows.chunks_exact(taps.max(1)).zip(&own).zip(factors) {
            mixed.iter_mut().zip(row).for_each(|(to, w)| *to += factor * w);
            *shift += factor * bias;
        }
    }
    let shape: Vec<usize> = [outputs].iter().chain(inner).copied().collect();
    let dtype = weights.dtype();
    Some((Tensor::from_f64(dtype, &shape, &mixed), Tensor::from_f64(dtype, &[outputs], &shift)))
}

/// One number per channel, zeros where there are none.
fn bias(ctx: &FoldContext, channels: usize) -> Option<Vec<f64>> {
    let bias = match ctx.node.input(2) {
        Some(_) => ctx.constant(2)?.to_f64(),
        None => vec![0.0; channels],
    };
    (bias.len() == channels).then_some(bias)
}

#[cfg(test)]
mod tests {
    use ocellus_graph::{Attributes, Node, ValueId};

    use super::*;

    fn node(attributes: Attributes) -> Node {
        Node::new("Conv", [Some(ValueId(0)), Some(ValueId(1)), Some(ValueId(2))], []).with_attributes(attributes)
    }

    #[test]
    fn weights_are_multiplied() {
        let (first, second) = (node(Attributes::new()), node(Attributes::new()));
        let w = Tensor::of(&[2, 1, 1, 2], vec![1f32, 2., 3., 4.]);
        let before = [None, Some(w), Some(Tensor::vector(&[1f32, 2.]))];
        let w = Tensor::of(&[1, 2, 1, 1], vec![10f32, 100.]);
        let behind = [None, Some(w), Some(Tensor::vector(&[5f32]))];
        let mixture = mixture(&FoldContext { node: &second, constants: &behind, types: &[] }).unwrap();
        let (w, b) = absorb(&FoldContext { node: &first, constants: &before, types: &[] }, &mixture).unwrap();
        assert_eq!(w, Tensor::of(&[1, 1, 1, 2], vec![310f32, 420.]));
        assert_eq!(b, Tensor::vector(&[215f32]));
        let more = Mixture { inputs: 2, factors: vec![1.0; 20], shift: vec![0.0; 10] };
        assert!(absorb(&FoldContext { node: &first, constants: &before, types: &[] }, &more).is_some());
        let narrow = [None, Some(Tensor::of(&[1, 2, 1, 1], vec![1f32, 2.])), Some(Tensor::vector(&[1f32]))];
        let wide = Mixture { inputs: 1, factors: vec![1.0; 10], shift: vec![0.0; 10] };
        assert!(absorb(&FoldContext { node: &first, constants: &narrow, types: &[] }, &wide).is_none());
    }

    #[test]
    fn windows_and_groups_are_no_mixtures() {
        let of = |attributes: Attributes, shape: &[usize]| {
            let w = Tensor::of(shape, vec![1f32; shape.iter().product()]);
            let constants = [None, Some(w), Some(Tensor::vector(&[1f32, 2.]))];
            mixture(&FoldContext { node: &node(attributes), constants: &constants, types: &[] })
        };
        assert!(of(Attributes::new(), &[2, 3, 1, 1]).is_some());
        assert!(of(Attributes::new(), &[2, 3, 1, 2]).is_none());
        assert!(of(Attributes::new().with("strides", vec![2i64, 2]), &[2, 3, 1, 1]).is_none());
        assert!(of(Attributes::new().with("pads", vec![0i64, 0, 1, 0]), &[2, 3, 1, 1]).is_none());
        assert!(of(Attributes::new().with("group", 2i64), &[2, 3, 1, 1]).is_none());
    }
}
