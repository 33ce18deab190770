//! One prepared model in ONNX Runtime, with its state in two sets of buffers.

use ocellus_graph::{Model, Tensor};
use ort::environment::Environment;
use ort::memory::{AllocationDevice, Allocator, AllocatorType, MemoryInfo, MemoryType};
use ort::session::builder::{GraphOptimizationLevel, SessionBuilder};
use ort::session::{IoBinding, Session as Engine};
use ort::value::DynTensor;

use super::Device;
use super::convert::{element_type, from_engine, to_engine};
use crate::signature::{Signature, Target};
use crate::{BackendError, Port, Session};

/// A session whose state lies on the device.
///
/// There are two sets of buffers and two bindings: an even run reads set 0 and writes set 1, an odd run the other way
/// around. Nothing is aliased and nothing is copied between runs.
pub(super) struct OnnxRuntimeSession {
    // Declared first: bindings and buffers are released before the engine.
    bindings: [IoBinding; 2],
    buffers: [Vec<DynTensor>; 2],
    engine: Engine,
    signature: Signature,
    device: Device,
    written: Vec<bool>,
    /// The set that holds the present state, and the binding that reads it.
    present: usize,
    copies: Option<usize>,
}

impl OnnxRuntimeSession {
    pub fn new(
        environment: &Environment,
        device: Device,
        threads: usize,
        model: &Model,
        feedback: &[(String, String)],
    ) -> Result<Self, BackendError> {
        let signature = Signature::new(model, feedback)?;
        let bytes = crate::encode(model, device.name())?;
        let error = |e: ort::Error| BackendError::Prepare {
            backend: device.name().to_owned(),
            model: signature.model.clone(),
            problem: e.to_string(),
        };
        let (engine, copies) = commit(environment, device, threads, &bytes).map_err(error)?;
        let allocator = Allocator::new(&engine, memory(device).map_err(error)?).map_err(error)?;
        let set = || -> ort::Result<Vec<DynTensor>> {
            let buffer = |p: &Port| DynTensor::new(&allocator, element_type(p.dtype), sizes(&p.shape));
            signature.state.iter().map(buffer).collect()
        };
        let mut buffers = [set().map_err(error)?, set().map_err(error)?];
        let [first, second] = &mut buffers;
        let bindings = [
            bind(&engine, &signature, first, second).map_err(error)?,
            bind(&engine, &signature, second, first).map_err(error)?,
        ];
        let written = vec![false; signature.state.len()];
        Ok(Self { bindings, buffers, engine, signature, device, written, present: 0, copies })
    }

    fn failure(&self, e: impl std::fmt::Display) -> BackendError {
        BackendError::Run {
            backend: self.device.name().to_owned(),
            model: self.signature.model.clone(),
            problem: e.to_string(),
        }
    }
}

impl Session for OnnxRuntimeSession {
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
        if let Some(missing) = self.written.iter().position(|w| !w) {
            return Err(self.signature.error(&self.signature.state[missing].name, "was never written"));
        }
        for (port, tensor) in self.signature.inputs.iter().zip(given) {
            let bound = to_engine(tensor).and_then(|value| self.bindings[self.present].bind_input(&port.name, &value));
            bound.map_err(|e| self.failure(format!("input {:?}: {e}", port.name)))?;
        }
        let ran = run_bound(&mut self.engine, &self.bindings[self.present], &self.signature);
        let returned = ran.map_err(|problem| self.failure(problem))?;
        for (port, tensor) in self.signature.outputs.iter().zip(&returned) {
            self.signature.check(port, tensor)?;
        }
        if !self.signature.state.is_empty() {
            self.present = 1 - self.present;
        }
        Ok(returned)
    }

    fn write(&mut self, name: &str, value: &Tensor) -> Result<(), BackendError> {
        let index = self.signature.find_state(name)?;
        self.signature.check(&self.signature.state[index], value)?;
        let copied = to_engine(value).and_then(|source| source.copy_into(&mut self.buffers[self.present][index]));
        copied.map_err(|e| self.failure(format!("state {name:?}: {e}")))?;
        self.written[index] = true;
        Ok(())
    }

    fn read(&self, name: &str) -> Result<Tensor, BackendError> {
        let index = self.signature.find_state(name)?;
        let port = &self.signature.state[index];
        if !self.written[index] {
            return Err(self.signature.error(name, "was never written"));
        }
        let buffer = &self.buffers[self.present][index];
        let value = buffer.to(AllocationDevice::CPU, 0);
        let value = value.and_then(|value| from_engine(port.dtype, &value.into_dyn()));
        value.map_err(|e| self.failure(format!("state {name:?}: {e}")))
    }

    fn device_copies(&self) -> Option<usize> {
        self.copies
    }
}

