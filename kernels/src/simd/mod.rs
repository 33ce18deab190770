//! Vectors of f32. A kernel's vector variant is written once, over [`Simd`], and compiled for every instruction set that
//! has a file here; what the widths make different are the sizes of its tiles.
#![allow(unsafe_code)] // Loads and stores of vectors are declared here.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
pub(crate) mod math;
#[cfg(target_arch = "aarch64")]
mod neon;
pub(crate) mod normal;
#[cfg(target_arch = "x86_64")]
mod sse41;

#[cfg(target_arch = "x86_64")]
pub(crate) use avx2::Avx2;
#[cfg(target_arch = "x86_64")]
pub(crate) use avx512::Avx512;
#[cfg(target_arch = "aarch64")]
use neon::Neon;
#[cfg(target_arch = "x86_64")]
use sse41::Sse41;

use crate::Isa;
use crate::half::{Bf16, F16, Weight};

/// An instruction set, proved: a value of it can only be made on a CPU that has it.
///
/// All methods have to be inlined into code that [`Simd::enter`] has compiled for the instruction set; elsewhere they are
/// right but slow.
pub(crate) trait Simd: Copy {
    /// A vector.
    type F32: Copy;
    /// Its elements: 4, 8 or 16.
    const LANES: usize;
    /// How many vectors there are registers for.
    const REGISTERS: usize;
    /// Whether [`Simd::scale`] is one instruction.
    const SCALES: bool = false;

    /// Runs a body compiled for this instruction set, as a function of its own.
    fn enter<B: Body>(self, body: B);
    /// `v` in every lane.
    fn splat(self, v: f32) -> Self::F32;
    /// Asks for a line of the cache that will be read soon; any address will do.
    #[inline(always)]
    fn prefetch<T>(self, from: *const T) {
        let _ = from;
        #[cfg(target_arch = "x86_64")]
        // SAFETY: every CPU of this architecture has SSE, and asking for a line never fails.
        unsafe {
            core::arch::x86_64::_mm_prefetch::<{ core::arch::x86_64::_MM_HINT_T0 }>(from.cast());
        }
    }
    /// The same for a line that will be read later, which goes into the second-level cache.
    #[inline(always)]
    fn prefetch_far<T>(self, from: *const T) {
        let _ = from;
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as above.
        unsafe {
            core::arch::x86_64::_mm_prefetch::<{ core::arch::x86_64::_MM_HINT_T1 }>(from.cast());
        }
    }
    /// Loads a vector.
    ///
    /// # Safety
    /// `from` points to [`Simd::LANES`] readable elements.
    unsafe fn load(self, from: *const f32) -> Self::F32;
    /// Stores a vector.
    ///
    /// # Safety
    /// `to` points to [`Simd::LANES`] writable elements.
    unsafe fn store(self, to: *mut f32, v: Self::F32);
    /// Loads the first `count` lanes, at most all, and zeros behind them.
    ///
    /// # Safety
    /// `from` points to that many readable elements.
    unsafe fn load_first(self, from: *const f32, count: usize) -> Self::F32;
    /// Loads a vector of numbers in IEEE's 16 bits.
    ///
    /// # Safety
    /// `from` points to [`Simd::LANES`] readable elements.
    unsafe fn load_f16(self, from: *const F16) -> Self::F32;
    /// Loads a vector of numbers in the upper 16 bits of f32.
    ///
    /// # Safety
    /// `from` points to [`Simd::LANES`] readable elements.
    unsafe fn load_bf16(self, from: *const Bf16) -> Self::F32;
    /// Stores the first `count` lanes, at most all.
    ///
    /// # Safety
    /// `to` points to that many writable elements.
    unsafe fn store_first(self, to: *mut f32, count: usize, v: Self::F32);
    /// `a + b`.
    fn add(self, a: Self::F32, b: Self::F32) -> Self::F32;
    /// `a - b`.
    fn sub(self, a: Self::F32, b: Self::F32) -> Self::F32;
    /// `a * b`.
    fn mul(self, a: Self::F32, b: Self::F32) -> Self::F32;
    /// `a * b + c`, rounded once where the instruction set can, else after the multiplication too.
    fn fma(self, a: Self::F32, b: Self::F32, c: Self::F32) -> Self::F32;
    /// The greater of `a` and `b`; `b` where one is a NaN.
    fn max(self, a: Self::F32, b: Self::F32) -> Self::F32;
    /// The smaller of `a` and `b`; `b` where one is a NaN.
    fn min(self, a: Self::F32, b: Self::F32) -> Self::F32;
    /// `a / b`.
    fn div(self, a: Self::F32, b: Self::F32) -> Self::F32;
    /// `a / b` within 2 units in the last place, for a `b` of 1 to `2^100`.
    #[inline(always)]
    fn quotient(self, a: Self::F32, b: Self::F32) -> Self::F32 {
        self.div(a, b)
    }
    /// `a / 6` for finite numbers.
    #[inline(always)]
    fn sixth(self, a: Self::F32) -> Self::F32 {
        self.div(a, self.splat(6.0))
    }
    /// The nearest integer, half to even.
    fn round(self, a: Self::F32) -> Self::F32;
    /// `2^n` for an integer `n` of -126 to 127.
    fn power(self, n: Self::F32) -> Self::F32;
    /// `v * 2^n` for an integer `n` of -252 to 252, rounded once.
    #[inline(always)]
    fn scale(self, v: Self::F32, n: Self::F32) -> Self::F32 {
        let half = self.round(self.mul(n, self.splat(0.5)));
        let rest = self.fma(half, self.splat(-1.0), n);
        self.mul(self.mul(v, self.power(half)), self.power(rest))
    }
    /// The sum of all lanes.
    fn sum(self, a: Self::F32) -> f32;
    /// `a` where the sign of `v` is set, `b` elsewhere.
    fn where_negative(self, v: Self::F32, a: Self::F32, b: Self::F32) -> Self::F32;
}

