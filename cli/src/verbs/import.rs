//! `ocellus import`: weights of other tools in a network of the zoo.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;
use ocellus_models::import::{IMPORTS, Import as Architecture};
use ocellus_trainer::weights::read_weights;
use serde_json::json;

use crate::output::{Ending, Output};

/// `ocellus import WEIGHTS --arch NAME -o model.onnx`
#[derive(Args)]
pub struct Import {
    /// A PyTorch state dict (.pth, .pt; nothing in it is executed) or a .safetensors file.
    weights: PathBuf,
    /// The network: mobilenet_v2.
    #[arg(long, value_parser = architecture)]
    arch: &'static Architecture,
    /// The ONNX file to write.
    #[arg(short, long, default_value = "model.onnx")]
    output: PathBuf,
    /// A file with the name of a class in every line; numbers without it.
    #[arg(long, value_name = "FILE")]
    classes: Option<PathBuf>,
}

fn architecture(text: &str) -> Result<&'static Architecture, String> {
    let names = || IMPORTS.iter().map(|i| i.model.name).collect::<Vec<_>>().join(", ");
    Architecture::find(text).ok_or_else(|| format!("weights can be imported into {}", names()))
}

impl Import {
    /// Imports.
    ///
    /// # Errors
    /// A file that cannot be read, or weights of another network.
    pub fn run(&self, output: &Output) -> Result<Ending> {
        let store = read_weights(&self.weights)?;
        let names = self.classes.as_ref().map(|path| {
            let text = std::fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))?;
            Ok::<_, anyhow::Error>(text.lines().map(str::trim).filter(|l| !l.is_empty()).map(str::to_owned).collect())
        });
        let made = self.arch.build(&store, names.transpose()?).with_context(|| self.weights.display().to_string())?;
        if !made.unused.is_empty() {
            output.note(format!("not used: {}", made.unused.join(", ")));
        }
        made.model.save(&self.output)?;
        let elements: usize = store.values().map(|t| t.len()).sum();
        output.answer(
            format!("{} tensors with {elements} numbers; wrote {}", store.len(), self.output.display()),
            &json!({ "tensors": store.len(), "elements": elements, "unused": made.unused, "model": self.output }),
        );
        Ok(Ending::Fine)
    }
}
