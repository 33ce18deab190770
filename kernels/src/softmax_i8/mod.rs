//! int8 softmax over the middle axis of `[outer, axis, inner]`: `e = exponentials[255 - (max - x)]`, `s = Σ e` in u64,
//! `y = min((e * 256 + s / 2) / s, 255) - 128`: scale 1/256, zero point -128.
//!
//! x and y i8, exponentials u32 `[256]` (the last one for the maximum). A sum of zero gives -128. Integers only: every
//! variant gives the same bits.

#[cfg(not(target_arch = "arm"))]
mod dense;
#[cfg(target_arch = "arm")]
mod divider;
mod portable;

use crate::Isa;
use crate::walk::product;

/// What a softmax is told.
#[derive(Clone, Copy, Debug)]
pub struct Params {
    /// Product of the sizes before the axis.
    pub outer: u32,
    /// Size of the axis.
    pub axis: u32,
    /// Product of the sizes after the axis.
    pub inner: u32,
}

impl Params {
    /// Elements of input and output; `None` where a size is zero or the product leaves `i32`.
    pub fn elements(&self) -> Option<u32> {
        product(&[self.outer, self.axis, self.inner]).filter(|&n| n > 0)
    }
}

/// Computes `y` from `x`. Operands of other lengths than the parameters give leave `y` as it is.
pub fn run(isa: Isa, params: &Params, x: &[i8], exponentials: &[u32; 256], y: &mut [i8]) {
    let fits = x.len() == y.len() && params.elements().is_some_and(|n| n as usize == y.len());
    if fits && !run_fast(isa, params, x, exponentials, y) {
        portable::run(params, x, exponentials, y, portable::share);
    }
}

/// Computes dense columns without divisions; false for others.
#[cfg(not(target_arch = "arm"))]
fn run_fast(isa: Isa, params: &Params, x: &[i8], exponentials: &[u32; 256], y: &mut [i8]) -> bool {
    isa.level() != crate::Level::Portable && dense::run(params, x, exponentials, y)
}

/// Computes columns with the divider of the core.
#[cfg(target_arch = "arm")]
fn run_fast(isa: Isa, params: &Params, x: &[i8], exponentials: &[u32; 256], y: &mut [i8]) -> bool {
    isa.level() != crate::Level::Portable && divider::run(params, x, exponentials, y)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::Samples;

    fn table(scale: f64) -> [u32; 256] {
        core::array::from_fn(|k| ((k as f64 - 255.0) * scale).exp().mul_add(f64::from(1 << 24), 0.5) as u32)
    }

    fn battery([outer, axis, inner]: [u32; 3], exponentials: &[u32; 256], x: &[i8]) {
        let p = Params { outer, axis, inner };
        for isa in Isa::available() {
            let mut y = std::vec![99; x.len()];
            run(isa, &p, x, exponentials, &mut y);
            for (o, i) in (0..outer).flat_map(|o| (0..inner).map(move |i| (o, i))) {
                let at = |k: u32| ((o * axis + k) * inner + i) as usize;
                let max = (0..axis).map(|k| i32::from(x[at(k)])).max().unwrap();
                let e = |k| u128::from(exponentials[(255 - (max - i32::from(x[at(k)]))) as usize]);
                let s: u128 = (0..axis).map(e).sum();
                for k in 0..axis {
                    let want = (e(k) * 256 + s / 2).checked_div(s).unwrap_or(0).min(255) as i32 - 128;
                    assert_eq!(i32::from(y[at(k)]), want, "{:?} {p:?}", isa.level());
                }
            }
        }
    }

    #[test]
    fn every_variant_follows_the_definition() {
        let sizes = [
            [1, 1, 1],
            [3, 10, 1],
            [1, 1000, 1],
            [2, 7, 5],
            [1, 3, 3],
            [4, 16, 16],
            [5, 17, 1],
            [2, 33, 9],
            [1, 2, 40],
        ];
        for (k, sizes) in sizes.into_iter().enumerate() {
            let x = Samples::new(k as u64).bytes(sizes.iter().product());
            for exponentials in [table(0.02), table(0.3), [u32::MAX; 256], [0; 256]] {
                battery(sizes, &exponentials, &x);
            }
        }
    }

    #[test]
    fn quotients_beside_an_integer_are_the_right_ones() {
        let mut samples = Samples::new(7);
        for round in 0..3000u32 {
            let axis = 2 + samples.below(5);
            let most = [3, 700, 1 << 16, 1 << 24, u32::MAX / 8][round as usize % 5];
            let exponentials = core::array::from_fn(|_| samples.below(most));
            battery([1, axis, 1], &exponentials, &samples.bytes(axis));
        }
    }

    #[test]
    fn one_class_is_certain_and_equals_share() {
        for isa in Isa::available() {
            let mut y = [0; 4];
            run(isa, &Params { outer: 4, axis: 1, inner: 1 }, &[-128, 0, 3, 127], &table(0.1), &mut y);
            assert_eq!(y, [127; 4]);
            run(isa, &Params { outer: 1, axis: 4, inner: 1 }, &[-128; 4], &table(0.1), &mut y);
            assert_eq!(y, [-64; 4]);
            run(isa, &Params { outer: 1, axis: 5, inner: 1 }, &[1; 4], &table(0.1), &mut y);
            run(isa, &Params { outer: 1, axis: 0, inner: 1 }, &[1; 4], &table(0.1), &mut y);
            run(isa, &Params { outer: 1, axis: 4, inner: 1 }, &[1; 3], &table(0.1), &mut y);
            assert_eq!(y, [-64; 4]);
        }
    }
}
