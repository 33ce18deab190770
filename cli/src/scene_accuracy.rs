//! How well a model answers on scenes: boxes by COCO's mean average precision, masks by intersection over union.

use anyhow::{Context, Result, bail};
use ocellus_graph::Tensor;
use ocellus_trainer::data::{Picture, Scenes};
use ocellus_trainer::metrics::{BoxAnswer, DetectionMetrics, SegmentationMetrics};
use ocellus_vision::detect::Detection;
use ocellus_vision::metadata::{Decode, DetectDecode, Preprocess, SegmentDecode};
use ocellus_vision::{Map, Placement, segment};
use serde_json::{Value, json};

use crate::preprocess::input_of;

/// The least score of answers that the metric looks at.
const LEAST: f32 = 0.01;

/// A model's outputs by name.
pub type Outputs = Vec<(String, Tensor)>;

/// Runs a model on one input `[1, C, H, W]`.
pub type Runner<'a> = dyn FnMut(&Tensor) -> Result<Outputs> + 'a;

/// The output of a name as a map; `values` holds the numbers of every output.
fn map<'v>(outputs: &Outputs, values: &'v [Vec<f32>], name: &str) -> Option<Map<'v>> {
    let index = outputs.iter().position(|(n, _)| n == name)?;
    match *outputs[index].1.shape() {
        [1, c, h, w] => Some(Map::planes(&values[index], [c, h, w])),
        _ => None,
    }
}

/// Objects in the picture, in its pixels, and how many more there were than are kept.
///
/// # Errors
/// Outputs that do not fit the metadata.
pub fn objects(
    decode: &DetectDecode,
    preprocess: &Preprocess,
    outputs: &Outputs,
    placement: &Placement,
    score: Option<f32>,
) -> Result<(Vec<Detection>, usize)> {
    let values: Vec<Vec<f32>> = outputs.iter().map(|(_, t)| t.to_f32()).collect();
    let size = [preprocess.height, preprocess.width];
    let found = decode.decode(|name| map(outputs, &values, name), size, score)?;
    let moved = |d: &Detection| Detection { rect: d.rect.to_picture(placement), ..*d };
    Ok((found.objects.iter().map(moved).collect(), found.overflow))
}

/// The class of every pixel of a picture.
///
/// # Errors
/// Outputs that do not fit the metadata.
pub fn labels(
    decode: &SegmentDecode,
    preprocess: &Preprocess,
    outputs: &Outputs,
    placement: &Placement,
    picture: &Picture,
) -> Result<Vec<u8>> {
    let values: Vec<Vec<f32>> = outputs.iter().map(|(_, t)| t.to_f32()).collect();
    let name = &decode.output;
    let scores = map(outputs, &values, name).with_context(|| format!("the model has no output map {name:?}"))?;
    let mut labels = vec![0u8; picture.height * picture.width];
    let size = [preprocess.height as u32, preprocess.width as u32];
    if !segment::picture_labels(&scores, placement, size, picture.width, &mut labels) {
        bail!("output {name:?} has {} channels; masks have at most 255", scores.channels);
    }
    Ok(labels)
}

/// The figures of a model on scenes, by its kind.
///
/// # Errors
/// A model of another kind or for other classes, or broken data.
pub fn evaluate(decode: &Decode, how: &Preprocess, scenes: &dyn Scenes, run: &mut Runner<'_>) -> Result<Value> {
    match decode {
        Decode::Detect(decode) => boxes_on(decode, how, scenes, run),
        Decode::Segment(decode) => masks_on(decode, how, scenes, run),
        other => bail!("the model's kind is {:?}; scenes are for other kinds", other.kind()),
    }
}

fn boxes_on(decode: &DetectDecode, how: &Preprocess, scenes: &dyn Scenes, run: &mut Runner<'_>) -> Result<Value> {
    same_classes(&decode.classes, scenes.classes())?;
    let mut metrics = DetectionMetrics::new(decode.classes.len());
    let mut more = 0;
    for index in 0..scenes.len() {
        let scene = scenes.get(index)?;
        let (input, placement) = input_of(how, &scene.picture)?;
        let (found, overflow) = objects(decode, how, &run(&input)?, &placement, Some(LEAST))?;
        more += overflow;
        let answer = |d: &Detection| BoxAnswer {
            class: d.class,
            score: d.score.into(),
            sides: [d.rect.x0, d.rect.y0, d.rect.x1, d.rect.y1],
        };
        metrics.add(&scene.objects, &found.iter().map(answer).collect::<Vec<_>>());
    }
    let scores = metrics.scores();
    let class = |(name, score): (&String, &Option<f64>)| (name.clone(), json!(score));
    let classes: serde_json::Map<String, Value> = decode.classes.iter().zip(&scores.classes).map(class).collect();
    Ok(json!({
        "map50": scores.map50, "map": scores.map, "map75": scores.map75, "classes": classes,
        "pictures": scenes.len(), "overflow": more,
    }))
}

fn masks_on(decode: &SegmentDecode, how: &Preprocess, scenes: &dyn Scenes, run: &mut Runner<'_>) -> Result<Value> {
    // The scenes' own classes, or those with the ground before them.
    let without_ground = decode.classes.get(1..).unwrap_or_default();
    if decode.classes != scenes.classes() {
        same_classes(without_ground, scenes.classes())?;
    }
    let mut metrics = SegmentationMetrics::new(decode.classes.len());
    for index in 0..scenes.len() {
        let scene = scenes.get(index)?;
        let Some(truth) = &scene.labels else { bail!("scene {index} has no mask of classes") };
        let (input, placement) = input_of(how, &scene.picture)?;
        let found = labels(decode, how, &run(&input)?, &placement, &scene.picture)?;
        metrics.add(truth, &found);
    }
    let class = |(i, name): (usize, &String)| (name.clone(), json!(metrics.iou(i)));
    let classes: serde_json::Map<String, Value> = decode.classes.iter().enumerate().map(class).collect();
    Ok(json!({
        "miou": metrics.mean_iou(), "accuracy": metrics.accuracy(), "classes": classes, "pictures": scenes.len(),
    }))
}

fn same_classes(model: &[String], data: &[String]) -> Result<()> {
    if model == data {
        return Ok(());
    }
    bail!("the model knows the classes {}; the data have {}", model.join(", "), data.join(", "))
}
