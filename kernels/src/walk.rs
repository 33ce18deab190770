//! Row-major walks over boxes with strided operands.

/// The index sets of a box in row-major order, as the offsets of `M` operands.
///
/// Offsets that leave `u32` wrap: [`reach`] tells beforehand whether any does.
#[derive(Clone, Copy)]
pub struct Walk<const N: usize, const M: usize> {
    sizes: [u32; N],
    strides: [[u32; N]; M],
    index: [u32; N],
    offsets: [u32; M],
    more: bool,
}

impl<const N: usize, const M: usize> Walk<N, M> {
    /// A walk over a box of `sizes`, outermost first.
    pub fn new(sizes: [u32; N], strides: [[u32; N]; M]) -> Self {
        Self { sizes, strides, index: [0; N], offsets: [0; M], more: sizes.iter().all(|&n| n > 0) }
    }

    fn step(&mut self) {
        for (axis, (index, &size)) in self.index.iter_mut().zip(&self.sizes).enumerate().rev() {
            *index = index.wrapping_add(1);
            // A full axis goes back to its start, and the next one outwards steps.
            let full = *index >= size;
            for (offset, strides) in self.offsets.iter_mut().zip(&self.strides) {
                let stride = strides.get(axis).copied().unwrap_or(0);
                *offset = offset.wrapping_add(stride);
                if full {
                    *offset = offset.wrapping_sub(stride.wrapping_mul(size));
                }
            }
            if !full {
                return;
            }
            *index = 0;
        }
        self.more = false;
    }
}

impl<const N: usize, const M: usize> Iterator for Walk<N, M> {
    type Item = [u32; M];

    fn next(&mut self) -> Option<[u32; M]> {
        if !self.more {
            return None;
        }
        let offsets = self.offsets;
        self.step();
        Some(offsets)
    }
}

/// The elements that a walk with these strides touches, from the first to one past the farthest; `None` above `i32` or
/// for an empty box.
pub fn reach(sizes: &[u32], strides: &[u32]) -> Option<u32> {
    let last = sizes
        .iter()
        .zip(strides)
        .try_fold(0u32, |last, (&size, &stride)| last.checked_add(size.checked_sub(1)?.checked_mul(stride)?))?;
    last.checked_add(1).filter(|&n| n <= i32::MAX as u32)
}

/// The product of sizes; `None` above `i32`.
pub fn product(sizes: &[u32]) -> Option<u32> {
    let n = sizes.iter().try_fold(1u32, |n, &d| n.checked_mul(d))?;
    (n <= i32::MAX as u32).then_some(n)
}

/// Whether `strides` are those of a dense row-major tensor of `sizes`, axes of size 1 aside.
pub fn is_dense(sizes: &[u32], strides: &[u32]) -> bool {
    let mut expected = 1u32;
    sizes.iter().zip(strides).rev().all(|(&size, &stride)| {
        let fits = size == 1 || stride == expected;
        expected = expected.saturating_mul(size);
        fits
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn walks_in_row_major_order() {
        let walk = Walk::new([2, 1, 3], [[10, 7, 2], [0, 0, 1]]);
        assert!(walk.eq([[0, 0], [2, 1], [4, 2], [10, 0], [12, 1], [14, 2]]));
        assert_eq!(Walk::new([2, 0, 3], [[1; 3]]).count(), 0);
        assert_eq!(Walk::<0, 1>::new([], [[]]).count(), 1);
    }

    #[test]
    fn reaches_are_checked() {
        assert_eq!(reach(&[2, 1, 3], &[10, 7, 2]), Some(15));
        assert_eq!(reach(&[2, 0, 3], &[10, 7, 2]), None);
        assert_eq!(reach(&[1 << 16, 3], &[1 << 16, 1]), None);
        assert_eq!(reach(&[1 << 15, 1 << 16], &[1 << 16, 1]), None);
        assert_eq!(reach(&[1, 1], &[u32::MAX, u32::MAX]), Some(1));
    }

    #[test]
    fn dense_strides_are_known() {
        assert!(is_dense(&[2, 3, 4], &[12, 4, 1]));
        assert!(is_dense(&[1, 3, 1], &[0, 1, 77]));
        assert!(!is_dense(&[2, 3], &[1, 2]));
        assert!(!is_dense(&[2, 3], &[0, 1]));
    }
}
