//! The device file format: what a compiled model is, byte for byte.
//!
//! A `.plan` is the only thing that the host hands to a device. This crate reads and checks it without allocation
//! ([`Plan::parse`]), and writes it ([`Writer`], with feature `std`). It knows the stable numbers and arguments of the
//! device operations ([`args`]) and nothing of how they are computed. `docs/plan-format.md` describes every byte.
//!
//! ```
//! # #[cfg(feature = "std")] {
//! use ocellus_plan::{Plan, Writer};
//! let bytes = Writer::new().finish();
//! let plan = Plan::parse(&bytes).unwrap();
//! assert_eq!(plan.arena_bytes(), 0);
//! # }
//! ```
#![no_std]
#![forbid(unsafe_code)]
#![deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![cfg_attr(test, allow(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::panic))]

#[cfg(feature = "std")]
extern crate std;

pub mod args;
mod crc;
mod port;
mod read;
mod self_test;
mod step;
mod words;
#[cfg(feature = "std")]
mod write;

pub use crc::crc32;
pub use port::{Axes, DeviceType, HostType, Port};
pub use read::{Plan, PlanError, Section};
pub use self_test::{SelfTest, Values};
pub use step::{MAX_READS, MAX_WRITES, Operand, Space, Step, StepError, Steps};
pub use words::{Arguments, Reader, Word};
#[cfg(feature = "std")]
pub use write::{PortSpec, StepSpec, Writer, with_self_tests};

/// The version of the format that this crate reads and writes.
pub const VERSION: u16 = 2;
