//! Reductions.

use crate::words::arguments;

arguments! {
    /// Reduces a box of axes: output element `i` combines `x[Σ i[k] * kept_strides[k] + Σ j[k] * reduced_strides[k]]` over
    /// all `j`, in row-major order of `j`.
    ///
    /// Writes: y f32. Reads: x f32.
    Reduce = 35 "reduce" {
        /// The function's number, see [`ReduceFunction`].
        function: u32,
        /// Sizes that stay, outermost first, the unused ones 1.
        kept: [u32; 6],
        /// Their strides in x.
        kept_strides: [u32; 6],
        /// Sizes that are reduced, the unused ones 1.
        reduced: [u32; 6],
        /// Their strides in x.
        reduced_strides: [u32; 6],
    }
}

/// What a reduction computes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum ReduceFunction {
    /// `Σ x`.
    Sum = 0,
    /// `Σ x / n`.
    Mean = 1,
    /// The greatest.
    Max = 2,
    /// The least.
    Min = 3,
    /// `√Σ x²`.
    L2 = 4,
    /// `Σ |x|`.
    L1 = 5,
    /// `Π x`.
    Prod = 6,
    /// `Σ x²`.
    SumSquare = 7,
}

impl ReduceFunction {
    /// The function of this number.
    pub const fn from_number(n: u32) -> Option<Self> {
        Some(match n {
            0 => Self::Sum,
            1 => Self::Mean,
            2 => Self::Max,
            3 => Self::Min,
            4 => Self::L2,
            5 => Self::L1,
            6 => Self::Prod,
            7 => Self::SumSquare,
            _ => return None,
        })
    }
}