/// The error without the builder that it would give back.
fn plain(error: ort::Error<SessionBuilder>) -> ort::Error {
    error.into()
}

fn memory(device: Device) -> ort::Result<MemoryInfo<'static>> {
    match device {
        Device::Cpu => MemoryInfo::new(AllocationDevice::CPU, 0, AllocatorType::Device, MemoryType::Default),
        Device::Cuda(id) => MemoryInfo::new(AllocationDevice::CUDA, id, AllocatorType::Device, MemoryType::Default),
    }
}

/// Runs a binding and copies the outputs that a caller gets.
fn run_bound(engine: &mut Engine, binding: &IoBinding, signature: &Signature) -> Result<Vec<Tensor>, String> {
    let outputs = engine.run_binding(binding).map_err(|e| e.to_string())?;
    let copy = |port: &Port| {
        let value = outputs.get(&port.name).ok_or_else(|| ort::Error::new("is not among the results"));
        let tensor = value.and_then(|value| from_engine(port.dtype, value));
        tensor.map_err(|e| format!("output {:?}: {e}", port.name))
    };
    signature.outputs.iter().map(copy).collect()
}

fn sizes(shape: &[usize]) -> Vec<i64> {
    shape.iter().map(|&n| n as i64).collect()
}

fn options(environment: &Environment, device: Device, threads: usize) -> ort::Result<SessionBuilder> {
    let builder = Engine::builder(environment)?.with_optimization_level(GraphOptimizationLevel::All).map_err(plain)?;
    let builder = builder.with_intra_threads(threads).map_err(plain)?;
    let builder = builder.with_deterministic_compute(true).map_err(plain)?;
    match device {
        Device::Cpu => Ok(builder),
        Device::Cuda(id) => {
            // TF32 would round what training compares; an exhaustive search would pick other algorithms on every start.
            let provider = ort::ep::CUDA::default()
                .with_device_id(id)
                .with_tf32(false)
                .with_conv_algorithm_search(ort::ep::cuda::ConvAlgorithmSearch::Heuristic)
                .build()
                .error_on_failure();
            builder.with_execution_providers([provider]).map_err(plain)
        }
    }
}

/// The engine with the model, and on a device the number of copies that it put into the graph.
fn commit(
    environment: &Environment,
    device: Device,
    threads: usize,
    model: &[u8],
) -> ort::Result<(Engine, Option<usize>)> {
    let mut builder = options(environment, device, threads)?;
    if device == Device::Cpu {
        return Ok((builder.commit_from_memory(model)?, None));
    }
    let folder = tempfile::tempdir().map_err(|e| ort::Error::new(format!("no temporary folder: {e}")))?;
    let optimized = folder.path().join("optimized.onnx");
    builder = builder.with_optimized_model_path(&optimized).map_err(plain)?;
    let engine = builder.commit_from_memory(model)?;
    let bytes = std::fs::read(&optimized).map_err(|e| ort::Error::new(format!("no optimized graph: {e}")))?;
    Ok((engine, Some(count_copies(&bytes))))
}

/// The number of copy nodes in an ONNX file: their operator's name is the field `op_type` (tag 0x22) of a node.
fn count_copies(model: &[u8]) -> usize {
    let count = |field: &[u8]| model.windows(field.len()).filter(|w| *w == field).count();
    count(b"\x22\x0eMemcpyFromHost") + count(b"\x22\x0cMemcpyToHost")
}

/// A binding that reads the state from one set of buffers and writes it into the other.
fn bind(
    engine: &Engine,
    signature: &Signature,
    from: &mut [DynTensor],
    to: &mut [DynTensor],
) -> ort::Result<IoBinding> {
    let mut binding = engine.create_binding()?;
    for (port, buffer) in signature.state.iter().zip(from) {
        binding.bind_input(&port.name, &*buffer)?;
    }
    for (feeder, buffer) in signature.feeders.iter().zip(to) {
        binding.bind_output(feeder, buffer)?;
    }
    let host = MemoryInfo::new(AllocationDevice::CPU, 0, AllocatorType::Device, MemoryType::CPUOutput)?;
    let returned = signature.targets.iter().filter(|t| **t == Target::Returned).count();
    debug_assert_eq!(returned, signature.outputs.len());
    for port in &signature.outputs {
        binding.bind_output_to_device(&port.name, &host)?;
    }
    Ok(binding)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_are_counted_by_operator() {
        let model = b"..\x22\x0eMemcpyFromHost..Memcpy_token_1..\x22\x0cMemcpyToHost..\x22\x0eMemcpyFromHost";
        assert_eq!(count_copies(model), 3);
        assert_eq!(count_copies(b"\x22\x03Add"), 0);
    }
}
