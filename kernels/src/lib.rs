//! Arithmetic on slices: what every device operation computes.
//!
//! One folder per kernel: `mod.rs` holds the contract, the parameters with their check, the dispatch and the test
//! battery; `portable.rs` is the safe reference that nobody optimises; every instruction set has a file of its own, or a
//! `vector.rs` is written once over the vectors of f32 in `simd`; `pack.rs` stands beside its only reader. Kernels know no
//! plan and no arena: they get slices.
//!
//! Integer kernels give the same bits in every variant; float kernels stay within a bound that their contract states.
//! No kernel panics: sizes are checked once by `check`, and a slice that does not fit leaves the output unfinished.
#![no_std]
#![deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![cfg_attr(test, allow(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::panic))]

#[cfg(any(feature = "std", test))]
extern crate std;

pub mod add_i8;
#[cfg(all(target_arch = "x86_64", feature = "std"))]
mod amx;
pub mod arg_max;
#[cfg(all(target_arch = "arm", feature = "dsp"))]
mod assembly;
pub mod average_pool_f32;
pub mod average_pool_i8;
#[cfg(target_arch = "x86_64")]
mod avx2_rest;
pub mod binary;
pub mod broadcast;
pub mod cast;
pub mod columns;
pub mod compare;
pub mod conv_add_f32;
pub mod conv_add_i8;
pub mod conv_bf16;
pub mod conv_dynamic;
pub mod conv_f16;
pub mod conv_f32;
pub mod conv_i8;
pub mod conv_integer;
pub mod conv_rows_i8;
pub mod conv_transpose_f32;
pub mod conv_transpose_i8;
pub mod copy;
pub mod depthwise_f32;
pub mod depthwise_i8;
pub mod dequantize;
#[cfg(target_arch = "x86_64")]
mod dots_avx2;
pub mod fill;
pub mod gather;
mod gemv;
pub mod geometry;
pub mod gru;
pub mod half;
#[cfg(target_arch = "x86_64")]
mod intrinsics;
mod isa;
pub mod lp_pool;
pub mod lrn;
pub mod lstm;
pub mod lstm_dynamic;
pub mod matmul;
pub mod max_pool_f32;
pub mod max_pool_i8;
pub mod mul_i8;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64", all(target_arch = "arm", feature = "dsp")))]
mod pairs;
#[cfg(target_arch = "x86_64")]
mod pairs_avx2;
#[cfg(target_arch = "x86_64")]
mod pairs_avx512;
#[cfg(all(target_arch = "arm", feature = "dsp"))]
mod pairs_dsp;
#[cfg(all(target_arch = "arm", feature = "helium"))]
mod pairs_helium;
#[cfg(target_arch = "aarch64")]
mod pairs_neon;
#[cfg(target_arch = "x86_64")]
mod pairs_sse41;
mod pixels;
#[cfg(feature = "std")]
pub mod pool;
pub mod product_i8;
pub mod quantize;
pub mod quantize_dynamic;
pub mod recurrent;
pub mod reduce;
pub mod resize_f32;
pub mod resize_i8;
pub mod rnn;
mod room;
pub mod round;
#[cfg(target_arch = "x86_64")]
mod round_avx512;
#[cfg(all(target_arch = "arm", feature = "dsp"))]
mod round_dsp;
#[cfg(all(target_arch = "arm", feature = "helium"))]
mod round_helium;
#[cfg(target_arch = "aarch64")]
mod round_neon;
#[cfg(target_arch = "x86_64")]
mod round_sse41;
mod rows;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64", all(target_arch = "arm", feature = "dsp")))]
mod runs;
#[cfg(test)]
mod samples;
pub mod select;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod simd;
pub mod softmax_f32;
pub mod softmax_i8;
#[cfg(target_arch = "x86_64")]
mod table_avx512;
pub mod table_i8;
pub mod table_rows_i8;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod tiles;
#[cfg(target_has_atomic = "ptr")]
pub mod turns;
pub mod unary;
mod view;
mod walk;
mod windows;
mod winograd;

pub use isa::{Isa, Level};
pub use view::{Pod, view, view_mut};
