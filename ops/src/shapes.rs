//! Shape arithmetic that several operators share: broadcasting, axes, strides, index walks.

use ocellus_graph::{Dim, Shape};

/// The broadcast of two shapes (ONNX multidirectional), or `None` where they do not fit.
/// A size of 1 gives way; a symbol wins over 1 and meets only itself or an unknown.
pub fn broadcast(a: &Shape, b: &Shape) -> Option<Shape> {
    let rank = a.rank().max(b.rank());
    let at = |s: &Shape, i: usize| (i + s.rank()).checked_sub(rank).map_or(Dim::Known(1), |k| s[k].clone());
    (0..rank)
        .map(|i| match (at(a, i), at(b, i)) {
            (x, y) if x == y => Some(x),
            (Dim::Known(1), y) => Some(y),
            (x, Dim::Known(1)) => Some(x),
            (Dim::Known(_), Dim::Known(_)) => None,
            (Dim::Known(n), _) | (_, Dim::Known(n)) => Some(Dim::Known(n)),
            _ => Some(Dim::Unknown),
        })
        .collect()
}

/// The broadcast of two known shapes.
pub fn broadcast_sizes(a: &[usize], b: &[usize]) -> Option<Vec<usize>> {
    broadcast(&Shape::fixed(a), &Shape::fixed(b))?.known()
}

/// The axis counted from the front, or `None` where it is out of range.
pub fn axis(axis: i64, rank: usize) -> Option<usize> {
    let positive = if axis < 0 { axis + rank as i64 } else { axis };
    usize::try_from(positive).ok().filter(|&a| a < rank)
}

/// Row-major strides in elements.
pub fn strides(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1; shape.len()];
    for i in (1..shape.len()).rev() {
        strides[i - 1] = strides[i] * shape[i];
    }
    strides
}

/// For every element of `output` in row-major order, the offset of the element of `input` that broadcasts to it.
pub fn broadcast_offsets(input: &[usize], output: &[usize]) -> Vec<usize> {
    let own = strides(input);
    let skip = output.len() - input.len();
    let steps: Vec<usize> =
        (0..output.len()).map(|i| if i < skip || input[i - skip] == 1 { 0 } else { own[i - skip] }).collect();
    offsets(output, &steps)
}

/// The offsets `Σ index[i] * steps[i]` of all indices of `shape` in row-major order.
pub fn offsets(shape: &[usize], steps: &[usize]) -> Vec<usize> {
    let mut all = vec![0];
    for (&size, &step) in shape.iter().zip(steps) {
        all = all.iter().flat_map(|&base| (0..size).map(move |i| base + i * step)).collect();
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broadcasting() {
        assert_eq!(broadcast_sizes(&[2, 1, 3], &[4, 1]), Some(vec![2, 4, 3]));
        assert_eq!(broadcast_sizes(&[2, 3], &[2]), None);
        assert_eq!(broadcast_offsets(&[3, 1], &[2, 3, 2]), [0, 0, 1, 1, 2, 2, 0, 0, 1, 1, 2, 2]);
        let n = Shape(vec![Dim::Symbol("n".into()), Dim::Known(1)]);
        assert_eq!(broadcast(&n, &Shape::fixed(&[1, 5])).unwrap().to_string(), "[n, 5]");
    }

    #[test]
    fn axes_count_from_both_ends() {
        assert_eq!((axis(-1, 4), axis(3, 4), axis(4, 4), axis(-5, 4)), (Some(3), Some(3), None, None));
    }
}
