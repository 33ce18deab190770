//! Pictures with boxes, masks and sentences as the command line names them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use ocellus_models::stamps::{Split, Stamps};
use ocellus_trainer::data::{CaptionTable, Coco, MaskFolder, Scenes, Voc, Yolo};

use crate::cache;

/// What `--data` may say of scenes, for help texts.
pub const HELP: &str = "stamps (made scenes, after `ocellus fetch stamps`), coco:FOLDER, voc:FOLDER, yolo:FOLDER, \
    masks:FOLDER, captions:FOLDER (FOLDER/train and FOLDER/test, each with images/ and annotations.json, annotations/, \
    labels/, masks/ or captions.tsv; classes.txt in FOLDER for yolo and masks)";

/// Rows and columns of a made scene.
pub const SIDE: usize = 320;

/// Which scenes, and where they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SceneSource {
    /// Made of cut-outs.
    Stamps,
    /// A folder in a known format.
    Folder(Format, PathBuf),
}

/// A format of folders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// COCO JSON.
    Coco,
    /// Pascal VOC XML.
    Voc,
    /// YOLO text.
    Yolo,
    /// Masks of class numbers.
    Masks,
    /// A table of sentences.
    Captions,
}

/// A part of a set of scenes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum ScenePart {
    /// For training.
    Train,
    /// For tests; of stamps the known ones.
    Known,
    /// For tests: of stamps those with cut-outs that training has not seen.
    Unseen,
}

/// Reads what `--data` says; `None` where it names no scenes.
pub fn parse(text: &str) -> Option<SceneSource> {
    if text == "stamps" {
        return Some(SceneSource::Stamps);
    }
    let (format, folder) = text.split_once(':')?;
    let format = match format {
        "coco" => Format::Coco,
        "voc" => Format::Voc,
        "yolo" => Format::Yolo,
        "masks" => Format::Masks,
        "captions" => Format::Captions,
        _ => return None,
    };
    (!folder.is_empty()).then(|| SceneSource::Folder(format, PathBuf::from(folder)))
}

impl SceneSource {
    /// The parts that tests are made with.
    pub fn test_parts(&self) -> &'static [ScenePart] {
        match self {
            Self::Stamps => &[ScenePart::Known, ScenePart::Unseen],
            Self::Folder(..) => &[ScenePart::Known],
        }
    }

    /// Opens a part. `count` and `seed` are for made scenes.
    ///
    /// # Errors
    /// Files that are missing or damaged; the message says how to get them.
    pub fn open(&self, part: ScenePart, count: usize, seed: u64) -> Result<Arc<dyn Scenes>> {
        self.open_at(part, SIDE, count, seed)
    }

    /// As [`SceneSource::open`]; made scenes have `side` rows and columns.
    ///
    /// # Errors
    /// As there.
    pub fn open_at(&self, part: ScenePart, side: usize, count: usize, seed: u64) -> Result<Arc<dyn Scenes>> {
        match self {
            Self::Stamps => {
                let split = match part {
                    ScenePart::Train => Split::Train,
                    ScenePart::Known => Split::Known,
                    ScenePart::Unseen => Split::Unseen,
                };
                Ok(Arc::new(stamps()?.scenes(split, side, count, seed)))
            }
            Self::Folder(format, folder) => {
                let name = if part == ScenePart::Train { "train" } else { "test" };
                open_folder(*format, folder, &folder.join(name))
            }
        }
    }
}

/// The cut-outs that made scenes consist of.
///
/// # Errors
/// Files that are missing or damaged; the message says how to get them.
pub fn stamps() -> Result<Arc<Stamps>> {
    let folder = cache::folder()?.join("stamps");
    if !folder.is_dir() {
        bail!("stamps are not there yet: run `ocellus fetch stamps` (they go to {})", folder.display());
    }
    Ok(Stamps::open(&folder)?)
}

fn open_folder(format: Format, root: &Path, folder: &Path) -> Result<Arc<dyn Scenes>> {
    let images = folder.join("images");
    Ok(match format {
        Format::Coco => Arc::new(Coco::open(&images, &[&folder.join("annotations.json")])?),
        Format::Voc => {
            let classes = root.join("classes.txt");
            let classes = if classes.is_file() { Some(lines(&classes)?) } else { None };
            Arc::new(Voc::open(&folder.join("annotations"), &images, classes.as_deref())?)
        }
        Format::Yolo => Arc::new(Yolo::open(&images, &folder.join("labels"), &lines(&root.join("classes.txt"))?)?),
        Format::Masks => {
            Arc::new(MaskFolder::open(&images, &folder.join("masks"), &lines(&root.join("classes.txt"))?)?)
        }
        Format::Captions => Arc::new(CaptionTable::open(&images, &folder.join("captions.tsv"))?),
    })
}

fn lines(path: &Path) -> Result<Vec<String>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))?;
    Ok(text.lines().map(str::trim).filter(|l| !l.is_empty()).map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_sets() {
        assert_eq!(parse("stamps"), Some(SceneSource::Stamps));
        assert_eq!(parse("voc:/a/b"), Some(SceneSource::Folder(Format::Voc, PathBuf::from("/a/b"))));
        for other in ["samples", "coco:", "idx:/a", ""] {
            assert_eq!(parse(other), None, "{other}");
        }
    }

    #[test]
    fn a_folder_of_every_kind_is_asked_for_its_parts() {
        for text in ["coco:/nowhere", "voc:/nowhere", "yolo:/nowhere", "masks:/nowhere", "captions:/nowhere"] {
            let error = parse(text).unwrap().open(ScenePart::Known, 1, 0).err().unwrap();
            assert!(format!("{error:#}").contains("/nowhere"), "{text}: {error:#}");
        }
    }
}
