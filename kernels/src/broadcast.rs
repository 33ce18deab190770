//! How two operands of an elementwise function meet.

use crate::walk::{is_dense, product, reach};

/// Sizes of the output and distances in the operands.
#[derive(Clone, Copy, Debug)]
pub struct Broadcast {
    /// Sizes of the output, outermost first, the unused ones 1.
    pub sizes: [u32; 6],
    /// Distance in elements of the first operand between neighbours along every axis, 0 where it is broadcast.
    pub a_strides: [u32; 6],
    /// The same of the second operand.
    pub b_strides: [u32; 6],
}

impl Broadcast {
    /// Elements of the output; `None` where a size is zero or the product leaves `i32`.
    pub fn outputs(&self) -> Option<u32> {
        product(&self.sizes).filter(|&n| n > 0)
    }

    /// Elements of the first operand: one past the farthest that is read.
    pub fn a_len(&self) -> Option<u32> {
        reach(&self.sizes, &self.a_strides)
    }

    /// Elements of the second operand.
    pub fn b_len(&self) -> Option<u32> {
        reach(&self.sizes, &self.b_strides)
    }

    /// Whether the first operand may be the output itself: it has the output's own strides.
    pub fn a_in_place(&self) -> bool {
        is_dense(&self.sizes, &self.a_strides)
    }

    /// Whether the second operand may be the output itself.
    pub fn b_in_place(&self) -> bool {
        is_dense(&self.sizes, &self.b_strides)
    }

    /// Whether the operands have these lengths; one that is `None` is `y` itself.
    pub(crate) fn fits<T>(&self, a: Option<&[T]>, b: Option<&[T]>, y: &[T]) -> bool {
        let is = |len: usize, n: Option<u32>| n.is_some_and(|n| n as usize == len);
        is(y.len(), self.outputs())
            && a.map_or(self.a_in_place(), |a| is(a.len(), self.a_len()))
            && b.map_or(self.b_in_place(), |b| is(b.len(), self.b_len()))
    }

    /// The box without its innermost rows: along a row both operands are dense or repeat one element.
    #[cfg(any(test, target_arch = "x86_64", target_arch = "aarch64", all(target_arch = "arm", feature = "dsp")))]
    pub(crate) fn rows(&self) -> Rows {
        let mut rows = Rows { outer: *self, len: 1, a_step: 1, b_step: 1 };
        for k in (0..6).rev() {
            // By index from the back: the reversed zip of three arrays keeps a panic path.
            let at = (rows.outer.sizes.get_mut(k), self.a_strides.get(k), self.b_strides.get(k));
            let (Some(size), Some(&a), Some(&b)) = at else { break };
            if *size == 1 {
                continue;
            }
            let follows = a == rows.a_step.wrapping_mul(rows.len) && b == rows.b_step.wrapping_mul(rows.len);
            if rows.len == 1 && a <= 1 && b <= 1 {
                (rows.a_step, rows.b_step) = (a, b);
            } else if rows.len == 1 || !follows {
                break;
            }
            rows.len = rows.len.wrapping_mul(*size);
            *size = 1;
        }
        rows
    }
}

/// A box cut into rows of equal length.
#[cfg(any(test, target_arch = "x86_64", target_arch = "aarch64", all(target_arch = "arm", feature = "dsp")))]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rows {
    /// The starts of the rows.
    pub(crate) outer: Broadcast,
    /// Elements of a row.
    pub(crate) len: u32,
    /// Distance between the first operand's elements along a row: 0 or 1.
    pub(crate) a_step: u32,
    /// The same of the second operand.
    pub(crate) b_step: u32,
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::walk::Walk;
    use std::vec::Vec;

    /// Shapes that broadcast to each other, with rows around the vector sizes.
    pub(crate) fn cases() -> Vec<Broadcast> {
        let shapes: [([u32; 4], [u32; 4]); 14] = [
            ([1, 1, 1, 1], [1, 1, 1, 1]),
            ([1, 1, 1, 37], [1, 1, 1, 37]),
            ([1, 2, 16, 8], [1, 2, 16, 8]),
            ([2, 3, 5, 8], [2, 3, 5, 8]),
            ([2, 3, 5, 7], [1, 1, 1, 7]),
            ([1, 1, 1, 33], [2, 3, 1, 33]),
            ([2, 3, 5, 7], [1, 1, 1, 1]),
            ([1, 1, 1, 1], [4, 1, 1, 19]),
            ([2, 1, 5, 1], [1, 3, 1, 9]),
            ([2, 3, 1, 1], [2, 3, 4, 16]),
            ([3, 4, 17, 1], [3, 4, 17, 6]),
            ([3, 3, 3, 3], [3, 1, 3, 1]),
            ([1, 9, 1, 40], [1, 9, 1, 1]),
            ([2, 4, 4, 65], [2, 1, 1, 65]),
        ];
        let strides = |shape: [u32; 4], sizes: [u32; 6]| {
            let (mut strides, mut distance) = ([0; 6], 1);
            for axis in (0..4).rev() {
                if shape[axis] == sizes[axis + 2] {
                    strides[axis + 2] = distance;
                }
                distance *= shape[axis];
            }
            strides
        };
        let case = |(a, b): ([u32; 4], [u32; 4])| {
            let mut sizes = [1; 6];
            (0..4).for_each(|axis| sizes[axis + 2] = a[axis].max(b[axis]));
            Broadcast { sizes, a_strides: strides(a, sizes), b_strides: strides(b, sizes) }
        };
        let mut all: Vec<_> = shapes.into_iter().map(case).collect();
        // A transposed first operand.
        all.push(Broadcast { sizes: [1, 1, 1, 1, 5, 7], a_strides: [0, 0, 0, 0, 1, 5], b_strides: [0, 0, 0, 0, 7, 1] });
        all
    }

    #[test]
    fn rows_cover_the_box_in_order() {
        for case in cases() {
            let rows = case.rows();
            let outer = Walk::new(rows.outer.sizes, [case.a_strides, case.b_strides]);
            let cut = outer.flat_map(|[a, b]| (0..rows.len).map(move |k| [a + k * rows.a_step, b + k * rows.b_step]));
            assert!(cut.eq(Walk::new(case.sizes, [case.a_strides, case.b_strides])), "{case:?}");
        }
        assert_eq!(cases()[3].rows().len, 240);
        assert_eq!(cases()[4].rows().len, 7);
        assert_eq!(cases()[6].rows().len, 210);
        assert_eq!(cases()[10].rows().len, 6);
    }
}
