//! The index of the greatest (or least) along the middle axis of `[outer, axis, inner]`.
//!
//! x f32 or i8, y i64 `[outer, inner]`. A NaN is passed over, unless all are.

mod portable;

use crate::walk::product;
use crate::{Isa, Pod};

/// What to look for.
#[derive(Clone, Copy, Debug)]
pub struct Params {
    /// Product of the sizes before the axis.
    pub outer: u32,
    /// Size of the axis.
    pub axis: u32,
    /// Product of the sizes after the axis.
    pub inner: u32,
    /// Whether the least is wanted.
    pub least: bool,
    /// Whether the last of equals counts, not the first.
    pub select_last: bool,
}

impl Params {
    /// Elements of x; `None` where a size is zero or the product leaves `i32`.
    pub fn inputs(&self) -> Option<u32> {
        product(&[self.outer, self.axis, self.inner]).filter(|&n| n > 0)
    }

    /// Elements of y.
    pub fn outputs(&self) -> Option<u32> {
        product(&[self.outer, self.inner]).filter(|&n| n > 0)
    }
}

/// Finds. Operands of other lengths than the parameters give leave `y` as it is.
pub fn run<T: Pod + PartialOrd>(_isa: Isa, params: &Params, x: &[T], y: &mut [i64]) {
    let is = |len: usize, n: Option<u32>| n.is_some_and(|n| n as usize == len);
    if is(x.len(), params.inputs()) && is(y.len(), params.outputs()) {
        portable::run(params, x, y);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::Samples;
    use std::vec::Vec;

    fn battery<T: Pod + PartialOrd + core::fmt::Debug>([outer, axis, inner]: [u32; 3], x: &[T]) {
        for (least, select_last) in [(false, false), (false, true), (true, false), (true, true)] {
            let p = Params { outer, axis, inner, least, select_last };
            for isa in Isa::available() {
                let mut y = std::vec![-1; p.outputs().unwrap() as usize];
                run(isa, &p, x, &mut y);
                for (k, &found) in y.iter().enumerate() {
                    let (o, i) = (k as u32 / inner, k as u32 % inner);
                    let at = |k: u32| x[((o * axis + k) * inner + i) as usize];
                    let found = found as u32;
                    // Nothing beats it, and among equals it is the outermost.
                    for k in 0..axis {
                        let (a, b) = (at(k), at(found));
                        assert!(!(if least { a < b } else { a > b }), "{p:?} {a:?} {b:?}");
                        let further = if select_last { k > found } else { k < found };
                        assert!(!(further && a == b), "{p:?} {k} {found}");
                    }
                }
            }
        }
    }

    #[test]
    fn nothing_beats_what_is_found() {
        for (k, sizes) in
            [[1, 1, 1], [3, 10, 1], [1, 1000, 1], [2, 7, 5], [3, 3, 3], [4, 17, 16]].into_iter().enumerate()
        {
            let bytes: Vec<i8> =
                Samples::new(k as u64).bytes(sizes.iter().product()).into_iter().map(|b| b / 16).collect();
            battery(sizes, &bytes);
            battery(sizes, &bytes.iter().map(|&b| f32::from(b) * 0.5).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_nan_is_passed_over() {
        let p = Params { outer: 1, axis: 4, inner: 1, least: false, select_last: false };
        for isa in Isa::available() {
            for (x, want) in [
                ([f32::NAN, 1.0, 3.0, f32::NAN], 2),
                ([f32::NAN; 4], 0),
                ([f32::NEG_INFINITY, f32::NAN, f32::NEG_INFINITY, f32::NAN], 0),
                ([0.0, -0.0, f32::INFINITY, f32::INFINITY], 2),
            ] {
                let mut y = [-1];
                run(isa, &p, &x, &mut y);
                assert_eq!(y, [want], "{x:?}");
            }
            let mut y = [-1];
            run(isa, &p, &[1.0, 2.0, 3.0], &mut y);
            run(isa, &Params { axis: 0, ..p }, &[0.0; 0], &mut y);
            assert_eq!(y, [-1]);
        }
    }
}
