//! `ocellus scenes`: a set of scenes as pictures with COCO annotations.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use ocellus_trainer::data::write_coco;
use serde_json::json;

use crate::output::{Ending, Output, Usage};
use crate::scenes::{self, ScenePart};

/// `ocellus scenes DATA -o DIR`
#[derive(Args)]
pub struct Scenes {
    #[arg(help = scenes::HELP, default_value = "stamps")]
    data: String,
    /// Which part of the set.
    #[arg(long, value_enum, default_value_t = ScenePart::Known)]
    part: ScenePart,
    /// How many scenes are made, where they are made.
    #[arg(long, default_value_t = 100)]
    count: usize,
    /// Seed of made scenes.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// The folder to write: images/ and annotations.json.
    #[arg(short, long, value_name = "DIR")]
    output_dir: PathBuf,
}

impl Scenes {
    /// Writes them.
    ///
    /// # Errors
    /// A set that cannot be opened, or a folder that cannot be written.
    pub fn run(&self, output: &Output) -> Result<Ending> {
        let source = scenes::parse(&self.data)
            .ok_or_else(|| Usage(format!("no scenes are called {:?}. {}", self.data, scenes::HELP)))?;
        let set = source.open(self.part, self.count, self.seed)?;
        write_coco(&self.output_dir, set.as_ref())?;
        output.answer(
            format!("{} scenes in {} classes: {}", set.len(), set.classes().len(), self.output_dir.display()),
            &json!({ "scenes": set.len(), "classes": set.classes(), "folder": self.output_dir }),
        );
        Ok(Ending::Fine)
    }
}
