//! Who runs the model while it is calibrated and compared.

use ocellus_backend::{Backend, Session};
use ocellus_graph::{Model, Tensor};

use crate::QuantizeError;

/// The inputs of one run, by name.
pub type Batch = Vec<(String, Tensor)>;

/// Something that runs models.
pub trait Executor {
    /// Readies a model for as many runs as wanted.
    ///
    /// # Errors
    /// A model that it refuses.
    fn open<'a>(&'a self, model: &Model) -> Result<Box<dyn Runner + 'a>, QuantizeError>;
}

/// A model that is ready to run.
pub trait Runner {
    /// Runs it once and returns its outputs in the model's order. Sizes that the model leaves open may differ from run
    /// to run.
    ///
    /// # Errors
    /// An input that is missing or does not fit, or a failure of the engine.
    fn run(&mut self, inputs: &[(String, Tensor)]) -> Result<Vec<Tensor>, QuantizeError>;
}

/// The reference interpreter of `ocellus-ops`: slow, knows every operator, needs no engine.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reference;

impl Executor for Reference {
    fn open<'a>(&'a self, model: &Model) -> Result<Box<dyn Runner + 'a>, QuantizeError> {
        Ok(Box::new(Interpreter { model: model.clone() }))
    }
}

struct Interpreter {
    model: Model,
}

impl Runner for Interpreter {
    fn run(&mut self, inputs: &[(String, Tensor)]) -> Result<Vec<Tensor>, QuantizeError> {
        let given: Vec<_> = inputs.iter().map(|(n, t)| (n.as_str(), t.clone())).collect();
        let graph = &self.model.graph;
        let values = ocellus_ops::evaluate_values(graph, &given)?;
        let output = |v| {
            values.get(v).cloned().ok_or_else(|| QuantizeError::Model {
                model: graph.name.clone(),
                problem: format!("nothing makes its output {:?}", graph.value(*v).name),
            })
        };
        graph.outputs.iter().map(output).collect()
    }
}

/// A backend as an executor.
#[derive(Clone, Copy)]
pub struct OnBackend<'a>(pub &'a dyn Backend);

impl Executor for OnBackend<'_> {
    fn open<'a>(&'a self, model: &Model) -> Result<Box<dyn Runner + 'a>, QuantizeError> {
        Ok(Box::new(BackendRunner { backend: self.0, model: model.clone(), session: None }))
    }
}

/// A session, and the sizes of the inputs that it was made for.
type Prepared = (Vec<Vec<usize>>, Box<dyn Session>);

/// Backends want all sizes known: a session is made for the sizes of the first run, and another one when they change.
struct BackendRunner<'a> {
    backend: &'a dyn Backend,
    model: Model,
    session: Option<Prepared>,
}

impl Runner for BackendRunner<'_> {
    fn run(&mut self, inputs: &[(String, Tensor)]) -> Result<Vec<Tensor>, QuantizeError> {
        let shapes: Vec<_> = inputs.iter().map(|(_, t)| t.shape().to_vec()).collect();
        let session = match self.session.take() {
            Some((known, session)) if known == shapes => session,
            _ => {
                let mut model = self.model.clone();
                let bindings: Vec<_> = inputs.iter().map(|(n, t)| (n.clone(), t.shape().to_vec())).collect();
                ocellus_ops::bind_shapes(&mut model, &bindings)?;
                ocellus_ops::infer(&mut model)?;
                self.backend.prepare(&model)?
            }
        };
        let (_, session) = self.session.insert((shapes, session));
        let given: Vec<_> = inputs.iter().map(|(n, t)| (n.as_str(), t)).collect();
        Ok(session.run(&given)?)
    }
}
