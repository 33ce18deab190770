//! What QuantizeLinear and DequantizeLinear share: which scale and zero point an element has.

use ocellus_graph::{Attribute, Attributes, DataType, Dim, Shape, Tensor, ValueId};

use super::cast::named_type;
use crate::shapes::{axis, offsets, strides};
use crate::{Builder, InferContext, OpError, UpgradeContext};

/// How scales are spread over a tensor.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Granularity {
    /// One scale for all.
    Tensor,
    /// One for every index of this axis.
    Axis(usize),
    /// One for every `size` neighbours along `axis`, and for every index of the other axes.
    Block { axis: usize, size: usize },
}

impl Granularity {
    /// What attributes and shapes ask for.
    pub fn new(x: &Shape, scale: &Shape, attributes: &Attributes) -> Result<Self, String> {
        let (given, size) = (attributes.int("axis").unwrap_or(1), attributes.int("block_size").unwrap_or(0));
        if size == 0 && (scale.rank() == 0 || (scale.rank() == 1 && scale[0] == Dim::Known(1))) {
            return Ok(Self::Tensor);
        }
        let axis = axis(given, x.rank()).ok_or_else(|| format!("axis {given} is out of range for {x}"))?;
        if size == 0 {
            let fits = scale.rank() == 1 && agree(&scale[0], &x[axis]);
            return if fits { Ok(Self::Axis(axis)) } else { Err(misfit(x, scale, axis, "one scale per index")) };
        }
        let size = usize::try_from(size).map_err(|_| format!("block_size {size} is negative"))?;
        let fits = scale.rank() == x.rank()
            && (0..x.rank()).all(|i| match (&x[i], &scale[i]) {
                (Dim::Known(n), Dim::Known(m)) if i == axis => n.div_ceil(size) == *m,
                (a, b) => i == axis || agree(a, b),
            });
        if fits { Ok(Self::Block { axis, size }) } else { Err(misfit(x, scale, axis, "one scale per block")) }
    }

    /// For every element of `shape` the place of its scale.
    pub fn places(self, shape: &[usize], scale: &[usize]) -> Vec<usize> {
        match self {
            Self::Tensor => vec![0; shape.iter().product()],
            Self::Axis(axis) => {
                let steps: Vec<usize> = (0..shape.len()).map(|i| usize::from(i == axis)).collect();
                offsets(shape, &steps)
            }
            Self::Block { axis, size } => {
                let mut steps = strides(scale);
                let (length, step) = (shape[axis], std::mem::replace(&mut steps[axis], 0));
                let inner: usize = shape[axis + 1..].iter().product();
                let bases = offsets(shape, &steps).into_iter().enumerate();
                bases.map(|(k, base)| base + k / inner.max(1) % length / size * step).collect()
            }
        }
    }

    /// `values` (scales or zero points) under a shape that broadcasts with a tensor of shape `shape`.
    pub fn spread(self, b: &mut Builder, values: ValueId, shape: &[usize]) -> Result<ValueId, OpError> {
        match self {
            Self::Tensor => b.reshape_to(values, &[]),
            Self::Axis(axis) => {
                let mut ones = vec![1; shape.len()];
                ones[axis] = shape[axis];
                b.reshape_to(values, &ones)
            }
            Self::Block { axis, size } => {
                let blocks: Vec<i64> = (0..shape[axis]).map(|i| (i / size) as i64).collect();
                let blocks = b.indices(&blocks);
                b.gather(values, blocks, axis as i64)
            }
        }
    }
}

fn agree(a: &Dim, b: &Dim) -> bool {
    a.known().is_none() || b.known().is_none() || a == b
}

fn misfit(x: &Shape, scale: &Shape, axis: usize, expected: &str) -> String {
    format!("a scale of shape {scale} is not {expected} of axis {axis} of an input of shape {x}")
}

