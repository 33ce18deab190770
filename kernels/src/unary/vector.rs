//! The vector variant, in f32: the functions that nets use between their layers, of the exponential and of the normal
//! distribution, and bounds.
#![allow(unsafe_code)] // Loads and stores of vectors.

use super::{Function, Params};
use crate::simd::{Body, Kernel, Simd, math, normal};

/// A function of every element; x is y itself where it is absent.
pub(super) struct Elements<'a> {
    pub(super) params: &'a Params,
    pub(super) x: Option<&'a [f32]>,
    pub(super) y: &'a mut [f32],
}

/// Whether this variant knows the function.
pub(super) fn knows(function: Function) -> bool {
    use Function::{Clip, Exp, HardSwish, Reciprocal, Relu, Round, Sigmoid, Silu, Tanh};
    use Function::{Elu, Erf, Gelu, GeluTanh, Mish, Selu, Softplus, Softsign};
    matches!(function, Clip | Exp | HardSwish | Reciprocal | Relu | Round | Sigmoid | Silu | Tanh)
        || matches!(function, Elu | Erf | Gelu | GeluTanh | Mish | Selu | Softplus | Softsign)
}

impl Kernel for Elements<'_> {
    fn run<S: Simd>(self, simd: S) {
        simd.enter(self);
    }
}

impl Body for Elements<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let (alpha, beta) = (s.splat(self.params.alpha), s.splat(self.params.beta));
        match self.params.function {
            // Of maximum and minimum the second operand is the result where one is a NaN.
            Function::Relu => self.each(
                s,
                #[inline(always)]
                |v| s.max(s.splat(0.0), v),
            ),
            Function::Clip => self.each(
                s,
                #[inline(always)]
                |v| s.min(beta, s.max(alpha, v)),
            ),
            Function::HardSwish => self.each(
                s,
                #[inline(always)]
                |v| hard_swish(s, v),
            ),
            Function::Reciprocal => self.each(
                s,
                #[inline(always)]
                |v| s.div(s.splat(1.0), v),
            ),
            Function::Round => self.each(
                s,
                #[inline(always)]
                |v| s.round(v),
            ),
            Function::Sigmoid => self.each(
                s,
                #[inline(always)]
                |v| math::sigmoid(s, v, s.splat(1.0)),
            ),
            Function::Silu => self.each(
                s,
                #[inline(always)]
                |v| math::silu(s, v),
            ),
            Function::Tanh => self.each(
                s,
                #[inline(always)]
                |v| math::tanh(s, v),
            ),
            Function::Elu => self.each(
                s,
                #[inline(always)]
                |v| math::elu(s, v, alpha, s.splat(1.0)),
            ),
            Function::Selu => self.each(
                s,
                #[inline(always)]
                |v| math::elu(s, v, s.mul(alpha, beta), beta),
            ),
            Function::Erf => self.each(
                s,
                #[inline(always)]
                |v| normal::erf(s, v),
            ),
            Function::Gelu => self.each(
                s,
                #[inline(always)]
                |v| normal::gelu(s, v),
            ),
            Function::GeluTanh => self.each(
                s,
                #[inline(always)]
                |v| math::gelu_tanh(s, v),
            ),
            Function::Mish => self.each(
                s,
                #[inline(always)]
                |v| math::mish(s, v),
            ),
            Function::Softplus => self.each(
                s,
                #[inline(always)]
                |v| math::softplus(s, v),
            ),
            Function::Softsign => self.each(
                s,
                #[inline(always)]
                |v| math::softsign(s, v),
            ),
            _ => self.each(
                s,
                #[inline(always)]
                |v| math::exp(s, v),
            ),
        }
    }
}

/// `v * clamp(v + 3, 0, 6) / 6`.
#[inline(always)]
fn hard_swish<S: Simd>(s: S, v: S::F32) -> S::F32 {
    let six = s.splat(6.0);
    let shifted = s.max(s.splat(0.0), s.add(v, s.splat(3.0)));
    s.mul(v, s.sixth(s.min(six, shifted)))
}

impl Elements<'_> {
    #[inline(always)]
    fn each<S: Simd>(self, s: S, f: impl Fn(S::F32) -> S::F32) {
        let len = self.y.len();
        let to = self.y.as_mut_ptr();
        let from = match self.x {
            Some(x) if x.len() < len => return,
            Some(x) => x.as_ptr(),
            None => to.cast_const(),
        };
        let mut k = 0;
        while k + S::LANES <= len {
            // SAFETY: both hold `len` elements, and k + LANES is not behind them.
            unsafe { s.store(to.add(k), f(s.load(from.add(k)))) };
            k += S::LANES;
        }
        if k < len {
            // SAFETY: as above, for the elements that are left.
            unsafe { s.store_first(to.add(k), len - k, f(s.load_first(from.add(k), len - k))) };
        }
    }
}
