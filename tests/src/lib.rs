//! What the cross-crate tests share.
#![forbid(unsafe_code)]

pub mod conformance;
pub mod conformance_plan;
pub mod device;
pub mod fetch;
pub mod gradients;
pub mod networks;
pub mod samples;
