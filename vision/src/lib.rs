//! Pixels in, answers out: [`prepare()`] a camera's frame for a model, then read its outputs with [`classify`],
//! [`detect`], [`segment`] or [`caption`].
//!
//! - No heap and no panic path: every collection has its capacity in its type, keeps the best that fit, and says how
//!   much did not.
//! - Train and device meet here: the trainer resizes and normalises through the same functions, and measures through the
//!   same decoders.
//! - Outputs are read where they lie: [`Values`] is a view of float or 8-bit numbers, [`Map`] of a map in either axis
//!   order. Nothing is converted that no answer needs.
//!
//! What a model says of itself (sizes, normalisation, decoder, classes) is JSON in its metadata; the module `metadata`
//! (feature `metadata`, with a heap) reads and writes it, `docs/metadata.md` describes it.
//!
//! ```
//! use ocellus_vision::{Color, Fit, Frame, IDENTITY, Pixels, Target, prepare};
//! let frame = Frame::new(2, 2, 6, Pixels::Rgb(&[255; 12])).unwrap();
//! let target = Target { height: 1, width: 1, color: Color::Grey, fit: Fit::Stretch };
//! let mut out = [0u8];
//! prepare(&frame, &target, &[IDENTITY], &mut out).unwrap();
//! assert_eq!(out, [255]);
//! ```
#![no_std]
#![forbid(unsafe_code)]
#![deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![cfg_attr(test, allow(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::panic))]

#[cfg(any(feature = "std", test))]
extern crate std;

mod attention;
mod best;
pub mod caption;
pub mod classify;
pub mod detect;
mod frame;
#[cfg(feature = "metadata")]
pub mod metadata;
mod number;
mod prepare;
mod sample;
pub mod segment;
mod values;

pub use attention::attention_map;
pub use best::Best;
pub use frame::{Frame, FrameError, Pixels};
pub use prepare::{Color, Fit, IDENTITY, Placement, PrepareError, Region, Target, normalized, prepare, quantized};
pub use values::{Map, Values};
