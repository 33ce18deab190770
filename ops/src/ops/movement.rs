//! What operators share that move elements without computing with them.

use ocellus_graph::{Dim, Node, Shape, Tensor, TensorData, ValueId};

use crate::{Builder, InferContext, InputRole, OpError, OutputScale, QuantRule};

/// One activation that is moved or selected; shapes, axes and indices stay as they are.
pub(super) const MOVES: QuantRule = QuantRule { inputs: moved_activation, output: OutputScale::SameAsInput };

fn moved_activation(node: &Node) -> Vec<InputRole> {
    let role = |i| if i == 0 { InputRole::Activation } else { InputRole::Other };
    (0..node.inputs.len()).map(role).collect()
}

/// Rewraps the vector of any variant.
macro_rules! map_elements {
    ($data:expr, $v:ident => $e:expr) => {
        map_elements!($data, $v => $e, F32 F64 F16 BF16 I8 U8 I16 U16 I32 U32 I64 U64 Bool String)
    };
    ($data:expr, $v:ident => $e:expr, $($variant:ident)*) => {
        match $data {
            $(TensorData::$variant($v) => TensorData::$variant($e),)*
        }
    };
}

/// The elements of `x` at `offsets`, under `shape`, which has one place for each of them.
///
/// # Panics
/// Where an offset is not inside `x`: rules check indices before they make offsets of them.
#[allow(clippy::clone_on_copy)] // one of the types is not Copy
pub(super) fn pick(x: &Tensor, shape: &[usize], offsets: &[usize]) -> Tensor {
    let data = map_elements!(x.data(), v => offsets.iter().map(|&i| v[i].clone()).collect());
    Tensor::new(shape, data).expect("one offset for every element")
}

/// As [`pick`], with the one element of `fill` where there is no offset. `None` where the types differ.
#[allow(clippy::clone_on_copy)] // one of the types is not Copy
pub(super) fn pick_or(x: &Tensor, fill: &Tensor, shape: &[usize], offsets: &[Option<usize>]) -> Option<Tensor> {
    macro_rules! select {
        ($($variant:ident)*) => {
            match (x.data(), fill.data()) {
                $((TensorData::$variant(v), TensorData::$variant(f)) => {
                    let f = f.first()?;
                    TensorData::$variant(offsets.iter().map(|i| i.map_or(f, |i| &v[i]).clone()).collect())
                })*
                _ => return None,
            }
        };
    }
    let data = select!(F32 F64 F16 BF16 I8 U8 I16 U16 I32 U32 I64 U64 Bool String);
    Tensor::new(shape, data).ok()
}

/// The elements of all `parts` (of one type) one after the other, rearranged to `offsets` of that sequence.
pub(super) fn pick_from_all(parts: &[&Tensor], shape: &[usize], offsets: &[usize]) -> Option<Tensor> {
    macro_rules! join {
        ($($variant:ident)*) => {
            match parts.first()?.data() {
                $(TensorData::$variant(_) => {
                    let mut all = Vec::new();
                    for part in parts {
                        let TensorData::$variant(v) = part.data() else { return None };
                        all.extend_from_slice(v);
                    }
                    TensorData::$variant(all)
                })*
            }
        };
    }
    let data = join!(F32 F64 F16 BF16 I8 U8 I16 U16 I32 U32 I64 U64 Bool String);
    let all = Tensor::new(&[data.len()], data).ok()?;
    Some(pick(&all, shape, offsets))
}

/// The first element of a tensor as a scalar of its type.
pub(super) fn first_element(x: &Tensor) -> Option<Tensor> {
    (!x.is_empty()).then(|| pick(x, &[], &[0]))
}

/// The constant behind input `index` as a list of integers; `None` where it is left out or not a constant.
pub(super) fn list(ctx: &InferContext, index: usize) -> Option<Vec<i64>> {
    ctx.constant(index).map(Tensor::to_i64)
}

/// The most axes that a list of unknown content may stand for.
const MOST_AXES: usize = 64;

/// How many entries the list at input `index`, one for an axis, has where it is not a constant.
pub(super) fn list_length(ctx: &InferContext, index: usize) -> Result<usize, OpError> {
    let t = ctx.input(index)?;
    t.shape.elements().filter(|&n| t.shape.rank() <= 1 && n <= MOST_AXES).ok_or_else(|| {
        ctx.error(format!("input {index} has to be a constant or a vector of known length, found shape {}", t.shape))
    })
}

