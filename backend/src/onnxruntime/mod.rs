//! ONNX Runtime, through its shared library.

mod convert;
mod library;
mod session;

use std::path::PathBuf;
use std::sync::{Mutex, OnceLock};

pub use library::library_path;
use ocellus_graph::Model;
use ort::environment::Environment;

use crate::{Backend, BackendError, Session};

/// Where the graph runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Device {
    /// The processor.
    Cpu,
    /// The CUDA device of this number.
    Cuda(i32),
}

impl Device {
    fn name(self) -> &'static str {
        match self {
            Self::Cpu => "ort-cpu",
            Self::Cuda(_) => "ort-cuda",
        }
    }

    fn install(self) -> &'static str {
        match self {
            Self::Cpu => "pip install onnxruntime==1.26.0",
            Self::Cuda(_) => {
                "pip install onnxruntime-gpu==1.26.0 nvidia-cudnn-cu12 nvidia-cublas-cu12 nvidia-cufft-cu12 \
                 nvidia-curand-cu12 nvidia-cuda-runtime-cu12 nvidia-cuda-nvrtc-cu12"
            }
        }
    }

    fn library_error(self, problem: impl Into<String>) -> BackendError {
        BackendError::Library {
            backend: self.name().to_owned(),
            problem: problem.into(),
            install: self.install().to_owned(),
        }
    }
}

/// ONNX Runtime 1.24 or later. One library is loaded for the whole process.
pub struct OnnxRuntime {
    environment: Environment,
    device: Device,
    threads: usize,
}

impl OnnxRuntime {
    /// On the processor, with this many threads for one operator.
    ///
    /// # Errors
    /// The library is not to be found or does not load.
    pub fn cpu(threads: usize) -> Result<Self, BackendError> {
        Self::open(Device::Cpu, threads)
    }

    /// On the CUDA device of this number; operators that have no kernel there run on the processor with this many
    /// threads.
    ///
    /// # Errors
    /// The library is not to be found, does not load, or was built without CUDA.
    pub fn cuda(threads: usize, device: i32) -> Result<Self, BackendError> {
        Self::open(Device::Cuda(device), threads)
    }

    fn open(device: Device, threads: usize) -> Result<Self, BackendError> {
        let environment = environment(device)?;
        if let Device::Cuda(_) = device {
            use ort::ep::ExecutionProvider as _;
            if !ort::ep::CUDA::is_available().unwrap_or(false) {
                return Err(device.library_error("the ONNX Runtime library that was found was built without CUDA"));
            }
        }
        Ok(Self { environment, device, threads: threads.max(1) })
    }
}

impl Backend for OnnxRuntime {
    fn name(&self) -> &str {
        self.device.name()
    }

    fn prepare_with_feedback(
        &self,
        model: &Model,
        feedback: &[(String, String)],
    ) -> Result<Box<dyn Session>, BackendError> {
        let session = session::OnnxRuntimeSession::new(&self.environment, self.device, self.threads, model, feedback)?;
        Ok(Box::new(session))
    }
}

/// The one environment of the process: a second one is an error inside the library.
fn environment(device: Device) -> Result<Environment, BackendError> {
    static LOADED: OnceLock<(PathBuf, Environment)> = OnceLock::new();
    static LOADING: Mutex<()> = Mutex::new(());
    let _guard = LOADING.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    if let Some((_, environment)) = LOADED.get() {
        return Ok(environment.clone());
    }
    let path = library_path().map_err(|problem| device.library_error(problem))?;
    let place = path.display();
    let builder = ort::init_from(&path).map_err(|e| device.library_error(format!("{place} does not load: {e}")))?;
    let environment = builder.with_telemetry(false).with_name("ocellus").build();
    let environment = environment.map_err(|e| device.library_error(format!("{place} does not start: {e}")))?;
    environment.set_log_level(ort::logging::LogLevel::Error);
    Ok(LOADED.get_or_init(|| (path, environment)).1.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn state_goes_around() {
        match OnnxRuntime::cpu(1) {
            Ok(backend) => crate::tests::check_feedback(&backend),
            Err(BackendError::Library { problem, .. }) => eprintln!("skipped: {problem}"),
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn a_missing_library_says_how_to_get_it() {
        let message = Device::Cpu.library_error("libonnxruntime is not to be found").to_string();
        assert!(message.contains("pip install onnxruntime==") && message.contains("ORT_DYLIB_PATH"), "{message}");
    }
}
