//! Pictures for the networks that run on boards, and the answers that they should give.

use std::path::{Path, PathBuf};

use ocellus_graph::{Model, Tensor};
use ocellus_models::samples::fashion_mnist;
use ocellus_trainer::data::{Dataset, IdxPart, Picture};
use ocellus_vision::metadata::{Normalization, Preprocess};
use ocellus_vision::{Color, Fit, Frame, IDENTITY, Pixels, Target, prepare};

use crate::fetch::cache;

/// A picture as a network takes it, in the model's axis order, and the class that it should answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// The numbers of the input.
    pub input: Vec<f32>,
    /// The right class, or that of the reference engine; `None` where the answer is no class.
    pub class: Option<usize>,
}

/// The networks that have pictures.
pub const NETS: [&str; 4] = ["lenet5", "image_classification", "visual_wake_words", "detector_micro"];

/// The first `count` pictures of a network of [`NETS`], whose float or int8 ONNX is `model`.
///
/// # Errors
/// Another name, pictures that were not fetched, or no reference engine: the text says how to get what is missing.
pub fn samples(net: &str, model: &Model, count: usize) -> Result<Vec<Sample>, String> {
    match net {
        "lenet5" => clothes(count),
        "image_classification" => cifar10(count),
        "visual_wake_words" => photographs(model, count),
        "detector_micro" => scenes(model, count),
        _ => Err(format!("{net} has no pictures; {} have", NETS.join(", "))),
    }
}

/// Test pictures of the sample of Fashion-MNIST, taken evenly from all of it, normalised as the network was trained.
fn clothes(count: usize) -> Result<Vec<Sample>, String> {
    let set = fashion_mnist(IdxPart::Test).map_err(|e| e.to_string())?;
    let table = Normalization::uniform(1, 0.286, 0.353).tables();
    let stride = (set.len() / count.max(1)).max(1);
    let sample = |index: usize| {
        let found = set.get(index).map_err(|e| e.to_string())?;
        let input = found.picture.pixels.iter().map(|&p| table[0][usize::from(p)]).collect();
        Ok(Sample { input, class: Some(found.label) })
    };
    (0..set.len()).step_by(stride).take(count).map(sample).collect()
}

/// Labelled pictures of CIFAR-10 of 32 by 32, as bytes less 128.
fn cifar10(count: usize) -> Result<Vec<Sample>, String> {
    let sample = |path: PathBuf| {
        let name = path.file_stem().and_then(|n| n.to_str()).unwrap_or_default();
        let label = name.rsplit('_').next().and_then(|n| n.parse().ok());
        let class = label.ok_or_else(|| format!("{} has no label in its name", path.display()))?;
        let input = bytes(&path, 32)?.into_iter().map(|p| f32::from(p) - 128.0).collect();
        Ok(Sample { input, class: Some(class) })
    };
    files("cifar10_")?.into_iter().take(count).map(sample).collect()
}

/// Photographs, stretched to 96 by 96, as bytes; the class is what ONNX Runtime answers with the same numbers.
fn photographs(model: &Model, count: usize) -> Result<Vec<Sample>, String> {
    let mut bound = model.clone();
    let known = ocellus_ops::upgrade(&mut bound).and_then(|()| ocellus_ops::bind_shapes(&mut bound, &[]));
    known.and_then(|_| ocellus_ops::infer(&mut bound)).map_err(|e| e.to_string())?;
    let backend = ocellus_backend::open("ort-cpu", 1).map_err(|e| e.to_string())?;
    let mut session = backend.prepare(&bound).map_err(|e| e.to_string())?;
    let name = session.inputs().first().map(|p| p.name.clone()).ok_or("the model has no input")?;
    let mut sample = |path: PathBuf| {
        let input: Vec<f32> = bytes(&path, 96)?.into_iter().map(f32::from).collect();
        let tensor = Tensor::of(&[1, 96, 96, 3], input.clone());
        let outputs = session.run(&[(&name, &tensor)]).map_err(|e| e.to_string())?;
        let scores = outputs.first().map(Tensor::to_f32).ok_or("the model has no output")?;
        Ok(Sample { input, class: Some(greatest(&scores)) })
    };
    files("imagenet_")?.into_iter().take(count).map(&mut sample).collect()
}

