//! Arguments of every device operation; one file per operation, numbers never reused.
//!
//! Rank-4 tensors are `[N, H, W, C]`. Sizes are in elements. The doc of each operation lists its operands: *writes*
//! (outputs, then scratch) and *reads*, in order.

mod arg_max;
mod average_pool;
mod binary;
mod branches;
mod cast;
mod compare;
mod conv;
mod conv_add;
mod conv_bf16;
mod conv_f16;
mod conv_integer;
mod conv_rows;
mod copy;
mod dequantize;
mod gather;
mod gru;
mod lanes;
mod lp_pool;
mod lrn;
mod lstm;
mod lstm_dynamic;
mod matmul;
mod max_pool;
mod quantize;
mod quantize_dynamic;
mod reduce;
mod resize;
mod rnn;
mod select;
mod softmax;
mod table;
mod unary;

pub use arg_max::ArgMax;
pub use average_pool::{AveragePoolF32, AveragePoolI8};
pub use binary::{AddI8, Binary, BinaryFunction, Broadcast, MulI8};
pub use branches::Branches;
pub use cast::Cast;
pub use compare::{Compare, CompareFunction};
pub use conv::{
    ConvF32, ConvGeometry, ConvI8, ConvTransposeF32, ConvTransposeI8, DepthwiseF32, DepthwiseHalf, DepthwiseI8,
    FloatLayout, Layout,
};
pub use conv_add::{ConvAddF32, ConvAddI8};
pub use conv_bf16::ConvBf16;
pub use conv_f16::ConvF16;
pub use conv_integer::{ConvDynamic, ConvInteger};
pub use conv_rows::ConvRowsI8;
pub use copy::{Copy, Fill};
pub use dequantize::Dequantize;
pub use gather::Gather;
pub use gru::{Gru, GruHalf};
pub use lanes::Lanes;
pub use lp_pool::LpPool;
pub use lrn::Lrn;
pub use lstm::{Lstm, LstmHalf};
pub use lstm_dynamic::LstmDynamic;
pub use matmul::MatMul;
pub use max_pool::{MaxPoolF32, MaxPoolI8, PoolGeometry};
pub use quantize::Quantize;
pub use quantize_dynamic::QuantizeDynamic;
pub use reduce::{Reduce, ReduceFunction};
pub use resize::{ResizeF32, ResizeI8};
pub use rnn::{Activation, Rnn, RnnHalf};
pub use select::Select;
pub use softmax::{SoftmaxF32, SoftmaxI8};
pub use table::{TableI8, TableRowsI8};
pub use unary::{Unary, UnaryFunction};

/// Element types of tensors in the arena, as argument words.
pub mod element {
    /// IEEE single.
    pub const F32: u32 = 0;
    /// Signed byte.
    pub const I8: u32 = 1;
    /// Unsigned byte.
    pub const U8: u32 = 2;
    /// 32-bit integer.
    pub const I32: u32 = 3;
    /// 64-bit integer.
    pub const I64: u32 = 4;
    /// Truth value, one byte.
    pub const BOOL: u32 = 5;
}
