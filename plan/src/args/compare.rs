//! Comparisons and logic of two operands, with broadcasting.

use super::Broadcast;
use crate::words::arguments;

arguments! {
    /// `y = f(a, b)`, a byte 0 or 1.
    ///
    /// Writes: y bool. Reads: a, b, both of `element`.
    Compare = 25 "compare" {
        /// The function's number, see [`CompareFunction`].
        function: u32,
        /// Element type of the operands, of [`element`](super::element).
        element: u32,
        /// Broadcasting.
        broadcast: Broadcast,
    }
}

/// Comparisons and logic.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum CompareFunction {
    /// `a == b`.
    Equal = 0,
    /// `a != b`.
    NotEqual = 1,
    /// `a < b`.
    Less = 2,
    /// `a <= b`.
    LessOrEqual = 3,
    /// Both are true.
    And = 4,
    /// At least one is true.
    Or = 5,
    /// Just one is true.
    Xor = 6,
}
