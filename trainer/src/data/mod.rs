//! Data sets: labelled pictures behind [`Dataset`], pictures with boxes, masks and sentences behind [`Scenes`].

mod augment;
mod caption_table;
mod cifar;
mod coco;
mod folder;
mod idx;
mod loader;
mod mask;
mod mask_folder;
mod memory;
mod picture;
mod scene;
mod scene_augment;
mod voc;
mod yolo;

use std::fs::File;
use std::io::Read;
use std::path::Path;

pub use augment::{Augmentation, augment};
pub use caption_table::CaptionTable;
pub use cifar::{Cifar, CifarKind};
pub use coco::{Annotation, Category, Coco, CocoFile, Counts, Image, Segmentation, write_coco};
pub use folder::ImageFolder;
pub use idx::{IdxDataset, IdxPart, read_idx};
pub(crate) use loader::normalize;
pub use loader::{Batch, BatchSource, Epoch, Loader, LoaderConfig};
pub use mask::Mask;
pub use mask_folder::MaskFolder;
pub use memory::MemoryDataset;
pub use ocellus_vision::metadata::Normalization;
pub use picture::Picture;
pub use scene::{Object, Scene, Scenes, Sides};
pub use scene_augment::{SceneChange, augmented_scene};
pub use voc::Voc;
pub use yolo::Yolo;

use crate::error::DataError;

/// One labelled picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// The picture.
    pub picture: Picture,
    /// Its class.
    pub label: usize,
}

/// Labelled pictures of one size, by index.
pub trait Dataset: Send + Sync {
    /// How many there are.
    fn len(&self) -> usize;

    /// Whether there is none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The picture of this index, which is less than [`Dataset::len`].
    ///
    /// # Errors
    /// A file that cannot be read or decoded, or an index out of range.
    fn get(&self, index: usize) -> Result<Sample, DataError>;

    /// The sizes `[height, width, channels]` of every picture.
    fn shape(&self) -> [usize; 3];

    /// The names of the classes; a label is an index into them.
    fn classes(&self) -> &[String];
}

/// The first `len` pictures of another set.
pub struct Head<D> {
    inner: D,
    len: usize,
}

impl<D: Dataset> Head<D> {
    /// At most `len` pictures of `inner`, from its front.
    pub fn new(inner: D, len: usize) -> Self {
        let len = len.min(inner.len());
        Self { inner, len }
    }
}

impl<D: Dataset> Dataset for Head<D> {
    fn len(&self) -> usize {
        self.len
    }

    fn get(&self, index: usize) -> Result<Sample, DataError> {
        check_index(index, self.len)?;
        self.inner.get(index)
    }

    fn shape(&self) -> [usize; 3] {
        self.inner.shape()
    }

    fn classes(&self) -> &[String] {
        self.inner.classes()
    }
}

impl<D: Dataset + ?Sized> Dataset for std::sync::Arc<D> {
    fn len(&self) -> usize {
        (**self).len()
    }

    fn get(&self, index: usize) -> Result<Sample, DataError> {
        (**self).get(index)
    }

    fn shape(&self) -> [usize; 3] {
        (**self).shape()
    }

    fn classes(&self) -> &[String] {
        (**self).classes()
    }
}

/// Refuses an index that is out of range.
pub(crate) fn check_index(index: usize, len: usize) -> Result<(), DataError> {
    if index < len {
        return Ok(());
    }
    Err(DataError::Sample(format!("sample {index} was asked for, the data set has {len}")))
}

/// Names `0`, `1`, … for classes that have none.
pub(crate) fn numbered_classes(count: usize) -> Vec<String> {
    (0..count).map(|i| i.to_string()).collect()
}

/// A file's bytes, decompressed where it is gzip (by its first two bytes, whatever its name).
///
/// Reads at most `limit` bytes after decompression, so that a small file cannot fill the memory.
pub(crate) fn read_file(path: &Path, limit: u64) -> Result<Vec<u8>, DataError> {
    let raw = std::fs::read(path).map_err(|e| DataError::read(path, e))?;
    if raw.starts_with(&[0x1F, 0x8B]) { decompress(path, &raw, limit) } else { Ok(raw) }
}

/// At most `limit` bytes of a gzip stream; `path` is for the message.
pub(crate) fn decompress(path: &Path, raw: &[u8], limit: u64) -> Result<Vec<u8>, DataError> {
    let mut bytes = Vec::new();
    let mut decoder = flate2::read::MultiGzDecoder::new(raw).take(limit);
    decoder.read_to_end(&mut bytes).map_err(|e| DataError::read(path, format!("broken gzip stream: {e}")))?;
    Ok(bytes)
}

/// The first of these names that is a file in `folder`.
pub(crate) fn find_file(folder: &Path, names: &[String]) -> Result<std::path::PathBuf, DataError> {
    let found = names.iter().map(|n| folder.join(n)).find(|p| File::open(p).is_ok() && p.is_file());
    found.ok_or_else(|| DataError::read(folder, format!("none of these files is there: {}", names.join(", "))))
}