/// Numbers that are loaded as vectors of f32.
pub(crate) trait Load: Weight {
    /// Loads a vector.
    ///
    /// # Safety
    /// `from` points to [`Simd::LANES`] readable elements.
    unsafe fn load<S: Simd>(simd: S, from: *const Self) -> S::F32;

    /// Loads the first `count` lanes, at most all, and zeros behind them.
    ///
    /// # Safety
    /// `from` points to that many readable elements.
    unsafe fn load_first<S: Simd>(simd: S, from: *const Self, count: usize) -> S::F32;
}

/// The first `count` numbers of 16 bits, at most 16, and zeros behind them: in words, which do not pass through memory on
/// their way to a vector.
///
/// # Safety
/// `from` points to that many readable elements.
#[inline(always)]
unsafe fn first_of_16_bits(from: *const u16, count: usize) -> [u64; 4] {
    core::array::from_fn(|word| {
        let first = 4 * word;
        if count >= first + 4 {
            // SAFETY: the caller's promise.
            return unsafe { from.add(first).cast::<u64>().read_unaligned() };
        }
        let (rest, mut bits) = (count.saturating_sub(first), 0);
        if rest & 1 != 0 {
            // SAFETY: the last one; the caller's promise.
            bits = u64::from(unsafe { from.add(first + rest - 1).read() });
        }
        if rest & 2 != 0 {
            // SAFETY: the two before it.
            bits = bits << 32 | u64::from(unsafe { from.add(first).cast::<u32>().read_unaligned() });
        }
        bits
    })
}

impl Load for f32 {
    #[inline(always)]
    unsafe fn load<S: Simd>(simd: S, from: *const Self) -> S::F32 {
        // SAFETY: the caller's promise.
        unsafe { simd.load(from) }
    }

    #[inline(always)]
    unsafe fn load_first<S: Simd>(simd: S, from: *const Self, count: usize) -> S::F32 {
        // SAFETY: the caller's promise.
        unsafe { simd.load_first(from, count) }
    }
}

impl Load for F16 {
    #[inline(always)]
    unsafe fn load<S: Simd>(simd: S, from: *const Self) -> S::F32 {
        // SAFETY: the caller's promise.
        unsafe { simd.load_f16(from) }
    }

    #[inline(always)]
    unsafe fn load_first<S: Simd>(simd: S, from: *const Self, count: usize) -> S::F32 {
        // SAFETY: the caller's promise.
        let all = unsafe { first_of_16_bits(from.cast(), count.min(S::LANES)) };
        // SAFETY: the array holds a vector.
        unsafe { simd.load_f16(all.as_ptr().cast()) }
    }
}

impl Load for Bf16 {
    #[inline(always)]
    unsafe fn load<S: Simd>(simd: S, from: *const Self) -> S::F32 {
        // SAFETY: the caller's promise.
        unsafe { simd.load_bf16(from) }
    }

    #[inline(always)]
    unsafe fn load_first<S: Simd>(simd: S, from: *const Self, count: usize) -> S::F32 {
        // SAFETY: the caller's promise.
        let all = unsafe { first_of_16_bits(from.cast(), count.min(S::LANES)) };
        // SAFETY: the array holds a vector.
        unsafe { simd.load_bf16(all.as_ptr().cast()) }
    }
}

/// What runs within an instruction set. The implementation has to be `#[inline(always)]`.
pub(crate) trait Body {
    /// Runs.
    fn run<S: Simd>(self, simd: S);
}

/// What chooses the tiles of an instruction set before it enters it.
pub(crate) trait Kernel {
    /// Runs, entering as often as it likes.
    fn run<S: Simd>(self, simd: S);
}

/// Runs a kernel with the best vectors of this instruction set; false where there are none.
#[cfg(target_arch = "x86_64")]
pub(crate) fn run(isa: Isa, kernel: impl Kernel) -> bool {
    if let Some(simd) = Avx512::of(isa) {
        kernel.run(simd);
        true
    } else if let Some(simd) = Avx2::of(isa) {
        kernel.run(simd);
        true
    } else if let Some(simd) = Sse41::of(isa) {
        kernel.run(simd);
        true
    } else {
        false
    }
}

/// Runs a kernel with the vectors of this instruction set; false where there are none.
#[cfg(target_arch = "aarch64")]
pub(crate) fn run(isa: Isa, kernel: impl Kernel) -> bool {
    Neon::of(isa).map(|simd| kernel.run(simd)).is_some()
}
