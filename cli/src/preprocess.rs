//! What a model says of its pictures and its answers: JSON under the metadata keys `ocellus.preprocess` and
//! `ocellus.decode`, in the ONNX file and in the plan.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use image::imageops::FilterType;
use ocellus_graph::{Model, Tensor};
use ocellus_plan::Plan;
use ocellus_trainer::data::Normalization;
use serde::{Deserialize, Serialize};
use serde_json::Value;

const PREPROCESS: &str = "ocellus.preprocess";
const DECODE: &str = "ocellus.decode";

/// From a picture to the network's input: `(pixel / 255 - mean) / std` per channel, after the picture has this size.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Preprocess {
    /// Rows of the input.
    pub height: usize,
    /// Columns of the input.
    pub width: usize,
    /// Channels: 1 (grey) or 3 (red, green, blue).
    pub channels: usize,
    /// From bytes to numbers.
    #[serde(flatten)]
    pub normalization: Normalization,
}

impl Preprocess {
    /// Reads a PNG or JPEG file and makes the network's input of it, `[1, C, H, W]`.
    ///
    /// # Errors
    /// A file that is no picture, or metadata that contradict themselves.
    pub fn read_picture(&self, path: &Path) -> Result<Tensor> {
        let picture =
            image::open(path).with_context(|| format!("{} is no picture that can be read", path.display()))?;
        let (width, height) = (u32::try_from(self.width)?, u32::try_from(self.height)?);
        let picture = picture.resize_exact(width, height, FilterType::Triangle);
        let pixels = match self.channels {
            1 => picture.into_luma8().into_raw(),
            _ => picture.into_rgb8().into_raw(),
        };
        ensure!(self.normalization.fits(self.channels), "the model's metadata do not fit {} channels", self.channels);
        let tables = self.normalization.tables();
        let plane = |c: usize| pixels.iter().skip(c).step_by(self.channels).map(move |&p| (c, p));
        let values: Vec<f32> = (0..self.channels).flat_map(plane).map(|(c, p)| tables[c][usize::from(p)]).collect();
        ensure!(values.len() == self.channels * self.height * self.width, "the model's pictures have 1 or 3 channels");
        Ok(Tensor::of(&[1, self.channels, self.height, self.width], values))
    }
}

/// From the network's output to an answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decode {
    /// What the output means; `classify`: one score per class.
    pub kind: String,
    /// The names of the classes, in the order of the scores.
    pub classes: Vec<String>,
}

/// Writes both into a model's metadata.
///
/// # Errors
/// None; JSON text can always be made of them.
pub fn describe(model: &mut Model, preprocess: &Preprocess, classes: &[String]) -> Result<()> {
    let decode = Decode { kind: "classify".to_owned(), classes: classes.to_vec() };
    model.metadata.insert(PREPROCESS.to_owned(), serde_json::to_string(preprocess)?);
    model.metadata.insert(DECODE.to_owned(), serde_json::to_string(&decode)?);
    Ok(())
}

/// The metadata of a plan: what its ONNX file had.
pub fn plan_metadata(plan: &Plan<'_>) -> BTreeMap<String, String> {
    let all: Value = serde_json::from_str(plan.metadata()).unwrap_or_default();
    let entries = all["metadata"].as_object().into_iter().flatten();
    entries.filter_map(|(k, v)| Some((k.clone(), v.as_str()?.to_owned()))).collect()
}

/// What the metadata say of pictures.
///
/// # Errors
/// Metadata that are not there or are damaged.
pub fn preprocess(metadata: &BTreeMap<String, String>) -> Result<Preprocess> {
    let text = metadata.get(PREPROCESS).with_context(|| {
        format!("the model does not say how its pictures are prepared (metadata {PREPROCESS:?}); give --mean and --std")
    })?;
    serde_json::from_str(text).with_context(|| format!("metadata {PREPROCESS:?} cannot be read: {text}"))
}

/// The names of the classes, where the metadata have them.
pub fn classes(metadata: &BTreeMap<String, String>) -> Option<Vec<String>> {
    let decode: Decode = serde_json::from_str(metadata.get(DECODE)?).ok()?;
    Some(decode.classes)
}

/// How the pictures of a set are turned into numbers: as the command line says, else as the model says.
///
/// # Errors
/// Neither says it, or it does not fit the pictures.
pub fn normalization(
    metadata: &BTreeMap<String, String>,
    mean: &[f32],
    std: &[f32],
    channels: usize,
) -> Result<Normalization> {
    let given = match (mean, std) {
        ([], []) => preprocess(metadata)?.normalization,
        _ => {
            let spread = |values: &[f32]| if values.len() == 1 { vec![values[0]; channels] } else { values.to_vec() };
            Normalization { mean: spread(mean), std: spread(std) }
        }
    };
    ensure!(
        given.fits(channels),
        "mean {:?} and std {:?} do not fit pictures of {channels} channels: one number each, std above 0",
        given.mean,
        given.std
    );
    Ok(given)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let mut model = Model::default();
        let normalization = Normalization::uniform(1, 0.25, 0.5);
        let written = Preprocess { height: 28, width: 28, channels: 1, normalization };
        describe(&mut model, &written, &["cat".to_owned(), "dog".to_owned()]).unwrap();
        assert_eq!(preprocess(&model.metadata).unwrap(), written);
        assert_eq!(classes(&model.metadata).unwrap(), ["cat", "dog"]);
        assert!(model.metadata[PREPROCESS].contains("\"mean\":[0.25]"), "{}", model.metadata[PREPROCESS]);
    }

    #[test]
    fn the_command_line_goes_before_the_model() {
        let none = BTreeMap::new();
        assert_eq!(normalization(&none, &[0.5], &[0.25], 3).unwrap(), Normalization::uniform(3, 0.5, 0.25));
        assert!(normalization(&none, &[], &[], 3).unwrap_err().to_string().contains("--mean"));
        assert!(normalization(&none, &[0.5, 0.5], &[0.25], 3).is_err());
        assert!(normalization(&none, &[0.5], &[0.0], 1).is_err());
    }
}
