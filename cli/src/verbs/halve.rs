//! `ocellus halve`: a float model with weights in 16 bits.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use ocellus_models::half::halved;
use serde_json::json;

use crate::model_file::load_prepared;
use crate::output::{Ending, Output};

/// `ocellus halve MODEL.onnx -o HALF.onnx`
#[derive(Args)]
pub struct Halve {
    /// The float ONNX file.
    model: PathBuf,
    /// The ONNX file to write; it computes in 32 bits as before, with weights rounded to 16.
    #[arg(short, long)]
    output: PathBuf,
}

impl Halve {
    /// Writes the file.
    ///
    /// # Errors
    /// Files that cannot be read or written.
    pub fn run(&self, output: &Output) -> Result<Ending> {
        let prepared = load_prepared(&self.model, &[], output)?;
        halved(prepared.model).save(&self.output)?;
        let [before, after] = [&self.model, &self.output].map(|path| path.metadata().map_or(0, |m| m.len()));
        let text = format!("{before} bytes before, {after} after; wrote {}", self.output.display());
        output.answer(text, &json!({ "model": self.output, "before": before, "after": after }));
        Ok(Ending::Fine)
    }
}
