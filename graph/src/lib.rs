//! The model as data: a graph of operators, symbolic shapes, dense tensors, ONNX read and write.
//!
//! This crate knows the *form* of a model and no operator by name; what an operator means is in `ocellus-ops`.
//!
//! - [`Tensor`]: a dense array in row-major (ONNX) order, cheap to clone.
//! - [`Graph`]: values, nodes in topological order, initializers.
//! - [`Model`]: a graph with its opset and metadata; [`Model::load`] and [`Model::save`] are the ONNX file.
//!
//! ```
//! use ocellus_graph::{DataType, Graph, Node, Shape};
//! let mut graph = Graph::new("absolute");
//! let x = graph.add_value("x", Some(DataType::F32), Some(Shape::fixed(&[1, 4])));
//! let y = graph.add_value("y", Some(DataType::F32), Some(Shape::fixed(&[1, 4])));
//! graph.inputs.push(x);
//! graph.outputs.push(y);
//! graph.nodes.push(Node::new("Abs", [Some(x)], [Some(y)]));
//! assert_eq!(graph.nodes.len(), 1);
//! ```
#![forbid(unsafe_code)]

mod attribute;
mod dtype;
mod graph;
mod model;
pub mod onnx;
mod shape;
mod tensor;

pub use attribute::{Attribute, Attributes};
pub use dtype::DataType;
pub use graph::{Graph, Node, Value, ValueId};
pub use half::{bf16, f16};
pub use model::Model;
pub use onnx::{OnnxError, OnnxProblem};
pub use shape::{Dim, Shape};
pub use tensor::{Element, Tensor, TensorData, TensorError};
