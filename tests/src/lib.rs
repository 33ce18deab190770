//! What the cross-crate tests share.
#![forbid(unsafe_code)]

pub mod conformance;
pub mod device;
pub mod fetch;
pub mod networks;