/// Checks the scale at input 1 and the zero point at input 2, if any, and returns the zero point's type.
pub(super) fn check_parameters(ctx: &InferContext) -> Result<Option<DataType>, OpError> {
    let (x, scale) = (ctx.input(0)?, ctx.input(1)?);
    if !scale.dtype.is_float() {
        return Err(ctx.error(format!("the scale has type {}; it has to be a float", scale.dtype)));
    }
    Granularity::new(&x.shape, &scale.shape, &ctx.node.attributes).map_err(|e| ctx.error(e))?;
    let Some(zero) = ctx.optional(2) else { return Ok(None) };
    let same = scale.shape.elements() == zero.shape.elements() && scale.shape.rank().max(1) == zero.shape.rank().max(1);
    if !same && scale.shape.known().is_some() && zero.shape.known().is_some() {
        return Err(ctx.error(format!("scale has shape {}, zero point {}; they differ", scale.shape, zero.shape)));
    }
    Ok(Some(zero.dtype))
}

/// The type that the attribute `output_dtype` names, where it is set.
pub(super) fn output_type(attributes: &Attributes) -> Result<Option<DataType>, String> {
    attributes.int("output_dtype").filter(|&code| code != 0).map(named_type).transpose()
}

/// Scales and zero points (0 where there is none) as numbers.
pub(super) fn parameters(scale: &Tensor, zero: Option<&Tensor>) -> Result<(Vec<f64>, Vec<i64>), String> {
    let scales = scale.to_f64();
    let zeros = zero.map_or_else(|| vec![0; scales.len()], Tensor::to_i64);
    if scales.len() != zeros.len() {
        return Err(format!("has {} scales and {} zero points", scales.len(), zeros.len()));
    }
    Ok((scales, zeros))
}

/// Opset 23 lets the precision of the division be chosen; here it is that of the scale, or f32 for f16 and bf16.
pub(super) fn upgrade_precision(ctx: &mut UpgradeContext) -> Result<(), OpError> {
    match ctx.node.attributes.remove("precision") {
        None | Some(Attribute::Int(0 | 1)) => Ok(()),
        Some(other) => Err(ctx.error(format!("a precision other than f32 is not supported, found {other:?}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(x: &[usize], scale: &[usize], axis: i64, block: i64) -> Result<Granularity, String> {
        let attributes = Attributes::new().with("axis", axis).with("block_size", block);
        Granularity::new(&Shape::fixed(x), &Shape::fixed(scale), &attributes)
    }

    #[test]
    fn granularity_follows_from_the_shape_of_the_scale() {
        assert_eq!(of(&[2, 3], &[], 7, 0), Ok(Granularity::Tensor));
        assert_eq!(of(&[3], &[1], 1, 0), Ok(Granularity::Tensor));
        assert_eq!(of(&[2, 3], &[3], -1, 0), Ok(Granularity::Axis(1)));
        assert_eq!(of(&[2, 5], &[2, 3], 1, 2), Ok(Granularity::Block { axis: 1, size: 2 }));
        assert!(of(&[2, 3], &[2], 1, 0).is_err());
        assert!(of(&[2, 5], &[2, 2], 1, 2).is_err());
        assert!(of(&[2, 5], &[2, 3], 1, -2).is_err());
    }

    #[test]
    fn places_of_scales() {
        assert_eq!(Granularity::Axis(1).places(&[2, 3], &[3]), [0, 1, 2, 0, 1, 2]);
        assert_eq!(Granularity::Axis(0).places(&[2, 3], &[2]), [0, 0, 0, 1, 1, 1]);
        let block = Granularity::Block { axis: 0, size: 2 };
        assert_eq!(block.places(&[3, 2], &[2, 2]), [0, 1, 0, 1, 2, 3]);
        let block = Granularity::Block { axis: 1, size: 2 };
        assert_eq!(block.places(&[2, 3], &[2, 2]), [0, 0, 1, 2, 2, 3]);
    }
}
