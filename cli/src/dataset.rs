//! Data sets as the command line names them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use ocellus_models::samples;
use ocellus_models::stamps::{Split, StampPictures};
use ocellus_trainer::data::{Cifar, CifarKind, Dataset, IdxDataset, IdxPart, ImageFolder};

use crate::output::Usage;
use crate::scenes::{self, SceneSource};
use crate::{cache, verbs};

/// What `--data` may say, for help texts.
pub const HELP: &str = "Labelled pictures: samples (built in), fashion-mnist (after `ocellus fetch fashion-mnist`), \
    idx:FOLDER (the MNIST family's files), cifar10:FOLDER, cifar100:FOLDER (binary versions), folder:FOLDER (FOLDER/train \
    and FOLDER/test, each with one folder per class), stamp-classes (made pictures of single cut-outs, after `ocellus fetch \
    stamps`; those of the test are never seen in training)";
/// Rows and columns of made pictures without `--size`.
const MADE_SIDE: usize = 128;
/// Made pictures for training, and for tests.
const MADE: [usize; 2] = [2000, 500];

/// Which set, and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The pictures that are part of the program.
    Samples,
    /// A set that `fetch` brings.
    Fetched(String),
    /// A folder with idx files.
    Idx(PathBuf),
    /// A folder with the binary version of CIFAR-10 (false) or CIFAR-100 (true).
    Cifar(PathBuf, bool),
    /// A folder with pictures.
    Folder(PathBuf),
    /// Made pictures of single cut-outs.
    StampClasses,
    /// Pictures with boxes, masks or sentences.
    Scenes(SceneSource),
}

/// Reads what `--data` says.
///
/// # Errors
/// Another word; the message names the known ones.
pub fn parse(text: &str) -> Result<Source, String> {
    if let Some(scenes) = scenes::parse(text) {
        return Ok(Source::Scenes(scenes));
    }
    let path = |p: &str| if p.is_empty() { Err(format!("{text:?} names no folder")) } else { Ok(PathBuf::from(p)) };
    match text.split_once(':') {
        Some(("idx", p)) => Ok(Source::Idx(path(p)?)),
        Some(("cifar10", p)) => Ok(Source::Cifar(path(p)?, false)),
        Some(("cifar100", p)) => Ok(Source::Cifar(path(p)?, true)),
        Some(("folder", p)) => Ok(Source::Folder(path(p)?)),
        None if text == "stamp-classes" => Ok(Source::StampClasses),
        None if text == "samples" => Ok(Source::Samples),
        None if text == "fashion-mnist" && verbs::fetch::is_known(text) => Ok(Source::Fetched(text.to_owned())),
        _ => Err(format!("no data set is called {text:?}. {HELP}. Scenes: {}", scenes::HELP)),
    }
}

/// Opens one part of a set. `shape` is the size that pictures of a folder are brought to.
///
/// # Errors
/// Files that are missing or damaged; the message says how to get them.
pub fn open(source: &Source, part: IdxPart, shape: Option<[usize; 3]>) -> Result<Arc<dyn Dataset>> {
    let train = part == IdxPart::Train;
    Ok(match source {
        Source::Samples => Arc::new(samples::fashion_mnist(part)?),
        Source::Fetched(name) => {
            let folder = cache::folder()?.join(name);
            if !folder.is_dir() {
                bail!("{name} is not there yet: run `ocellus fetch {name}` (it goes to {})", folder.display());
            }
            Arc::new(IdxDataset::open(&folder, part, &samples::fashion_mnist_classes())?)
        }
        Source::Idx(folder) => Arc::new(IdxDataset::open(folder, part, &classes_file(folder)?)?),
        Source::Cifar(folder, fine) => {
            let kind = if *fine { CifarKind::Cifar100 } else { CifarKind::Cifar10 };
            Arc::new(Cifar::open(folder, kind, train)?)
        }
        Source::Folder(folder) => {
            let shape = shape.ok_or_else(|| {
                Usage("pictures in folders have sizes of their own: say with --size HEIGHTxWIDTHxCHANNELS".to_owned())
            })?;
            Arc::new(ImageFolder::open(&folder.join(if train { "train" } else { "test" }), shape)?)
        }
        Source::StampClasses => {
            let side = match shape {
                None => MADE_SIDE,
                Some([height, width, 3]) if height == width => height,
                Some(_) => return Err(Usage("made pictures are square, with 3 channels".to_owned()).into()),
            };
            let split = if train { Split::Train } else { Split::Unseen };
            let count = MADE[usize::from(!train)];
            Arc::new(StampPictures::new(scenes::stamps()?, split, side, count, 0))
        }
        Source::Scenes(_) => {
            return Err(Usage("scenes are for detectors and segmenters, not for classifiers".to_owned()).into());
        }
    })
}

/// The lines of `classes.txt` beside idx files, where it is there.
fn classes_file(folder: &Path) -> Result<Vec<String>> {
    let path = folder.join("classes.txt");
    if !path.is_file() {
        return Ok(Vec::new());
    }
    let text = std::fs::read_to_string(&path).with_context(|| format!("{} cannot be read", path.display()))?;
    Ok(text.lines().map(str::trim).filter(|l| !l.is_empty()).map(str::to_owned).collect())
}

/// `28x28x1`: rows, columns, channels.
///
/// # Errors
/// Something else.
pub fn size(text: &str) -> Result<[usize; 3], String> {
    let parts: Vec<usize> = text.split('x').map(|p| p.parse().unwrap_or(0)).collect();
    match parts[..] {
        [h, w, c @ (1 | 3)] if h > 0 && w > 0 => Ok([h, w, c]),
        _ => Err(format!("{text:?} is not HEIGHTxWIDTHxCHANNELS with 1 or 3 channels, such as 64x64x3")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_sets() {
        assert_eq!(parse("samples"), Ok(Source::Samples));
        assert_eq!(parse("idx:/a/b"), Ok(Source::Idx(PathBuf::from("/a/b"))));
        assert_eq!(parse("fashion-mnist"), Ok(Source::Fetched("fashion-mnist".to_owned())));
        for bad in ["mnist70", "idx:", "tar:x", ""] {
            assert!(parse(bad).is_err(), "{bad}");
        }
        assert_eq!(size("28x30x1"), Ok([28, 30, 1]));
        assert!(size("28x28x2").is_err() && size("28").is_err());
    }

    #[test]
    fn samples_open_without_files() {
        let set = open(&Source::Samples, IdxPart::Test, None).unwrap();
        assert_eq!((set.len(), set.shape()), (1000, [28, 28, 1]));
        let error = open(&Source::Folder("/nowhere".into()), IdxPart::Test, None).err().unwrap();
        assert!(error.is::<Usage>());
    }
}
