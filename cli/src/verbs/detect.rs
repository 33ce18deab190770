//! `ocellus detect`: the objects in a picture.

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Args;
use ocellus_models::shipped::Task;
use ocellus_vision::detect::Detection;
use ocellus_vision::metadata::Decode;
use serde_json::json;

use crate::arguments::CompileArgs;
use crate::look::look;
use crate::model_file::model_or_shipped;
use crate::output::{Ending, Output};
use crate::picture::write_png;
use crate::{draw, scene_accuracy};

/// `ocellus detect PICTURE`
#[derive(Args)]
pub struct Detect {
    /// A PNG or JPEG file.
    picture: PathBuf,
    /// The detector: an ONNX file, a plan, or the name of a model that ships (NAME in 8 bits, NAME:float); without it the one
    /// that ships.
    #[arg(long)]
    model: Option<PathBuf>,
    /// The least score; the model's own without it.
    #[arg(long)]
    score: Option<f32>,
    /// Draw the boxes on the picture, into this PNG file.
    #[arg(long, value_name = "FILE")]
    draw: Option<PathBuf>,
    #[command(flatten)]
    compile: CompileArgs,
}

impl Detect {
    /// Detects.
    ///
    /// # Errors
    /// A picture or model that cannot be used, or a model that does not detect.
    pub fn run(&self, output: &Output) -> Result<Ending> {
        let model = model_or_shipped(self.model.as_deref(), Task::Detect)?;
        let seen = look(&model, &self.picture, &self.compile, output)?;
        let Decode::Detect(decode) = &seen.decode else {
            bail!("{} is of kind {:?}, it does not detect", model.display(), seen.decode.kind());
        };
        let (found, overflow) =
            scene_accuracy::objects(decode, &seen.preprocess, &seen.outputs, &seen.placement, self.score)?;
        let name = |d: &Detection| decode.classes.get(d.class).cloned().unwrap_or_else(|| d.class.to_string());
        let mut text: String = found
            .iter()
            .map(|d| {
                let r = &d.rect;
                let percent = 100.0 * d.score;
                format!("{percent:5.1} %  {:16} {:.0},{:.0} to {:.0},{:.0}\n", name(d), r.x0, r.y0, r.x1, r.y1)
            })
            .collect();
        if found.is_empty() {
            text += "nothing is found\n";
        }
        if overflow > 0 {
            text += &format!("{overflow} more did not fit; the surest are shown\n");
        }
        if let Some(path) = &self.draw {
            let mut image = draw::canvas(&seen.picture);
            draw::objects(&mut image, &found, &decode.classes);
            write_png(path, &image)?;
            text += &format!("drawn into {}", path.display());
        }
        let objects: Vec<_> = (found.iter())
            .map(|d| {
                let r = &d.rect;
                json!({ "class": name(d), "score": d.score, "box": [r.x0, r.y0, r.x1, r.y1] })
            })
            .collect();
        output.answer(text, &json!({ "objects": objects, "overflow": overflow }));
        Ok(Ending::Fine)
    }
}
