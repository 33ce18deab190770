//! What each ONNX operator means: one file per operator, one table.
//!
//! An operator is a constant record, [`OpDef`]: its shape rule, its float evaluation (the oracle of every test), its
//! gradient, how it is quantized and how it is lowered to device operations. Engines (the autograd walk, the
//! quantizer, the compiler) find the record through [`find`] and never spell an operator's name; operators never walk
//! graphs. A missing rule is `None` and shows in `docs/ops.md`.
//!
//! ```
//! use ocellus_graph::{DataType, Tensor};
//! use ocellus_ops::Builder;
//! # fn main() -> Result<(), ocellus_ops::OpError> {
//! let mut b = Builder::new("example");
//! let x = b.input("x", DataType::F32, &[1, 3]);
//! let y = b.relu(x)?;
//! b.output(y, "y");
//! let model = b.finish();
//! let outputs = ocellus_ops::evaluate(&model, &[("x", Tensor::of(&[1, 3], vec![-1.0f32, 0.0, 2.0]))])?;
//! assert_eq!(outputs["y"], Tensor::of(&[1, 3], vec![0.0f32, 0.0, 2.0]));
//! # Ok(())
//! # }
//! ```
#![forbid(unsafe_code)]

mod builder;
pub mod check;
mod context;
mod def;
mod error;
mod evaluate;
mod fold;
mod infer;
pub mod lower;
mod ops;
mod shapes;
mod table;
mod upgrade;

pub use builder::Builder;
pub use context::{EvalContext, FoldContext, GradContext, InferContext, UpgradeContext, ValueType};
pub use def::{Affine, Fold, InputRole, Mixture, OpDef, OutputScale, QuantRule, Role};
pub use error::OpError;
pub use evaluate::{Values, evaluate, evaluate_node, evaluate_values};
pub use fold::simplify;
pub use infer::{bind_shapes, infer};
pub use lower::LowerContext;
pub use ops::gemm::Gemm;
pub use ops::recurrent::{Direction, Recurrent, RecurrentInputs};
pub use ops::resize::Resize;
pub use ops::window::{AutoPad, Window};
pub use table::{OPS, find, unsupported};
pub use upgrade::upgrade;
