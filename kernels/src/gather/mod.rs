//! Rows by index: `y[o, k, i] = x[o, index[k], i]`; a negative index counts from the end, one out of range is clamped.
//!
//! x `[outer, axis, inner]` and y `[outer, count, inner]` of elements of any size, as bytes; indices `[count]`.

mod portable;

use crate::walk::product;
use crate::{Isa, Pod};

/// What a gather is told.
#[derive(Clone, Copy, Debug)]
pub struct Params {
    /// Bytes of an element: 1, 2, 4 or 8.
    pub element_bytes: u32,
    /// Product of the sizes before the axis.
    pub outer: u32,
    /// Size of the axis.
    pub axis: u32,
    /// Product of the sizes after the axis.
    pub inner: u32,
    /// Number of indices.
    pub count: u32,
}

impl Params {
    /// Whether elements of such a size exist.
    pub fn check(&self) -> bool {
        crate::copy::shift(self.element_bytes).is_some()
    }

    /// Bytes of x; `None` where a size is zero or the product leaves `i32`.
    pub fn inputs(&self) -> Option<u32> {
        product(&[self.outer, self.axis, self.inner, self.element_bytes]).filter(|&n| n > 0)
    }

    /// Bytes of y.
    pub fn outputs(&self) -> Option<u32> {
        product(&[self.outer, self.count, self.inner, self.element_bytes]).filter(|&n| n > 0)
    }
}

/// Indices.
pub trait Index: Pod {
    /// The place on an axis of `axis` elements (at least one).
    fn place(self, axis: u32) -> u32;
}

impl Index for i32 {
    fn place(self, axis: u32) -> u32 {
        i64::from(self).place(axis)
    }
}

impl Index for i64 {
    fn place(self, axis: u32) -> u32 {
        let axis = i64::from(axis);
        let place = if self < 0 { self.saturating_add(axis) } else { self };
        place.max(0).min(axis.wrapping_sub(1)) as u32
    }
}

/// Gathers. Operands of other lengths than the parameters give leave `y` as it is.
pub fn run<I: Index>(_isa: Isa, params: &Params, x: &[u8], indices: &[I], y: &mut [u8]) {
    let is = |len: usize, n: Option<u32>| n.is_some_and(|n| n as usize == len);
    let counted = indices.len() == params.count as usize;
    if params.check() && counted && is(x.len(), params.inputs()) && is(y.len(), params.outputs()) {
        portable::run(params, x, indices, y);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    #[test]
    fn rows_come_from_their_index() {
        let indices = [0i64, 4, -1, -5, 2, 2, 5, 99, -6, i64::MIN, i64::MAX];
        let places = [0, 4, 4, 0, 2, 2, 4, 4, 0, 0, 4];
        for (element_bytes, outer, inner) in [(1, 1, 1), (1, 3, 7), (2, 2, 3), (4, 1, 5), (8, 2, 2)] {
            let p = Params { element_bytes, outer, axis: 5, inner, count: 11 };
            let x: Vec<u8> = (0..p.inputs().unwrap()).map(|k| (k % 251) as u8).collect();
            let row = (inner * element_bytes) as usize;
            for isa in Isa::available() {
                let mut y = std::vec![0; p.outputs().unwrap() as usize];
                run(isa, &p, &x, &indices, &mut y);
                for (k, found) in y.chunks(row).enumerate() {
                    let from = (k / 11 * 5 + places[k % 11]) * row;
                    assert_eq!(found, &x[from..from + row], "{k} {p:?}");
                }
                let mut z = std::vec![0; y.len()];
                run(isa, &p, &x, &indices.map(|i| i.clamp(i32::MIN.into(), i32::MAX.into()) as i32), &mut z);
                assert_eq!(y, z);
            }
        }
    }

    #[test]
    fn bad_parameters_leave_the_output() {
        let p = Params { element_bytes: 1, outer: 1, axis: 3, inner: 2, count: 1 };
        for isa in Isa::available() {
            let mut y = [7; 2];
            run(isa, &p, &[1; 5], &[0i32], &mut y);
            run(isa, &p, &[1; 6], &[0i32, 1], &mut y);
            run(isa, &Params { axis: 0, ..p }, &[], &[0i32], &mut y);
            run(isa, &Params { element_bytes: 3, ..p }, &[1; 18], &[0i32], &mut y);
            assert_eq!(y, [7; 2]);
            run(isa, &p, &[1; 6], &[0i32], &mut y);
            assert_eq!(y, [1; 2]);
        }
    }
}
