//! The embedded engine: tract, pure Rust.

use ocellus_graph::{DataType, Model, Tensor, TensorData};
use tract_linalg::multithread::{Executor, multithread_tract_scope};
use tract_onnx::prelude::*;
use tract_onnx::tract_core::optim::Optimizer;

use crate::signature::{Signature, Source, Target};
use crate::{Backend, BackendError, Port, Session};

const NAME: &str = "tract";

/// The tract engine. Results do not depend on the number of threads.
pub struct Tract {
    executor: Executor,
}

impl Tract {
    /// The engine with this many threads for matrix products.
    pub fn new(threads: usize) -> Self {
        let executor = if threads > 1 { Executor::multithread(threads) } else { Executor::SingleThread };
        Self { executor }
    }
}

impl Backend for Tract {
    fn name(&self) -> &str {
        NAME
    }

    fn prepare_with_feedback(
        &self,
        model: &Model,
        feedback: &[(String, String)],
    ) -> Result<Box<dyn Session>, BackendError> {
        let signature = Signature::new(model, feedback)?;
        let bytes = crate::encode(model, NAME)?;
        let plan = caught(|| plan(&bytes)).map_err(|problem| BackendError::Prepare {
            backend: NAME.to_owned(),
            model: signature.model.clone(),
            problem,
        })?;
        let state = vec![None; signature.state.len()];
        Ok(Box::new(TractSession { plan, signature, state, executor: self.executor.clone() }))
    }
}

/// Passes of tract's optimiser that are left out of training graphs and of all others.
///
/// `ConcatThenEinsum` turns a product over padded data, as the weight gradient of every convolution has one per kernel
/// element, into a sum of products over its parts: a step of a thousand nodes grows to thirteen thousand and takes
/// minutes to prepare. `PushSplitDown` merges two equal nodes with two shared inputs into each other and leaves a node
/// that refuses to run; what it would merge is merged in the graph before. `PushSliceUp` costs more to prepare than its
/// nodes save.
const LEFT_OUT: [&str; 3] = ["ConcatThenEinsum", "PushSplitDown", "PushSliceUp"];

/// What the engine makes, or why not. tract panics on a few models that it does not foresee; to the caller that is an
/// error like any other.
fn caught<T>(engine: impl FnOnce() -> TractResult<T>) -> Result<T, String> {
    match std::panic::catch_unwind(std::panic::AssertUnwindSafe(engine)) {
        Ok(made) => made.map_err(|e| format!("{e:#}")),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no reason given");
            Err(format!("it panicked: {text}"))
        }
    }
}

fn plan(bytes: &[u8]) -> TractResult<Arc<TypedRunnableModel>> {
    let mut reader = bytes;
    let mut model = tract_onnx::onnx().model_for_read(&mut reader)?.into_typed()?;
    for mut optimizer in [Optimizer::declutter(), Optimizer::codegen()] {
        optimizer.passes.retain(|pass| !LEFT_OUT.iter().any(|name| format!("{pass:?}").starts_with(name)));
        model.optimize_with_session(&mut optimizer.session())?;
    }
    model.into_runnable()
}

struct TractSession {
    plan: Arc<TypedRunnableModel>,
    signature: Signature,
    state: Vec<Option<TValue>>,
    executor: Executor,
}

impl Session for TractSession {
    fn inputs(&self) -> &[Port] {
        &self.signature.inputs
    }

    fn outputs(&self) -> &[Port] {
        &self.signature.outputs
    }

    fn state(&self) -> &[Port] {
        &self.signature.state
    }

    fn run(&mut self, inputs: &[(&str, &Tensor)]) -> Result<Vec<Tensor>, BackendError> {
        let given = self.signature.arrange(inputs)?;
        let mut values: TVec<TValue> = tvec!();
        for &source in &self.signature.sources {
            values.push(match source {
                Source::Given(i) => self.copy_in(&self.signature.inputs[i], given[i])?,
                Source::State(i) => {
                    let name = &self.signature.state[i].name;
                    self.state[i].clone().ok_or_else(|| self.signature.error(name, "was never written"))?
                }
            });
        }
        let executor = self.executor.clone();
        let outputs = caught(|| multithread_tract_scope(executor, || self.plan.run(values)));
        let outputs = outputs.map_err(|problem| self.failure(problem))?;
        let mut returned = Vec::with_capacity(self.signature.outputs.len());
        let mut state = self.state.clone();
        for (value, &target) in outputs.into_iter().zip(&self.signature.targets) {
            match target {
                Target::State(i) => state[i] = Some(value),
                Target::Returned => returned.push(self.copy_out(&self.signature.outputs[returned.len()], &value)?),
            }
        }
        self.state = state;
        Ok(returned)
    }

