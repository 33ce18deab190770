//! From ONNX nodes to device operations: what a rule sees, and the program that it adds to.
//!
//! The compiler walks the graph and asks every operator's rule; a rule looks at its inputs through [`LowerContext`],
//! decides between int8 and float by what it finds, and emits steps. It never sees another node: what follows it
//! (a clamp, a QuantizeLinear) is offered as a [`Fusion`] that it may take.

mod affine;
mod bands;
mod concatenations;
mod context;
mod groups;
mod halves;
pub(crate) mod moves;
mod neighbours;
mod phases;
mod places;
mod program;
mod rows;
mod scaled;
mod sums;
mod tables;
pub(crate) mod unary;

pub use affine::absorbed;
pub use bands::{Band, band, heights};
pub use concatenations::{divided, placed};
pub use context::{Fusion, LowerContext, LowerInput, QuantizedConstant};
pub use groups::in_wider_groups;
pub use halves::{computed_in_bf16, computed_in_f16, halve};
pub use neighbours::of_neighbours;
pub use phases::{as_convolution, transposed};
pub use places::Move;
pub use program::{
    Constant, DeviceStep, DeviceTensor, Elementwise, ProductWeights, Program, Quant, TensorId, element_bytes,
    f32_bytes, host_type, i8_bytes, i32_bytes, i64_bytes, u32_bytes,
};
pub use rows::{RowPart, RowWise, row_part, row_wise};
pub use scaled::scaled;
pub use sums::joined;
pub use tables::looked_up;
