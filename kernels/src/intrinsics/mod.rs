//! The intrinsics of AVX-512, AVX-VNNI and AMX that kernels use: the language's own, or what they are defined to do.
//!
//! With the feature `emulated` every CPU with AVX2 passes for one with AVX-VNNI, AVX-512 and AMX, and the variants for them are
//! compiled for these definitions. That is slow, and shows on any machine that their arithmetic, masks and orders are right.

#[cfg(feature = "emulated")]
mod amx;
#[cfg(feature = "emulated")]
mod avx512;
#[cfg(feature = "emulated")]
mod avx512_bf16;
#[cfg(feature = "emulated")]
mod avx512_bytes;
#[cfg(feature = "emulated")]
mod avxvnni;

#[cfg(not(feature = "emulated"))]
pub(crate) use core::arch::x86_64::*;

#[cfg(feature = "emulated")]
pub(crate) use amx::Tiles;
#[cfg(feature = "emulated")]
pub(crate) use avx512::*;
#[cfg(feature = "emulated")]
pub(crate) use avx512_bf16::*;
#[cfg(feature = "emulated")]
pub(crate) use avx512_bytes::*;
#[cfg(feature = "emulated")]
pub(crate) use avxvnni::*;
