//! One file per operator.

pub mod add;
pub mod and;
pub mod div;
pub mod equal;
pub mod exp;
pub mod greater;
pub mod greater_or_equal;
pub mod less;
pub mod less_or_equal;
pub mod log;
pub mod mul;
pub mod neg;
pub mod not;
pub mod or;
pub mod reduce_mean;
pub mod reduce_sum;
pub mod relu;
pub mod sign;
pub mod sqrt;
pub mod sub;
pub mod xor;

mod channel_affine;
mod compare;
mod elementwise;
mod reduce;
