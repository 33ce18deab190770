//! `ocellus segment`: a class for every pixel of a picture.

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Args;
use ocellus_vision::metadata::Decode;
use ocellus_vision::segment::{areas, runs};
use serde_json::json;

use crate::arguments::CompileArgs;
use crate::look::look;
use crate::output::{Ending, Output};
use crate::picture::write_png;
use crate::{draw, scene_accuracy};

/// `ocellus segment PICTURE --model MODEL`
#[derive(Args)]
pub struct Segment {
    /// A PNG or JPEG file.
    picture: PathBuf,
    /// The segmenter: an ONNX file or a plan.
    #[arg(long)]
    model: PathBuf,
    /// Draw the masks on the picture, into this PNG file.
    #[arg(long, value_name = "FILE")]
    draw: Option<PathBuf>,
    #[command(flatten)]
    compile: CompileArgs,
}

impl Segment {
    /// Segments.
    ///
    /// # Errors
    /// A picture or model that cannot be used, or a model that does not segment.
    pub fn run(&self, output: &Output) -> Result<Ending> {
        let seen = look(&self.model, &self.picture, &self.compile, output)?;
        let Decode::Segment(decode) = &seen.decode else {
            bail!("{} is of kind {:?}, it does not segment", self.model.display(), seen.decode.kind());
        };
        let labels = scene_accuracy::labels(decode, &seen.preprocess, &seen.outputs, &seen.placement, &seen.picture)?;
        let mut pixels = vec![0u32; decode.classes.len()];
        areas(&labels, &mut pixels);
        let mut order: Vec<usize> = (0..pixels.len()).filter(|&c| pixels[c] > 0).collect();
        order.sort_by_key(|&c| std::cmp::Reverse(pixels[c]));
        let part = |c: usize| f64::from(pixels[c]) / labels.len().max(1) as f64;
        let mut text: String =
            order.iter().map(|&c| format!("{:5.1} %  {}\n", 100.0 * part(c), decode.classes[c])).collect();
        if let Some(path) = &self.draw {
            let mut image = draw::canvas(&seen.picture);
            draw::mask(&mut image, &labels);
            let height = image.height() as f32;
            let line = 12.0 * draw::scale(&image) as f32;
            for (row, &class) in order.iter().filter(|&&c| c > 0).enumerate() {
                let ground = draw::color(class - 1);
                draw::words(&mut image, &decode.classes[class], 0.0, height - line * row as f32, ground);
            }
            write_png(path, &image)?;
            text += &format!("drawn into {}", path.display());
        }
        let classes: Vec<_> = (order.iter())
            .map(|&c| json!({ "class": decode.classes[c], "pixels": pixels[c], "part": part(c) }))
            .collect();
        let rows: Vec<[usize; 2]> = runs(&labels).map(|r| [usize::from(r.label), r.length]).collect();
        let size = [seen.picture.height, seen.picture.width];
        output.answer(text, &json!({ "classes": classes, "size": size, "runs": rows }));
        Ok(Ending::Fine)
    }
}