/// The axes counted from the front, each at most once.
pub(super) fn axes(given: &[i64], rank: usize) -> Result<Vec<usize>, String> {
    let mut all = Vec::with_capacity(given.len());
    for &a in given {
        let axis = crate::shapes::axis(a, rank).ok_or_else(|| format!("axis {a} is out of range for rank {rank}"))?;
        if all.contains(&axis) {
            return Err(format!("axis {a} is named twice in {given:?}"));
        }
        all.push(axis);
    }
    Ok(all)
}

/// The index counted from the front, or a message where it is not in `0..size` (counted from either end).
pub(super) fn index(given: i64, size: usize) -> Result<usize, String> {
    crate::shapes::axis(given, size).ok_or_else(|| format!("index {given} is out of range for a size of {size}"))
}

/// The known sizes of an evaluated shape.
pub(super) fn sizes(shape: &Shape) -> Vec<usize> {
    shape.iter().filter_map(Dim::known).collect()
}

/// A size after `change` more (or, below zero, fewer) elements; a symbol stays where nothing changes.
pub(super) fn grown(dim: &Dim, change: i64) -> Result<Dim, String> {
    match dim {
        d if change == 0 => Ok(d.clone()),
        Dim::Known(n) => i64::try_from(*n)
            .ok()
            .and_then(|n| n.checked_add(change))
            .and_then(|n| usize::try_from(n).ok())
            .map(Dim::Known)
            .ok_or_else(|| format!("a size of {n} cannot change by {change}")),
        _ => Ok(Dim::Unknown),
    }
}

impl Builder {
    /// Zeros of `size` along `axis`, in which slice `i` of `x` lies at `places[i]`. No place occurs twice: this is the
    /// transpose of a selection, without the atomics of a scatter.
    pub(super) fn spread_along(
        &mut self,
        x: ValueId,
        axis: usize,
        places: &[usize],
        size: usize,
    ) -> Result<ValueId, OpError> {
        let rank = self.shape(x)?.len();
        let first = places.first().copied().unwrap_or(0);
        if places.iter().enumerate().all(|(i, &p)| p == first + i) {
            let mut pads = vec![0; 2 * rank];
            (pads[axis], pads[rank + axis]) = (first as i64, (size - first - places.len()) as i64);
            return if pads.iter().all(|&p| p == 0) { Ok(x) } else { self.pad(x, &pads, "constant", 0.0) };
        }
        let mut sources = vec![places.len() as i64; size];
        for (i, &place) in places.iter().enumerate() {
            sources[place] = i as i64;
        }
        let mut padded = x;
        if places.len() < size {
            let mut pads = vec![0; 2 * rank];
            pads[rank + axis] = 1;
            padded = self.pad(x, &pads, "constant", 0.0)?;
        }
        let sources = self.indices(&sources);
        self.gather(padded, sources, axis as i64)
    }

    /// A constant of zeros of the shape and type of `like`.
    pub(super) fn zeros_like(&mut self, like: ValueId) -> Result<ValueId, OpError> {
        let (dtype, shape) = (self.dtype(like)?, self.shape(like)?);
        Ok(self.constant("zeros", Tensor::full(dtype, &shape, 0.0)))
    }
}

/// Sizes for a shape input.
pub(super) fn as_list(shape: &[usize]) -> Vec<i64> {
    shape.iter().map(|&n| n as i64).collect()
}

#[cfg(test)]
mod tests {
    use crate::check;

    use super::*;

    #[test]
    fn spreading_places_slices_among_zeros() {
        let x = Tensor::of(&[1, 2], vec![1f32, 2.]);
        let spread = |places: &'static [usize], size| {
            check::eval(|b, v| b.spread_along(v[0], 1, places, size), std::slice::from_ref(&x)).to_f32()
        };
        assert_eq!(spread(&[1, 2], 4), [0., 1., 2., 0.]);
        assert_eq!(spread(&[3, 1], 4), [0., 2., 0., 1.]);
        assert_eq!(spread(&[1, 0], 2), [2., 1.]);
        assert_eq!(spread(&[0, 1], 2), [1., 2.]);
    }

    #[test]
    fn axes_are_unique_and_in_range() {
        assert_eq!(axes(&[-1, 0], 3), Ok(vec![2, 0]));
        assert!(axes(&[1, -2], 3).is_err());
        assert!(axes(&[3], 3).is_err());
    }

    #[test]
    fn sizes_grow_by_known_amounts() {
        assert_eq!(grown(&Dim::Known(3), -2), Ok(Dim::Known(1)));
        assert!(grown(&Dim::Known(3), -4).is_err());
        assert_eq!(grown(&Dim::Symbol("n".into()), 0), Ok(Dim::Symbol("n".into())));
        assert_eq!(grown(&Dim::Symbol("n".into()), 1), Ok(Dim::Unknown));
    }
}
