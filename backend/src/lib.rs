//! Who executes an ONNX graph on the host: tract, ONNX Runtime on CPU and on CUDA.
//!
//! This is the only crate that names an execution engine. A [`Backend`] turns a model into a [`Session`]; a session
//! runs it as often as wanted. Values that go around from step to step (parameters, optimiser state) are *fed back*:
//! they stay where the engine keeps them, and only what a caller asks for is copied out.
//!
//! - `tract`: built in, nothing to install.
//! - `ort-cpu`, `ort-cuda`: ONNX Runtime, whose shared library is looked for when the backend is opened.
//!
//! Without the feature `engines` there are no engines, and [`open`] says so: a program for a board needs none.
//!
//! ```
//! use ocellus_graph::{DataType, Graph, Model, Node, Shape, Tensor};
//! # fn main() -> Result<(), ocellus_backend::BackendError> {
//! # if !cfg!(feature = "engines") { return Ok(()) }
//! let mut graph = Graph::new("absolute");
//! let x = graph.add_value("x", Some(DataType::F32), Some(Shape::fixed(&[3])));
//! let y = graph.add_value("y", Some(DataType::F32), Some(Shape::fixed(&[3])));
//! graph.inputs.push(x);
//! graph.outputs.push(y);
//! graph.nodes.push(Node::new("Abs", [Some(x)], [Some(y)]));
//! let backend = ocellus_backend::open("tract", 1)?;
//! let mut session = backend.prepare(&Model::new(graph))?;
//! let outputs = session.run(&[("x", &Tensor::vector(&[-1.0f32, 0.0, 2.0]))])?;
//! assert_eq!(outputs, [Tensor::vector(&[1.0f32, 0.0, 2.0])]);
//! # Ok(())
//! # }
//! ```
#![forbid(unsafe_code)]

mod error;
#[cfg(feature = "engines")]
mod onnxruntime;
mod port;
#[cfg(feature = "engines")]
mod signature;
#[cfg(feature = "engines")]
mod tract;

pub use error::BackendError;
use ocellus_graph::{Model, Tensor};
#[cfg(feature = "engines")]
pub use onnxruntime::{OnnxRuntime, library_path};
pub use port::{Port, feedback_pairs};
#[cfg(feature = "engines")]
pub use tract::Tract;

/// The names that [`open`] knows, the default first.
pub const NAMES: [&str; 3] = ["tract", "ort-cpu", "ort-cuda"];

/// An engine that runs ONNX models.
pub trait Backend {
    /// The name that [`open`] knows it by.
    fn name(&self) -> &str;

    /// Readies a model, every output of which goes around: output `feedback[i].0` of one run is input
    /// `feedback[i].1` of the next. All sizes of the inputs have to be known.
    ///
    /// # Errors
    /// A model that the engine refuses, or pairs that name no output or input or differ in type.
    fn prepare_with_feedback(
        &self,
        model: &Model,
        feedback: &[(String, String)],
    ) -> Result<Box<dyn Session>, BackendError>;

    /// Readies a model whose runs do not depend on each other.
    ///
    /// # Errors
    /// A model that the engine refuses.
    fn prepare(&self, model: &Model) -> Result<Box<dyn Session>, BackendError> {
        self.prepare_with_feedback(model, &[])
    }
}

/// A model that is ready to run.
pub trait Session {
    /// The inputs that every run has to be given, in the model's order; inputs that are fed back are not among them.
    fn inputs(&self) -> &[Port];

    /// The outputs that every run returns, in the model's order; outputs that are fed back are not among them.
    fn outputs(&self) -> &[Port];

    /// The inputs that are fed back, to be [written](Session::write) before the first run.
    fn state(&self) -> &[Port];

    /// Runs the model once and returns [`Session::outputs`].
    ///
    /// # Errors
    /// An input that is missing or of another type, a state that was never written, or a failure of the engine. After
    /// an error the state is that of before the run.
    fn run(&mut self, inputs: &[(&str, &Tensor)]) -> Result<Vec<Tensor>, BackendError>;

    /// Sets an input that is fed back.
    ///
    /// # Errors
    /// A name that is not fed back, or a tensor of another type.
    fn write(&mut self, name: &str, value: &Tensor) -> Result<(), BackendError>;

    /// The present value of an input that is fed back: what the last run made of it, or what was written.
    ///
    /// # Errors
    /// A name that is not fed back, or that was never written.
    fn read(&self, name: &str) -> Result<Tensor, BackendError>;

