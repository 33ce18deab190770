//! `ocellus caption`: a sentence about a picture.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use clap::Args;
use ocellus_models::shipped::Task;
use ocellus_vision::metadata::Decode;
use ocellus_vision::{Map, attention_map};
use serde_json::json;

use crate::arguments::CompileArgs;
use crate::captioning::Decoder;
use crate::draw;
use crate::look::look;
use crate::model_file::{model_or_shipped, open_plan, step_of};
use crate::output::{Ending, Output};
use crate::picture::write_png;

/// `ocellus caption PICTURE`
#[derive(Args)]
pub struct Caption {
    /// A PNG or JPEG file.
    picture: PathBuf,
    /// The encoder: an ONNX file, a plan, or the name of a model that ships (NAME in 8 bits, NAME:float); without it the one
    /// that ships.
    #[arg(long)]
    model: Option<PathBuf>,
    /// The decoder's step; `step` beside the encoder, of the same kind, without it.
    #[arg(long)]
    step: Option<PathBuf>,
    /// Beams of the search, at most as many as the step has; the model's own number without it.
    #[arg(long)]
    beams: Option<usize>,
    /// Draw the sentence on the picture, into this PNG file.
    #[arg(long, value_name = "FILE")]
    draw: Option<PathBuf>,
    /// Write where the model looked for every word, as PNG files into this folder.
    #[arg(long, value_name = "DIR")]
    attention: Option<PathBuf>,
    #[command(flatten)]
    compile: CompileArgs,
}

impl Caption {
    /// Captions.
    ///
    /// # Errors
    /// A picture or model that cannot be used, or a model that does not caption.
    pub fn run(&self, output: &Output) -> Result<Ending> {
        let model = model_or_shipped(self.model.as_deref(), Task::Caption)?;
        let seen = look(&model, &self.picture, &self.compile, output)?;
        let Decode::Caption(decode) = &seen.decode else {
            bail!("{} is of kind {:?}, it does not caption", model.display(), seen.decode.kind());
        };
        let step = self.step.clone().unwrap_or_else(|| step_of(&model));
        let step = open_plan(&step, &self.compile, output)?;
        let decoder = Decoder::new(step.plan()?, self.compile.target, decode)?;
        let said = decoder.caption(&seen.outputs, self.beams.unwrap_or(decode.beams))?;
        let mut text = format!("{} ({:.1} %)", said.sentence, 100.0 * f64::from(said.log_probability).exp());
        if said.cut {
            text += "\ncut: the sentence did not end within the limit";
        }
        if let Some(path) = &self.draw {
            let mut image = draw::canvas(&seen.picture);
            let bottom = image.height() as f32;
            draw::words(&mut image, &said.sentence, 0.0, bottom, draw::color(0));
            write_png(path, &image)?;
            text += &format!("\ndrawn into {}", path.display());
        }
        if let Some(folder) = &self.attention {
            let [height, width] = decode.attention.context("this model pays no attention to places")?;
            std::fs::create_dir_all(folder).with_context(|| format!("{} cannot be made", folder.display()))?;
            let size = [seen.preprocess.height as u32, seen.preprocess.width as u32];
            let (rows, columns) = (seen.picture.height, seen.picture.width);
            for (index, (word, weights)) in said.words.iter().zip(&said.attention).enumerate() {
                let map = Map::planes(weights, [1, height, width]);
                let mut pixels = vec![0u8; rows * columns];
                attention_map(&map, &seen.placement, size, columns, &mut pixels);
                let mut image = draw::canvas(&seen.picture);
                for (pixel, &weight) in image.pixels_mut().zip(&pixels) {
                    pixel
                        .0
                        .iter_mut()
                        .for_each(|v| *v = (u16::from(*v) * (64 + u16::from(weight) * 3 / 4) / 255) as u8);
                }
                draw::words(&mut image, word, 0.0, rows as f32, draw::color(index));
                write_png(&folder.join(format!("{index:02}-{word}.png")), &image)?;
            }
            text += &format!("\nattention in {}", folder.display());
        }
        let value = json!({
            "caption": said.sentence, "words": said.words, "log_probability": said.log_probability, "cut": said.cut,
        });
        output.answer(text, &value);
        Ok(Ending::Fine)
    }
}
