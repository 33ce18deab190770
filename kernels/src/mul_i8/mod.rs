//! Product of two int8 tensors, with broadcasting: `y = clamp(rne(((a - a_zero_point) * (b - b_zero_point)) as f32 * scale))
//! + zero_point`, clamped before the rounding. Every variant gives the same bits.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(all(target_arch = "arm", feature = "dsp", not(feature = "helium")))]
mod dsp;
#[cfg(all(target_arch = "arm", feature = "helium"))]
mod helium;
#[cfg(target_arch = "aarch64")]
mod neon;
mod portable;
#[cfg(target_arch = "x86_64")]
mod sse41;

use crate::Isa;
use crate::broadcast::Broadcast;
use crate::round::{Output, is_i8};

/// What a product is told.
#[derive(Clone, Copy, Debug)]
pub struct Params {
    /// How the operands meet.
    pub broadcast: Broadcast,
    /// Scale of a times scale of b over scale of y.
    pub scale: f32,
    /// Zero point of a.
    pub a_zero_point: i32,
    /// Zero point of b.
    pub b_zero_point: i32,
    /// The way to int8.
    pub output: Output,
}

impl Params {
    /// Whether zero points and bounds are int8 and in order.
    pub fn check(&self) -> bool {
        is_i8(self.a_zero_point) && is_i8(self.b_zero_point) && self.output.check()
    }

    #[inline(always)]
    fn compute(&self, a: i8, b: i8) -> i8 {
        let a = i32::from(a).wrapping_sub(self.a_zero_point);
        let b = i32::from(b).wrapping_sub(self.b_zero_point);
        self.output.of(a.wrapping_mul(b), self.scale)
    }
}

/// Multiplies; an operand that is `None` is `y` itself. Operands of other lengths than the parameters give leave `y` as it
/// is.
pub fn run(isa: Isa, params: &Params, a: Option<&[i8]>, b: Option<&[i8]>, y: &mut [i8]) {
    if params.check() && params.broadcast.fits(a, b, y) && !run_fast(isa, params, a, b, y) {
        portable::run(params, a, b, y);
    }
}

/// Multiplies with a vector variant; false where there is none.
#[cfg(target_arch = "x86_64")]
fn run_fast(isa: Isa, params: &Params, a: Option<&[i8]>, b: Option<&[i8]>, y: &mut [i8]) -> bool {
    avx512::run(isa, params, a, b, y) || avx2::run(isa, params, a, b, y) || sse41::run(isa, params, a, b, y)
}

/// Multiplies with NEON; false where there is none.
#[cfg(target_arch = "aarch64")]
fn run_fast(isa: Isa, params: &Params, a: Option<&[i8]>, b: Option<&[i8]>, y: &mut [i8]) -> bool {
    neon::run(isa, params, a, b, y)
}

/// Multiplies with Helium; false where there is none.
#[cfg(all(target_arch = "arm", feature = "helium"))]
fn run_fast(isa: Isa, params: &Params, a: Option<&[i8]>, b: Option<&[i8]>, y: &mut [i8]) -> bool {
    helium::run(isa, params, a, b, y)
}

/// Multiplies with the DSP variant; false where there is none.
#[cfg(all(target_arch = "arm", feature = "dsp", not(feature = "helium")))]
fn run_fast(isa: Isa, params: &Params, a: Option<&[i8]>, b: Option<&[i8]>, y: &mut [i8]) -> bool {
    dsp::run(isa, params, a, b, y)
}

/// No vector variant for this architecture.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64", all(target_arch = "arm", feature = "dsp"))))]
fn run_fast(_: Isa, _: &Params, _: Option<&[i8]>, _: Option<&[i8]>, _: &mut [i8]) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broadcast::tests::cases;
    use crate::samples::{Samples, requantized};
    use crate::walk::Walk;

    fn all_params(broadcast: Broadcast) -> [Params; 3] {
        let output = Output { zero_point: 4, low: -128, high: 127 };
        let p = Params { broadcast, scale: 0.0137, a_zero_point: -7, b_zero_point: 12, output };
        [
            p,
            Params { scale: 0.5, a_zero_point: 127, b_zero_point: -128, ..p },
            Params { output: Output { zero_point: -128, low: -100, high: 60 }, ..p },
        ]
    }

    #[test]
    fn every_variant_follows_the_definition() {
        for (k, broadcast) in cases().into_iter().enumerate() {
            let mut samples = Samples::new(k as u64);
            let a = samples.bytes(broadcast.a_len().unwrap());
            let b = samples.bytes(broadcast.b_len().unwrap());
            for p in all_params(broadcast) {
                let exact = |a: i8, b: i8| {
                    let product = (i32::from(a) - p.a_zero_point) * (i32::from(b) - p.b_zero_point);
                    requantized(product, p.scale, &p.output)
                };
                let walk = Walk::new(broadcast.sizes, [broadcast.a_strides, broadcast.b_strides]);
                let want: std::vec::Vec<i8> = walk.map(|[i, j]| exact(a[i as usize], b[j as usize])).collect();
                for isa in Isa::available() {
                    let mut y = std::vec![99; want.len()];
                    run(isa, &p, Some(&a), Some(&b), &mut y);
                    assert_eq!(y, want, "{:?} {p:?}", isa.level());
                    if broadcast.a_in_place() {
                        let mut z = a.clone();
                        run(isa, &p, None, Some(&b), &mut z);
                        assert_eq!(z, want, "{:?} {p:?}", isa.level());
                    }
                    if broadcast.b_in_place() {
                        let mut z = b.clone();
                        run(isa, &p, Some(&a), None, &mut z);
                        assert_eq!(z, want, "{:?} {p:?}", isa.level());
                    }
                }
            }
        }
    }

    #[test]
    fn bad_operands_leave_the_output() {
        let p = all_params(cases()[4])[0];
        for isa in Isa::available() {
            let mut y = [7; 210];
            run(isa, &p, Some(&[1; 209]), Some(&[1; 7]), &mut y);
            run(isa, &p, Some(&[1; 210]), Some(&[1; 6]), &mut y);
            run(isa, &p, Some(&[1; 210]), None, &mut y);
            run(isa, &Params { b_zero_point: -200, ..p }, Some(&[1; 210]), Some(&[1; 7]), &mut y);
            assert_eq!(y, [7; 210]);
        }
    }
}
