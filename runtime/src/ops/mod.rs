//! One file per device operation: its check at loading and its call of the kernel.

use crate::parallel::{ColumnSplit, Split, SumSplit};
use crate::{Check, Operands, StepFault};

/// A device operation: how its steps are checked and run.
#[derive(Clone, Copy)]
pub struct OpEntry {
    /// Its number in plans.
    pub code: u16,
    /// Its name in reports.
    pub name: &'static str,
    /// Checks a step completely, so that `run` finds every operand as it expects it.
    pub check: fn(&Check<'_>) -> Result<(), StepFault>,
    /// Runs a checked step. `None` only where the step was not checked.
    pub run: fn(&mut Operands<'_>) -> Option<()>,
    /// How threads can share a step; `None` where one thread runs all of it.
    pub split: Option<Split>,
    /// How threads can share the columns of a step's output, which comes first where it applies.
    pub columns: Option<ColumnSplit>,
    /// How a step is shared by rows of its input, where that is better.
    pub sums: Option<SumSplit>,
}

impl OpEntry {
    /// The entry of the operation with these arguments.
    pub const fn new<A: ocellus_plan::Arguments>(
        check: fn(&Check<'_>) -> Result<(), StepFault>,
        run: fn(&mut Operands<'_>) -> Option<()>,
    ) -> Self {
        Self { code: A::CODE, name: A::NAME, check, run, split: None, columns: None, sums: None }
    }

    /// The entry, with a way to share its steps among threads.
    pub const fn shared(self, split: Split) -> Self {
        Self { split: Some(split), ..self }
    }

    /// The entry, with a way to share its output's columns. Where there is no operating system that costs no code.
    pub const fn shared_by_columns(self, split: ColumnSplit) -> Self {
        if cfg!(feature = "std") { Self { columns: Some(split), ..self } } else { self }
    }

    /// The entry, with a way to share its input's rows. Where there is no operating system that costs no code.
    pub const fn shared_by_sums(self, split: SumSplit) -> Self {
        if cfg!(feature = "std") { Self { sums: Some(split), ..self } } else { self }
    }
}

mod add_i8;
mod arg_max;
mod average_pool_f32;
mod average_pool_i8;
mod binary;
mod branches;
mod broadcast;
mod cast;
mod compare;
mod conv_add_f32;
mod conv_add_i8;
mod conv_bf16;
mod conv_dynamic;
mod conv_f16;
mod conv_f32;
mod conv_i8;
mod conv_integer;
mod conv_rows_i8;
mod conv_transpose_f32;
mod conv_transpose_i8;
mod copy;
mod depthwise_f32;
mod depthwise_half;
mod depthwise_i8;
mod dequantize;
mod fill;
mod gather;
mod geometry;
mod gru;
mod gru_half;
mod lanes;
mod lp_pool;
mod lrn;
mod lstm;
mod lstm_dynamic;
mod lstm_half;
mod matmul;
mod max_pool_f32;
mod max_pool_i8;
mod mul_i8;
mod quantize;
mod quantize_dynamic;
mod recurrent;
mod reduce;
mod resize_f32;
mod resize_i8;
mod rnn;
mod rnn_half;
mod select;
mod softmax_f32;
mod softmax_i8;
mod storage;
mod table_i8;
mod table_rows_i8;
mod unary;
mod units;

pub use add_i8::ADD_I8;
pub use arg_max::ARG_MAX;
pub use average_pool_f32::AVERAGE_POOL_F32;
pub use average_pool_i8::AVERAGE_POOL_I8;
pub use binary::BINARY;
pub use branches::BRANCHES;
pub use cast::CAST;
pub use compare::COMPARE;
pub use conv_add_f32::CONV_ADD_F32;
pub use conv_add_i8::CONV_ADD_I8;
pub use conv_bf16::CONV_BF16;
pub use conv_dynamic::CONV_DYNAMIC;
pub use conv_f16::CONV_F16;
pub use conv_f32::CONV_F32;
pub use conv_i8::CONV_I8;
pub use conv_integer::CONV_INTEGER;
pub use conv_rows_i8::CONV_ROWS_I8;
pub use conv_transpose_f32::CONV_TRANSPOSE_F32;
pub use conv_transpose_i8::CONV_TRANSPOSE_I8;
pub use copy::COPY;
pub use depthwise_f32::DEPTHWISE_F32;
pub use depthwise_half::DEPTHWISE_HALF;
pub use depthwise_i8::DEPTHWISE_I8;
pub use dequantize::DEQUANTIZE;
pub use fill::FILL;
pub use gather::GATHER;
pub use gru::GRU;
pub use gru_half::GRU_HALF;
pub use lanes::LANES;
pub use lp_pool::LP_POOL;
pub use lrn::LRN;
pub use lstm::LSTM;
pub use lstm_dynamic::LSTM_DYNAMIC;
pub use lstm_half::LSTM_HALF;
pub use matmul::MATMUL;
pub use max_pool_f32::MAX_POOL_F32;
pub use max_pool_i8::MAX_POOL_I8;
pub use mul_i8::MUL_I8;
pub use quantize::QUANTIZE;
pub use quantize_dynamic::QUANTIZE_DYNAMIC;
pub use reduce::REDUCE;
pub use resize_f32::RESIZE_F32;
pub use resize_i8::RESIZE_I8;
pub use rnn::RNN;
pub use rnn_half::RNN_HALF;
pub use select::SELECT;
pub use softmax_f32::SOFTMAX_F32;
pub use softmax_i8::SOFTMAX_I8;
pub use table_i8::TABLE_I8;
pub use table_rows_i8::TABLE_ROWS_I8;
pub use unary::UNARY;

/// Every operation.
pub static ALL: &[OpEntry] = &[
    ADD_I8,
    ARG_MAX,
    AVERAGE_POOL_F32,
    AVERAGE_POOL_I8,
    BINARY,
    BRANCHES,
    CAST,
    COMPARE,
    CONV_ADD_F32,
    CONV_ADD_I8,
    CONV_BF16,
    CONV_F16,
    CONV_F32,
    CONV_I8,
    CONV_DYNAMIC,
    CONV_INTEGER,
    CONV_ROWS_I8,
    CONV_TRANSPOSE_F32,
    CONV_TRANSPOSE_I8,
    COPY,
    DEPTHWISE_F32,
    DEPTHWISE_HALF,
    DEPTHWISE_I8,
    DEQUANTIZE,
    FILL,
    GATHER,
    GRU,
    GRU_HALF,
    LANES,
    LP_POOL,
    LRN,
    LSTM,
    LSTM_DYNAMIC,
    LSTM_HALF,
    MATMUL,
    MAX_POOL_F32,
    MAX_POOL_I8,
    MUL_I8,
    QUANTIZE,
    QUANTIZE_DYNAMIC,
    REDUCE,
    RESIZE_F32,
    RESIZE_I8,
    RNN,
    RNN_HALF,
    SELECT,
    SOFTMAX_F32,
    SOFTMAX_I8,
    TABLE_I8,
    TABLE_ROWS_I8,
    UNARY,
];
