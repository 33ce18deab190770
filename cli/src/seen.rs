//! The scenes that ship, as the models that ship see them.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use image::{GenericImage, Rgb, RgbImage};
use ocellus_models::samples;
use ocellus_models::shipped::Task;
use ocellus_runtime::Isa;
use ocellus_trainer::data::Picture;
use ocellus_vision::metadata::Decode;

use crate::arguments::CompileArgs;
use crate::captioning::Decoder;
use crate::look::look_at;
use crate::model_file::{model_or_shipped, open_plan, step_of};
use crate::output::Output;
use crate::verbs::segment::by_area;
use crate::{draw, scene_accuracy};

/// Scenes in a row.
const ACROSS: u32 = 2;
/// Pixels between scenes.
const GAP: u32 = 12;
/// The ground of the sheet.
const PAPER: Rgb<u8> = Rgb([255; 3]);

/// All scenes in one picture: of each the boxes with the sentence, and the masks beside them.
///
/// # Errors
/// A model that ships and cannot be run, which would be a bug.
pub fn sheet(output: &Output) -> Result<RgbImage> {
    let compile = CompileArgs::of(Isa::best());
    let mut tiles = Vec::new();
    for picture in samples::scenes() {
        let picture = picture?;
        let mut left = boxes(&picture, &compile, output)?;
        let sentence = sentence(&picture, &compile, output)?;
        let bottom = left.height() as f32;
        draw::words(&mut left, &sentence, 0.0, bottom, PAPER);
        tiles.push((left, masks(&picture, &compile, output)?));
    }
    let side = tiles.iter().map(|(left, _)| left.width()).max().unwrap_or(0);
    let rows: Vec<_> = tiles.chunks(ACROSS as usize).collect();
    let height = |row: &[(RgbImage, RgbImage)]| row.iter().map(|(left, _)| left.height() + GAP).max().unwrap_or(0);
    let (width, all) = (2 * side + GAP, rows.iter().map(|row| height(row)).sum::<u32>());
    let mut sheet = RgbImage::from_pixel(ACROSS * width + GAP, all + GAP, PAPER);
    let mut y = GAP;
    for row in rows {
        for (x, (left, right)) in (GAP..).step_by(width as usize).zip(row) {
            sheet.copy_from(left, x, y)?;
            sheet.copy_from(right, x + side, y)?;
        }
        y += height(row);
    }
    Ok(sheet)
}

fn shipped(task: Task) -> Result<PathBuf> {
    model_or_shipped(None::<&Path>, task)
}

fn boxes(picture: &Picture, compile: &CompileArgs, output: &Output) -> Result<RgbImage> {
    let seen = look_at(&shipped(Task::Detect)?, picture.clone(), compile, output)?;
    let Decode::Detect(decode) = &seen.decode else { bail!("the detector that ships does not detect") };
    let (found, _) = scene_accuracy::objects(decode, &seen.preprocess, &seen.outputs, &seen.placement, None)?;
    let mut image = draw::canvas(picture);
    draw::objects(&mut image, &found, &decode.classes);
    Ok(image)
}

fn masks(picture: &Picture, compile: &CompileArgs, output: &Output) -> Result<RgbImage> {
    let seen = look_at(&shipped(Task::Segment)?, picture.clone(), compile, output)?;
    let Decode::Segment(decode) = &seen.decode else { bail!("the segmenter that ships does not segment") };
    let labels = scene_accuracy::labels(decode, &seen.preprocess, &seen.outputs, &seen.placement, picture)?;
    let mut image = draw::canvas(picture);
    draw::masks(&mut image, &labels, &by_area(&labels, decode.classes.len()).1, &decode.classes);
    Ok(image)
}

fn sentence(picture: &Picture, compile: &CompileArgs, output: &Output) -> Result<String> {
    let encoder = shipped(Task::Caption)?;
    let seen = look_at(&encoder, picture.clone(), compile, output)?;
    let Decode::Caption(decode) = &seen.decode else { bail!("the captioner that ships does not caption") };
    let step = open_plan(&step_of(&encoder), compile, output)?;
    Ok(Decoder::new(step.plan()?, compile.target, decode)?.caption(&seen.outputs, decode.beams)?.sentence)
}
