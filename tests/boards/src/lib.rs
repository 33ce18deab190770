//! What every target computes alike: integer layers of every kind, generated from their number, each with the checksum of
//! its output; and one shape for every kernel, whose instructions are counted.
//!
//! The same code runs on the workstation, under emulation and on a board; who compares the checksums proves that they
//! have one arithmetic.
//!
//! ```
//! use ocellus_boards::{Scratch, layers};
//! use ocellus_kernels::Isa;
//! let mut scratch = Scratch::new();
//! let portable = layers::checksum(Isa::PORTABLE, 7, &mut scratch);
//! assert!(Isa::available().all(|isa| layers::checksum(isa, 7, &mut scratch) == portable));
//! ```
#![no_std]
#![forbid(unsafe_code)]

#[cfg(any(feature = "std", test))]
extern crate std;

mod draw;
pub mod layers;
mod plans;
pub mod probes;
mod scratch;

pub use draw::Draw;
pub use plans::{answer, checksum};
pub use scratch::Scratch;
