//! Matrix products with numpy's batch rules, which several operators share.

use ocellus_graph::{Dim, Node, Shape};

use crate::OpError;
use crate::shapes::{broadcast, broadcast_offsets, broadcast_sizes};

/// The shape of `a @ b`: axes before the last two broadcast; a vector becomes a row (left) or a column (right), whose
/// axis of size 1 is not in the result.
pub(super) fn product_shape(node: &Node, a: &Shape, b: &Shape) -> Result<Shape, OpError> {
    let misfit = |why: &str| OpError::at(node, format!("shapes {a} and {b} cannot be multiplied: {why}"));
    if a.rank() == 0 || b.rank() == 0 {
        return Err(misfit("a scalar is no matrix"));
    }
    let inner = (&a[a.rank() - 1], &b[b.rank().saturating_sub(2)]);
    if inner.0.known().zip(inner.1.known()).is_some_and(|(m, n)| m != n) {
        return Err(misfit("the columns of the first are not the rows of the second"));
    }
    let batch = |s: &Shape| -> Shape { s[..s.rank().saturating_sub(2)].iter().cloned().collect() };
    let mut shape = broadcast(&batch(a), &batch(b)).ok_or_else(|| misfit("their batch axes do not broadcast"))?;
    let rows = (a.rank() > 1).then(|| a[a.rank() - 2].clone());
    let columns = (b.rank() > 1).then(|| b[b.rank() - 1].clone());
    shape.0.extend(rows.into_iter().chain(columns));
    Ok(shape)
}

/// A product of known shapes.
pub(super) struct Product {
    /// Shape of the result.
    pub shape: Vec<usize>,
    /// Rows of one matrix of the result.
    pub rows: usize,
    /// Elements of one sum.
    pub inner: usize,
    /// Columns of one matrix of the result.
    pub columns: usize,
    /// For every matrix of the result the places, counted in matrices, of its two factors.
    pub batches: Vec<(usize, usize)>,
}

impl Product {
    /// The product of tensors of these shapes.
    pub fn new(node: &Node, a: &[usize], b: &[usize]) -> Result<Self, OpError> {
        let shape = product_shape(node, &Shape::fixed(a), &Shape::fixed(b))?;
        let shape: Vec<usize> = shape.iter().filter_map(Dim::known).collect();
        let (rows, inner) = if a.len() > 1 { (a[a.len() - 2], a[a.len() - 1]) } else { (1, a[0]) };
        let columns = if b.len() > 1 { b[b.len() - 1] } else { 1 };
        let (a, b) = (&a[..a.len().saturating_sub(2)], &b[..b.len().saturating_sub(2)]);
        let batch = broadcast_sizes(a, b).unwrap_or_default();
        let batches = broadcast_offsets(a, &batch).into_iter().zip(broadcast_offsets(b, &batch)).collect();
        Ok(Self { shape, rows, inner, columns, batches })
    }

    /// The result, where `add(sum, x, y)` is `sum + x * y`.
    pub fn compute<T: Copy>(&self, a: &[T], b: &[T], zero: T, add: impl Fn(T, T, T) -> T) -> Vec<T> {
        let (left, right) = (self.rows * self.inner, self.inner * self.columns);
        let mut result = vec![zero; self.batches.len() * self.rows * self.columns];
        if result.is_empty() {
            return result;
        }
        for (matrix, &(i, j)) in result.chunks_exact_mut(self.rows * self.columns).zip(&self.batches) {
            let (a, b) = (&a[i * left..][..left], &b[j * right..][..right]);
            for (r, row) in matrix.chunks_exact_mut(self.columns).enumerate() {
                for (&x, line) in a[r * self.inner..][..self.inner].iter().zip(b.chunks_exact(self.columns)) {
                    row.iter_mut().zip(line).for_each(|(sum, &y)| *sum = add(*sum, x, y));
                }
            }
        }
        result
    }
}

/// The transpose of a row-major matrix.
pub(super) fn turned<T: Copy>(values: &[T], rows: usize, columns: usize) -> Vec<T> {
    (0..rows * columns).map(|i| values[i % rows * columns + i / rows]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_follow_numpy() {
        let node = Node::new("MatMul", [], []);
        let shape = |a: &[usize], b: &[usize]| product_shape(&node, &Shape::fixed(a), &Shape::fixed(b)).ok()?.known();
        assert_eq!(shape(&[2, 3], &[3, 4]), Some(vec![2, 4]));
        assert_eq!(shape(&[3], &[3, 4]), Some(vec![4]));
        assert_eq!(shape(&[2, 3], &[3]), Some(vec![2]));
        assert_eq!(shape(&[3], &[3]), Some(vec![]));
        assert_eq!(shape(&[5, 1, 2, 3], &[7, 3, 4]), Some(vec![5, 7, 2, 4]));
        assert_eq!(shape(&[2, 3], &[4, 3]), None);
        assert_eq!(shape(&[2, 2, 3], &[3, 3, 4]), None);
        assert_eq!(shape(&[], &[3]), None);
    }

    #[test]
    fn a_symbolic_batch_stays() {
        let node = Node::new("MatMul", [], []);
        let a = Shape(vec![Dim::Symbol("n".into()), Dim::Known(3)]);
        assert_eq!(product_shape(&node, &a, &Shape::fixed(&[3, 4])).unwrap().to_string(), "[n, 4]");
    }

    #[test]
    fn turns_a_matrix() {
        assert_eq!(turned(&[1, 2, 3, 4, 5, 6], 2, 3), [1, 4, 2, 5, 3, 6]);
    }
}