    fn write(&mut self, name: &str, value: &Tensor) -> Result<(), BackendError> {
        let index = self.signature.find_state(name)?;
        let port = &self.signature.state[index];
        self.signature.check(port, value)?;
        self.state[index] = Some(self.copy_in(port, value)?);
        Ok(())
    }

    fn read(&self, name: &str) -> Result<Tensor, BackendError> {
        let index = self.signature.find_state(name)?;
        let value = self.state[index].as_ref().ok_or_else(|| self.signature.error(name, "was never written"))?;
        self.copy_out(&self.signature.state[index], value)
    }
}

impl TractSession {
    fn failure(&self, problem: String) -> BackendError {
        BackendError::Run { backend: NAME.to_owned(), model: self.signature.model.clone(), problem }
    }

    fn copy_in(&self, port: &Port, tensor: &Tensor) -> Result<TValue, BackendError> {
        let s = tensor.shape();
        let value = match tensor.data() {
            TensorData::F32(v) => tract_onnx::prelude::Tensor::from_shape(s, v),
            TensorData::F64(v) => tract_onnx::prelude::Tensor::from_shape(s, v),
            TensorData::F16(v) => tract_onnx::prelude::Tensor::from_shape(s, v),
            TensorData::I8(v) => tract_onnx::prelude::Tensor::from_shape(s, v),
            TensorData::U8(v) => tract_onnx::prelude::Tensor::from_shape(s, v),
            TensorData::I16(v) => tract_onnx::prelude::Tensor::from_shape(s, v),
            TensorData::U16(v) => tract_onnx::prelude::Tensor::from_shape(s, v),
            TensorData::I32(v) => tract_onnx::prelude::Tensor::from_shape(s, v),
            TensorData::U32(v) => tract_onnx::prelude::Tensor::from_shape(s, v),
            TensorData::I64(v) => tract_onnx::prelude::Tensor::from_shape(s, v),
            TensorData::U64(v) => tract_onnx::prelude::Tensor::from_shape(s, v),
            TensorData::Bool(v) => tract_onnx::prelude::Tensor::from_shape(s, v),
            TensorData::BF16(_) | TensorData::String(_) => {
                return Err(self.signature.error(&port.name, format!("is {}, which tract does not take", port.dtype)));
            }
        };
        value.map(|v| v.into_tvalue()).map_err(|e| self.failure(format!("tensor {:?}: {e:#}", port.name)))
    }

    fn copy_out(&self, port: &Port, value: &TValue) -> Result<Tensor, BackendError> {
        let view = value.view();
        macro_rules! copy {
            ($type:ty) => {
                view.as_slice::<$type>().map(|v| Tensor::of(value.shape(), v.to_vec()))
            };
        }
        let tensor = match port.dtype {
            DataType::F32 => copy!(f32),
            DataType::F64 => copy!(f64),
            DataType::F16 => copy!(f16),
            DataType::I8 => copy!(i8),
            DataType::U8 => copy!(u8),
            DataType::I16 => copy!(i16),
            DataType::U16 => copy!(u16),
            DataType::I32 => copy!(i32),
            DataType::U32 => copy!(u32),
            DataType::I64 => copy!(i64),
            DataType::U64 => copy!(u64),
            DataType::Bool => copy!(bool),
            DataType::BF16 | DataType::String => {
                return Err(self.signature.error(&port.name, format!("is {}, which tract does not make", port.dtype)));
            }
        };
        let tensor = tensor.map_err(|e| self.failure(format!("tensor {:?}: {e:#}", port.name)))?;
        self.signature.check(port, &tensor).map(|()| tensor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::{accumulator, check_feedback};

    #[test]
    fn state_goes_around() {
        check_feedback(&Tract::new(1));
        check_feedback(&Tract::new(2));
    }

    #[test]
    fn a_failed_run_keeps_the_state() {
        let mut session =
            Tract::new(1).prepare_with_feedback(&accumulator(), &crate::feedback_pairs(&accumulator())).unwrap();
        let x = Tensor::vector(&[1.0f32, 2.0]);
        let message = session.run(&[("x", &x)]).unwrap_err().to_string();
        assert!(message.contains("\"sum\": was never written"), "{message}");
        session.write("sum", &x).unwrap();
        assert!(session.run(&[]).is_err());
        assert_eq!(session.read("sum").unwrap(), x);
        assert!(session.read("x").unwrap_err().to_string().contains("fed back"));
    }
}
