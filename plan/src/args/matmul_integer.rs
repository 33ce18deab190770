//! Product of byte matrices in int32.

use crate::words::arguments;

arguments! {
    /// `y = (a - a_zero) · (b - b_zero)`, wrapping.
    ///
    /// `b` lies packed: blocks of 64 outputs (the last one of 16, 32 or 48), each `[K / 4][outputs of the block][4]` int8,
    /// then for every output a scale f32, a zero point i32 and the sum of its weights i32, zero-filled to a multiple of 16.
    ///
    /// Writes: y i32 `[M, N]`, scratch of four rows of `a`, each filled up to a multiple of 4. Reads: a u8 or i8 `[M, K]`,
    /// b packed, a_zero `[1]` of the type of a (zero where absent).
    MatMulInteger = 56 "matmul_integer" {
        /// M.
        rows: u32,
        /// K.
        inputs: u32,
        /// N.
        outputs: u32,
        /// 1 where a is int8.
        signed: u32,
    }
}
