//! Elementwise functions of one float.

use crate::words::arguments;

arguments! {
    /// `y = f(x)` elementwise; `alpha` and `beta` as the function says.
    ///
    /// Writes: y f32. Reads: x f32 (or in place).
    Unary = 21 "unary" {
        /// The function's number, see [`UnaryFunction`].
        function: u32,
        /// Elements.
        len: u32,
        /// First parameter.
        alpha: f32,
        /// Second parameter.
        beta: f32,
    }
}

/// Functions of one float.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum UnaryFunction {
    /// `max(x, 0)`.
    Relu = 0,
    /// `x < 0 ? alpha * x : x`.
    LeakyRelu = 1,
    /// `min(max(x, alpha), beta)`.
    Clip = 2,
    /// `1 / (1 + exp(-x))`.
    Sigmoid = 3,
    /// `tanh(x)`.
    Tanh = 4,
    /// `x * clamp(x / 6 + 0.5, 0, 1)`.
    HardSwish = 5,
    /// `clamp(alpha * x + beta, 0, 1)`.
    HardSigmoid = 6,
    /// `sqrt(x)`.
    Sqrt = 7,
    /// `exp(x)`.
    Exp = 8,
    /// `ln(x)`.
    Log = 9,
    /// `|x|`.
    Abs = 10,
    /// `-x`.
    Neg = 11,
    /// -1, 0 or 1.
    Sign = 12,
    /// `1 / x`.
    Reciprocal = 13,
    /// `x < 0 ? alpha * (exp(x) - 1) : x`.
    Elu = 14,
    /// `ln(1 + exp(x))`.
    Softplus = 15,
    /// `erf(x)`.
    Erf = 16,
    /// Largest integer not above `x`.
    Floor = 17,
    /// Smallest integer not below `x`.
    Ceil = 18,
    /// Nearest integer, half to even.
    Round = 19,
    /// `x * sigmoid(x)`.
    Silu = 20,
    /// Sine of radians.
    Sin = 21,
    /// Cosine of radians.
    Cos = 22,
    /// `x * Φ(x)` with the normal distribution's `Φ`.
    Gelu = 23,
    /// `x * sigmoid(2u)` with `u = √(2/π) * (x + 0.044715 x³)`, which is `x * (1 + tanh(u)) / 2`.
    GeluTanh = 24,
    /// `x * tanh(ln(1 + exp(x)))`.
    Mish = 25,
    /// `x < 0 ? beta * alpha * (exp(x) - 1) : beta * x`.
    Selu = 26,
    /// `x / (1 + |x|)`.
    Softsign = 27,
    /// `alpha * x + beta`.
    Affine = 28,
    /// `x >= alpha ? x : 0`.
    ThresholdedRelu = 29,
    /// `alpha * tanh(beta * x)`.
    ScaledTanh = 30,
}

impl UnaryFunction {
    /// The function of this number.
    pub const fn from_number(n: u32) -> Option<Self> {
        Some(match n {
            0 => Self::Relu,
            1 => Self::LeakyRelu,
            2 => Self::Clip,
            3 => Self::Sigmoid,
            4 => Self::Tanh,
            5 => Self::HardSwish,
            6 => Self::HardSigmoid,
            7 => Self::Sqrt,
            8 => Self::Exp,
            9 => Self::Log,
            10 => Self::Abs,
            11 => Self::Neg,
            12 => Self::Sign,
            13 => Self::Reciprocal,
            14 => Self::Elu,
            15 => Self::Softplus,
            16 => Self::Erf,
            17 => Self::Floor,
            18 => Self::Ceil,
            19 => Self::Round,
            20 => Self::Silu,
            21 => Self::Sin,
            22 => Self::Cos,
            23 => Self::Gelu,
            24 => Self::GeluTanh,
            25 => Self::Mish,
            26 => Self::Selu,
            27 => Self::Softsign,
            28 => Self::Affine,
            29 => Self::ThresholdedRelu,
            30 => Self::ScaledTanh,
            _ => return None,
        })
    }
}
