//! `ocellus segment`: a class for every pixel of a picture.

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Args;
use ocellus_models::shipped::Task;
use ocellus_vision::metadata::Decode;
use ocellus_vision::segment::{areas, runs};
use serde_json::json;

use crate::arguments::CompileArgs;
use crate::look::look;
use crate::model_file::model_or_shipped;
use crate::output::{Ending, Output};
use crate::picture::write_png;
use crate::{draw, scene_accuracy};

/// `ocellus segment PICTURE`
#[derive(Args)]
pub struct Segment {
    /// A PNG or JPEG file.
    picture: PathBuf,
    /// The segmenter: an ONNX file, a plan, or the name of a model that ships (NAME in 8 bits, NAME:float); without it the one
    /// that ships.
    #[arg(long)]
    model: Option<PathBuf>,
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
        let model = model_or_shipped(self.model.as_deref(), Task::Segment)?;
        let seen = look(&model, &self.picture, &self.compile, output)?;
        let Decode::Segment(decode) = &seen.decode else {
            bail!("{} is of kind {:?}, it does not segment", model.display(), seen.decode.kind());
        };
        let labels = scene_accuracy::labels(decode, &seen.preprocess, &seen.outputs, &seen.placement, &seen.picture)?;
        let (pixels, order) = by_area(&labels, decode.classes.len());
        let part = |c: usize| f64::from(pixels[c]) / labels.len().max(1) as f64;
        let mut text: String =
            order.iter().map(|&c| format!("{:5.1} %  {}\n", 100.0 * part(c), decode.classes[c])).collect();
        if let Some(path) = &self.draw {
            let mut image = draw::canvas(&seen.picture);
            draw::masks(&mut image, &labels, &order, &decode.classes);
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

/// The pixels of every class, and the classes that there are, the largest first.
pub fn by_area(labels: &[u8], classes: usize) -> (Vec<u32>, Vec<usize>) {
    let mut pixels = vec![0u32; classes];
    areas(labels, &mut pixels);
    let mut order: Vec<usize> = (0..classes).filter(|&c| pixels[c] > 0).collect();
    order.sort_by_key(|&c| std::cmp::Reverse(pixels[c]));
    (pixels, order)
}