    /// How many copies between host and device the engine put into the graph; `None` where there is no device.
    /// More than 0 means that an operator has no kernel on the device.
    fn device_copies(&self) -> Option<usize> {
        None
    }
}

/// Opens a backend by its name in [`NAMES`], with this many threads for one operator.
///
/// # Errors
/// Another name, a library that is not installed (the message says how to get it), or a build without engines.
pub fn open(name: &str, threads: usize) -> Result<Box<dyn Backend>, BackendError> {
    match NAMES.into_iter().find(|n| *n == name) {
        Some(known) => engine(known, threads.max(1)),
        None => Err(BackendError::Unknown { name: name.to_owned() }),
    }
}

#[cfg(feature = "engines")]
fn engine(name: &str, threads: usize) -> Result<Box<dyn Backend>, BackendError> {
    match name {
        "ort-cpu" => Ok(Box::new(OnnxRuntime::cpu(threads)?)),
        "ort-cuda" => Ok(Box::new(OnnxRuntime::cuda(threads, 0)?)),
        _ => Ok(Box::new(Tract::new(threads))),
    }
}

#[cfg(not(feature = "engines"))]
fn engine(name: &str, _: usize) -> Result<Box<dyn Backend>, BackendError> {
    Err(BackendError::LeftOut { name: name.to_owned() })
}

/// The model as an ONNX file.
#[cfg(feature = "engines")]
fn encode(model: &Model, backend: &str) -> Result<Vec<u8>, BackendError> {
    model.to_bytes().map_err(|e| BackendError::Prepare {
        backend: backend.to_owned(),
        model: model.graph.name.clone(),
        problem: e.to_string(),
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// `sum' = sum + x`, `twice = sum' + sum'`.
    #[cfg(feature = "engines")]
    pub fn accumulator() -> Model {
        use ocellus_graph::{DataType, Graph, Node, Shape};

        let mut g = Graph::new("accumulator");
        let ids = ["sum", "x", "sum'", "twice"].map(|n| g.add_value(n, Some(DataType::F32), Some(Shape::fixed(&[2]))));
        g.inputs = vec![ids[0], ids[1]];
        g.outputs = vec![ids[2], ids[3]];
        let add = |a, b, c, name: &str| {
            let mut node = Node::new("Add", [Some(ids[a]), Some(ids[b])], [Some(ids[c])]);
            node.name = name.to_owned();
            node
        };
        g.nodes = vec![add(0, 1, 2, "accumulate"), add(2, 2, 3, "double")];
        Model::new(g)
    }

    /// State goes around for five runs, can be read and overwritten.
    #[cfg(feature = "engines")]
    pub fn check_feedback(backend: &dyn Backend) {
        let model = accumulator();
        let mut session = backend.prepare_with_feedback(&model, &feedback_pairs(&model)).expect("prepares");
        session.write("sum", &Tensor::vector(&[0.5f32, -1.0])).expect("writes");
        let x = Tensor::vector(&[1.0f32, 2.0]);
        for step in 1..=5u8 {
            let k = f32::from(step);
            let outputs = session.run(&[("x", &x)]).expect("runs");
            assert_eq!(outputs, [Tensor::vector(&[2.0 * (0.5 + k), 2.0 * (2.0 * k - 1.0)])], "step {step}");
            assert_eq!(session.read("sum").expect("reads"), Tensor::vector(&[0.5 + k, 2.0 * k - 1.0]));
        }
        session.write("sum", &x).expect("writes again");
        assert_eq!(session.run(&[("x", &x)]).expect("runs"), [Tensor::vector(&[4.0f32, 8.0])]);
        assert_eq!(session.run(&[("x", &x)]).expect("runs"), [Tensor::vector(&[6.0f32, 12.0])]);
    }

    #[test]
    fn an_unknown_backend_is_named_with_the_known_ones() {
        let message = open("torch", 1).err().expect("unknown").to_string();
        assert!(message.contains("torch") && message.contains("tract, ort-cpu, ort-cuda"), "{message}");
    }

    #[cfg(not(feature = "engines"))]
    #[test]
    fn a_build_without_engines_says_so() {
        for name in NAMES {
            assert_eq!(open(name, 1).err(), Some(BackendError::LeftOut { name: name.to_owned() }));
        }
    }
}
