//! One file per operator.

pub mod add;
pub mod relu;

mod elementwise;
