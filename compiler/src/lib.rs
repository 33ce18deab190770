//! From a graph to a plan: passes, lowering, arena, packing, emission.
//!
//! 1. [`prepare`] brings a model to opset 21, fixes its shapes, types every value and simplifies it.
//! 2. [`check`] lists every node that the device cannot run, all at once.
//! 3. [`compile`] lowers the nodes by their operators' rules, places every tensor in the arena, packs the weights, and
//!    writes the plan, with a [`Report`] that is true of the device to the byte.
//!
//! No operator is named here: what a node becomes is its operator's rule, and what a step computes is its kernel.
#![forbid(unsafe_code)]

mod arena;
mod bands;
mod behind;
mod branches;
mod code;
mod cores;
mod emit;
mod error;
mod groups;
mod lanes;
mod liveness;
mod moves;
mod pack;
mod phases;
mod prepare;
mod processor;
mod report;
mod source;
mod stages;
mod sums;
mod tables;
mod tails;
mod times;
mod walk;

pub use arena::{Buffer, Life, Placement, overlaps, place};
pub use emit::{Compiled, Options, compile};
pub use error::CompileError;
pub use ocellus_kernels::half::Storage;
pub use prepare::{Prepared, Unsupported, check, prepare};
pub use processor::Processor;
pub use report::{Report, StepReport};
pub use source::rust_source;
