//! What a model says of its pictures and its answers, as the verbs use it; `ocellus_vision::metadata` defines it.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use ocellus_graph::{Model, Tensor};
use ocellus_plan::Plan;
use ocellus_trainer::data::{Normalization, Picture};
use ocellus_vision::Placement;
use ocellus_vision::metadata::{Decode, Preprocess};
use serde_json::Value;

/// A picture as a network's input `[1, C, H, W]`, and where it came to lie.
///
/// # Errors
/// Metadata that contradict themselves.
pub fn input_of(preprocess: &Preprocess, picture: &Picture) -> Result<(Tensor, Placement)> {
    let (prepared, placement) = picture.prepared(&preprocess.target()?)?;
    Ok((prepared.tensor(&preprocess.normalization.tables()), placement))
}

/// Reads a PNG or JPEG file and makes the network's input of it, `[1, C, H, W]`.
///
/// # Errors
/// A file that is no picture, or metadata that contradict themselves.
pub fn read_picture(preprocess: &Preprocess, path: &Path) -> Result<Tensor> {
    Ok(input_of(preprocess, &Picture::open(path)?)?.0)
}

/// Writes both into a model's metadata.
pub fn describe(model: &mut Model, preprocess: &Preprocess, decode: &Decode) {
    preprocess.describe(&mut model.metadata);
    decode.describe(&mut model.metadata);
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
    Preprocess::of(metadata)?.with_context(|| {
        format!(
            "the model does not say how its pictures are prepared (metadata {:?}); give --mean and --std",
            Preprocess::KEY
        )
    })
}

/// The names of the classes, where the metadata have them.
pub fn classes(metadata: &BTreeMap<String, String>) -> Option<Vec<String>> {
    let decode = Decode::of(metadata).ok()??;
    Some(decode.classes().to_vec())
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
        let written = Preprocess::new([28, 28, 1], Normalization::uniform(1, 0.25, 0.5));
        let classes_of = vec!["cat".to_owned(), "dog".to_owned()];
        describe(&mut model, &written, &Decode::Classify { classes: classes_of.clone() });
        assert_eq!(preprocess(&model.metadata).unwrap(), written);
        assert_eq!(classes(&model.metadata).unwrap(), classes_of);
    }

    #[test]
    fn an_input_is_the_devices_own_preparation() {
        let picture = Picture { height: 1, width: 2, channels: 3, pixels: vec![0, 51, 102, 153, 204, 255] };
        let preprocess = Preprocess::new([1, 2, 3], Normalization::uniform(3, 0.0, 1.0));
        let (input, _) = input_of(&preprocess, &picture).unwrap();
        assert_eq!(input, Tensor::of(&[1, 3, 1, 2], vec![0.0f32, 0.6, 0.2, 0.8, 0.4, 1.0]));
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
