//! Elementwise functions of two operands, with broadcasting.

use crate::words::{arguments, words};

words! {
    /// How two operands meet: `sizes` of the output (outermost first, the unused ones 1), and for each operand the
    /// distance in elements between neighbours along every axis, 0 where it is broadcast.
    Broadcast {
        /// Sizes of the output.
        sizes: [u32; 6],
        /// Strides of the first operand.
        a_strides: [u32; 6],
        /// Strides of the second operand.
        b_strides: [u32; 6],
    }
}

arguments! {
    /// `y = clamp(f(a, b))`. In place only where that operand has the output's own strides.
    ///
    /// Writes: y. Reads: a, b (one may be in place), all of `element`.
    Binary = 22 "binary" {
        /// The function's number, see [`BinaryFunction`].
        function: u32,
        /// Element type: f32, i32 or i64 of [`element`](super::element).
        element: u32,
        /// Broadcasting.
        broadcast: Broadcast,
        /// Least output (f32 only).
        low: f32,
        /// Greatest output (f32 only).
        high: f32,
    }
}

arguments! {
    /// `y = clamp(rne((a - a_zero_point) * a_scale + (b - b_zero_point) * b_scale) + zero_point)`, unfused; the clamp is
    /// applied before the rounding. `Sub` has a negative `b_scale`.
    ///
    /// Writes: y i8. Reads: a i8, b i8 (one may be in place).
    AddI8 = 23 "add_i8" {
        /// Broadcasting.
        broadcast: Broadcast,
        /// Scale of a over scale of y.
        a_scale: f32,
        /// Scale of b over scale of y.
        b_scale: f32,
        /// Zero point of a.
        a_zero_point: i32,
        /// Zero point of b.
        b_zero_point: i32,
        /// Zero point of y.
        zero_point: i32,
        /// Least output, zero point included.
        low: i32,
        /// Greatest output, zero point included.
        high: i32,
    }
}

arguments! {
    /// `y = clamp(rne(((a - a_zero_point) * (b - b_zero_point)) as f32 * scale) + zero_point)`.
    ///
    /// Writes: y i8. Reads: a i8, b i8 (one may be in place).
    MulI8 = 24 "mul_i8" {
        /// Broadcasting.
        broadcast: Broadcast,
        /// Scale of a times scale of b over scale of y.
        scale: f32,
        /// Zero point of a.
        a_zero_point: i32,
        /// Zero point of b.
        b_zero_point: i32,
        /// Zero point of y.
        zero_point: i32,
        /// Least output, zero point included.
        low: i32,
        /// Greatest output, zero point included.
        high: i32,
    }
}

/// Functions of two numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum BinaryFunction {
    /// `a + b`.
    Add = 0,
    /// `a - b`.
    Sub = 1,
    /// `a * b`.
    Mul = 2,
    /// `a / b`; integers truncate, and x / 0 is 0.
    Div = 3,
    /// `a ^ b`.
    Pow = 4,
    /// The smaller; NaN wins.
    Min = 5,
    /// The greater; NaN wins.
    Max = 6,
    /// `a < 0 ? a * b : a` (PRelu).
    PRelu = 7,
}

impl BinaryFunction {
    /// The function of this number.
    pub const fn from_number(n: u32) -> Option<Self> {
        Some(match n {
            0 => Self::Add,
            1 => Self::Sub,
            2 => Self::Mul,
            3 => Self::Div,
            4 => Self::Pow,
            5 => Self::Min,
            6 => Self::Max,
            7 => Self::PRelu,
            _ => return None,
        })
    }
}
