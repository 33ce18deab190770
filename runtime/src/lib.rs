//! Loads a plan once, checks everything, and runs it in memory that the caller owns. No allocation, no panic.
//!
//! The runtime never sees a graph: a plan is a list of device operations with places in an arena.
//!
//! - [`Session::load`] copies and checks the step table; afterwards a run cannot go wrong.
//! - [`Session::set_input`] and [`Session::output`] are the host side (ONNX type and axis order);
//!   [`Session::input_bytes`] and [`Session::output_bytes`] the device side.
//! - [`Session::run_on`] shares the steps among the caller's threads ([`Parallel`]; a pool comes with `std`): the outputs are
//!   the same whatever their number.
//! - [`ops::ALL`] names every operation; a firmware passes a list of its own, and the linker drops the rest.
//!
//! ```no_run
//! use ocellus_runtime::{ops, Host, HostMut, Isa, Plan, Session};
//! #[repr(align(64))]
//! struct Arena([u8; 65536]);
//! # fn main() -> Result<(), Box<dyn core::error::Error>> {
//! # let bytes: &[u8] = &[];
//! let plan = Plan::parse(bytes)?;
//! let (mut steps, mut arena) = ([0u32; 1024], Arena([0; 65536]));
//! let mut session = Session::load(plan, ops::ALL, Isa::best(), &mut steps, &mut arena.0)?;
//! session.set_input(0, Host::F32(&[0.0; 784]))?;
//! session.run();
//! let mut scores = [0.0; 10];
//! session.output(0, HostMut::F32(&mut scores))?;
//! # Ok(())
//! # }
//! ```
#![no_std]
#![forbid(unsafe_code)]
// Cores without compare-and-swap have one thread.
#![cfg_attr(not(target_has_atomic = "ptr"), allow(dead_code))]
#![deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![cfg_attr(test, allow(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::panic))]

#[cfg(feature = "std")]
extern crate std;

mod branches;
mod embedded;
mod error;
mod host;
mod lanes;
mod nested;
mod operands;
pub mod ops;
#[cfg(feature = "std")]
mod owned;
mod parallel;
mod regions;
mod self_test;
mod session;
#[cfg(target_has_atomic = "ptr")]
mod walk;

pub use embedded::{Aligned, checksum};
pub use error::{LoadError, PortError, StepFault};
pub use host::{Host, HostMut};
pub use nested::{Nested, flat, flat_mut};
pub use ocellus_kernels::columns::Columns;
#[cfg(feature = "std")]
pub use ocellus_kernels::pool::Pool;
pub use ocellus_kernels::{Isa, Level};
pub use ocellus_plan::{HostType, Plan, PlanError, Port};
pub use operands::{Check, Operands, Outline};
pub use ops::OpEntry;
#[cfg(feature = "std")]
pub use owned::{AlignedBytes, with_plan, with_plan_in, with_session};
pub use parallel::{ColumnSplit, ColumnUnits, MAX_PARTS, Parallel, Part, Split, SumSplit, Units};
pub use self_test::SelfTestError;
pub use session::Session;