/// The photographs that ship, brought to the input as the model's metadata say, which is what `ocellus detect` does.
fn scenes(model: &Model, count: usize) -> Result<Vec<Sample>, String> {
    let preprocess = Preprocess::of(&model.metadata).map_err(|e| e.to_string())?;
    let preprocess = preprocess.ok_or("the model does not say how its pictures are prepared")?;
    let (target, tables) = (preprocess.target().map_err(|e| e.to_string())?, preprocess.normalization.tables());
    let sample = |path: PathBuf| {
        let prepared = Picture::open(&path).and_then(|picture| picture.prepared(&target));
        let (prepared, _) = prepared.map_err(|e| e.to_string())?;
        Ok(Sample { input: prepared.tensor(&tables).to_f32(), class: None })
    };
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/samples/scenes");
    let all = named(&folder, |name| name.ends_with(".jpg")).map_err(|e| format!("{}: {e}", folder.display()))?;
    all.into_iter().take(count).map(sample).collect()
}

/// The first of the greatest scores.
pub fn greatest(scores: &[f32]) -> usize {
    (0..scores.len()).max_by(|&a, &b| scores[a].total_cmp(&scores[b]).then(b.cmp(&a))).unwrap_or(0)
}

/// The pictures of the package foolbox whose names begin so, in order.
fn files(prefix: &str) -> Result<Vec<PathBuf>, String> {
    let folder = cache()?.join("foolbox");
    named(&folder, |name| name.starts_with(prefix))
        .map_err(|_| format!("{} is not there; `ocellus fetch foolbox` brings it", folder.display()))
}

/// The files of a folder with such names, in order.
fn named(folder: &Path, is: impl Fn(&str) -> bool) -> std::io::Result<Vec<PathBuf>> {
    let is = |path: &PathBuf| path.file_name().is_some_and(|n| is(&n.to_string_lossy()));
    let mut all: Vec<PathBuf> = std::fs::read_dir(folder)?.flatten().map(|e| e.path()).filter(is).collect();
    all.sort();
    Ok(all)
}

/// The RGB bytes of a picture, stretched to a square.
fn bytes(path: &Path, side: u32) -> Result<Vec<u8>, String> {
    let picture = image::open(path).map_err(|e| format!("{}: {e}", path.display()))?.into_rgb8();
    let (width, height) = picture.dimensions();
    let frame = Frame::new(width, height, 3 * width as usize, Pixels::Rgb(picture.as_raw()));
    let target = Target { height: side, width: side, color: Color::Rgb, fit: Fit::Stretch };
    let mut out = vec![0; 3 * (side * side) as usize];
    prepare(&frame.map_err(|e| e.to_string())?, &target, &[IDENTITY; 3], &mut out).map_err(|e| e.to_string())?;
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clothes_are_of_all_classes() {
        let all = clothes(50).unwrap();
        assert_eq!((all.len(), all[0].input.len()), (50, 784));
        let classes: std::collections::BTreeSet<usize> = all.iter().filter_map(|s| s.class).collect();
        assert_eq!(classes.len(), 10);
    }

    #[test]
    fn scenes_are_prepared_as_the_model_says() {
        let model = ocellus_models::shipped::find("detector_board").unwrap().unwrap();
        let all = scenes(&model, 3).unwrap();
        assert_eq!((all.len(), all[0].input.len(), all[0].class), (3, 3 * 256 * 256, None));
        assert!(scenes(&Model::default(), 3).unwrap_err().contains("prepared"));
    }

    #[test]
    fn what_is_missing_is_said() {
        assert!(samples("x", &Model::default(), 1).unwrap_err().contains("lenet5"));
        assert_eq!(greatest(&[1.0, 3.0, 3.0, 2.0]), 1);
    }
}
