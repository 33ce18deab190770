//! The build script's part: from a model's file to a module's source.

use std::env;
use std::io;
use std::path::{Path, PathBuf};

use ocellus_compiler::{CompileError, Options, Processor, compile, prepare, rust_source};
use ocellus_graph::Model;
use ocellus_graph::onnx::{OnnxError, write_atomic};

/// Why a module cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The model cannot be read.
    #[error(transparent)]
    Model(#[from] OnnxError),
    /// The model cannot be compiled, or needs more memory than it may.
    #[error(transparent)]
    Compile(#[from] CompileError),
    /// No processor is called so.
    #[error("no processor is called {found:?}; there are {}", Processor::ALL.map(|p| p.name).join(", "))]
    Processor {
        /// The name that was asked for.
        found: String,
    },
    /// The name is no identifier of Rust.
    #[error("{0:?} cannot be the name of a module")]
    Name(String),
    /// This is not a build script: cargo did not say where output goes.
    #[error("cargo has not set OUT_DIR, which it does for build scripts; `Module::write_to` takes any folder")]
    NoFolder,
    /// A file cannot be written.
    #[error("{} cannot be written: {problem}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why not.
        problem: io::Error,
    },
}

/// A module that is made of a model.
#[derive(Clone, Debug)]
pub struct Module {
    name: String,
    model: PathBuf,
    shapes: Vec<(String, Vec<usize>)>,
    processor: Option<String>,
    max_ram: Option<usize>,
}

impl Module {
    /// The module `name` of the ONNX file `model`, whose path is relative to the crate's folder.
    pub fn new(name: impl Into<String>, model: impl Into<PathBuf>) -> Self {
        Self { name: name.into(), model: model.into(), shapes: Vec::new(), processor: None, max_ram: None }
    }

    /// The processor that weights are packed for, such as `cortex-m4`. Without it: what cargo builds for, as far as its
    /// name tells.
    #[must_use]
    pub fn processor(mut self, name: impl Into<String>) -> Self {
        self.processor = Some(name.into());
        self
    }

    /// The sizes of an input that has symbolic ones, which are 1 otherwise.
    #[must_use]
    pub fn shape(mut self, input: impl Into<String>, sizes: &[usize]) -> Self {
        self.shapes.push((input.into(), sizes.to_vec()));
        self
    }

    /// The largest arena allowed, in bytes; a larger one fails the build and names the steps that set the peak.
    #[must_use]
    pub fn max_ram(mut self, bytes: usize) -> Self {
        self.max_ram = Some(bytes);
        self
    }

    /// Compiles the model and writes the module where [`include_plan!`](crate::include_plan) finds it; for build scripts.
    ///
    /// # Errors
    /// [`BuildError`]; returned from `main` it fails the build.
    pub fn write(&self) -> Result<(), BuildError> {
        let folder = env::var_os("OUT_DIR").ok_or(BuildError::NoFolder)?;
        println!("cargo::rerun-if-changed={}", self.model.display());
        self.write_to(folder)
    }

    /// As [`Module::write`], to a folder: `NAME.rs` and `NAME.plan`.
    ///
    /// # Errors
    /// As [`Module::write`].
    pub fn write_to(&self, folder: impl AsRef<Path>) -> Result<(), BuildError> {
        if self.name.is_empty() || !self.name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        {
            return Err(BuildError::Name(self.name.clone()));
        }
        let prepared = prepare(Model::load(&self.model)?, &self.shapes).map_err(CompileError::from)?;
        let compiled = compile(&prepared, &Options { max_ram: self.max_ram, ..self.options()? })?;
        let file = format!("{}.plan", self.name);
        let unreadable = || CompileError::Internal("the plan cannot be read back".to_owned());
        let source = rust_source(&compiled.bytes, &file).ok_or_else(unreadable)?;
        let save = |name: &str, content: &[u8]| {
            let path = folder.as_ref().join(name);
            write_atomic(&path, content).map_err(|problem| BuildError::Write { path, problem })
        };
        save(&file, &compiled.bytes)?;
        save(&format!("{}.rs", self.name), source.as_bytes())
    }

    fn options(&self) -> Result<Options, BuildError> {
        let named = |name: &str| {
            let found = || BuildError::Processor { found: name.to_owned() };
            Processor::named(name).map(|p| p.options()).ok_or_else(found)
        };
        match &self.processor {
            Some(name) => named(name),
            None => match processor_of(&env::var("TARGET").unwrap_or_default()) {
                Some(name) => named(name),
                None => Ok(Options::portable()),
            },
        }
    }
}

/// The processor behind a target's name; `None` where the portable layouts are the best guess.
fn processor_of(target: &str) -> Option<&'static str> {
    match target.split('-').next()? {
        "x86_64" => Some("x86-64-v3"),
        "aarch64" => Some("aarch64"),
        "thumbv7em" | "thumbv8m.main" => Some("cortex-m4"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The network that ships, from this crate's folder.
    const LENET: &str = "../tests/boards/models/lenet5.int8.onnx";

    #[test]
    fn a_module_has_the_ports_of_its_model_as_types() {
        let folder = tempfile::tempdir().unwrap();
        Module::new("lenet5", LENET).processor("cortex-m4").write_to(folder.path()).unwrap();
        let source = std::fs::read_to_string(folder.path().join("lenet5.rs")).unwrap();
        assert!(source.contains("pub type Input = [[[[f32; 28]; 28]; 1]; 1];"), "{source}");
        assert!(source.contains("include_bytes!(\"lenet5.plan\")"), "{source}");
        assert!(folder.path().join("lenet5.plan").is_file());
    }

    #[test]
    fn what_cannot_be_built_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let said = |module: Module| module.write_to(folder.path()).unwrap_err().to_string();
        assert!(said(Module::new("x", LENET).processor("z80")).contains("cortex-m55"));
        assert!(said(Module::new("x", LENET).max_ram(100)).contains("--max-ram"));
        assert!(said(Module::new("x", "missing.onnx")).contains("missing.onnx"));
        assert!(said(Module::new("no name", LENET)).contains("no name"));
        assert!(said(Module::new("x", LENET).shape("picture", &[1])).contains("picture"));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn targets_have_processors() {
        assert_eq!(processor_of("thumbv7em-none-eabihf"), Some("cortex-m4"));
        assert_eq!(processor_of("riscv32imac-unknown-none-elf"), None);
        let processors = ["x86_64-pc-windows-msvc", "aarch64-apple-darwin"].map(|t| Processor::named(processor_of(t)?));
        assert!(processors.iter().all(Option::is_some));
    }
}
