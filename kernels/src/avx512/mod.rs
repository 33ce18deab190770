//! The intrinsics of AVX-512 that kernels use: the language's own, or what they are defined to do.
//!
//! With the feature `emulated-avx512` every CPU with AVX2 passes for one with AVX-512, and the variants for it are compiled
//! for these definitions. That is slow, and shows on any machine that their arithmetic, masks and orders are right.

#[cfg(feature = "emulated-avx512")]
mod emulated;

#[cfg(not(feature = "emulated-avx512"))]
pub(crate) use core::arch::x86_64::*;

#[cfg(feature = "emulated-avx512")]
pub(crate) use emulated::*;
