//! A folder of pictures: one folder per class, JPEG or PNG files inside.

use std::path::{Path, PathBuf};

use super::{Dataset, Picture, Sample, check_index};
use crate::error::DataError;

/// Pictures on disk, decoded when they are asked for and resized to one size.
#[derive(Clone, Debug)]
pub struct ImageFolder {
    files: Vec<(PathBuf, usize)>,
    classes: Vec<String>,
    shape: [usize; 3],
}

impl ImageFolder {
    /// The pictures under `root`: `root/CLASS/anything.jpg`, classes and files in the order of their names. `shape` is
    /// `[height, width, channels]` with 1 or 3 channels.
    ///
    /// # Errors
    /// A folder that cannot be read, or holds no class or no picture.
    pub fn open(root: &Path, shape: [usize; 3]) -> Result<Self, DataError> {
        if shape[2] != 1 && shape[2] != 3 {
            return Err(DataError::Sample(format!("pictures have 1 or 3 channels, {} were asked for", shape[2])));
        }
        let mut classes = Vec::new();
        let mut files = Vec::new();
        for folder in entries(root)?.into_iter().filter(|p| p.is_dir()) {
            let found: Vec<PathBuf> = entries(&folder)?.into_iter().filter(|p| is_picture(p)).collect();
            if found.is_empty() {
                continue;
            }
            files.extend(found.into_iter().map(|path| (path, classes.len())));
            classes.push(folder.file_name().unwrap_or_default().to_string_lossy().into_owned());
        }
        if files.is_empty() {
            return Err(DataError::read(root, "no folder in it holds a .jpg, .jpeg or .png file"));
        }
        Ok(Self { files, classes, shape })
    }
}

/// The paths in a folder, in the order of their names.
pub(crate) fn entries(folder: &Path) -> Result<Vec<PathBuf>, DataError> {
    let read = std::fs::read_dir(folder).map_err(|e| DataError::read(folder, e))?;
    let mut paths = Vec::new();
    for entry in read {
        paths.push(entry.map_err(|e| DataError::read(folder, e))?.path());
    }
    paths.sort();
    Ok(paths)
}

/// Whether this is a file with the name of a picture.
pub(crate) fn is_picture(path: &Path) -> bool {
    let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default().to_ascii_lowercase();
    matches!(extension.as_str(), "jpg" | "jpeg" | "png") && path.is_file()
}

impl Dataset for ImageFolder {
    fn len(&self) -> usize {
        self.files.len()
    }

    fn get(&self, index: usize) -> Result<Sample, DataError> {
        check_index(index, self.files.len())?;
        let (path, label) = &self.files[index];
        let picture = Picture::open(path)?;
        let picture = if picture.shape() == self.shape { picture } else { picture.stretched(self.shape)? };
        Ok(Sample { picture, label: *label })
    }

    fn shape(&self) -> [usize; 3] {
        self.shape
    }

    fn classes(&self) -> &[String] {
        &self.classes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_folders() {
        let root = tempfile::tempdir().unwrap();
        for (class, value) in [("cat", 10u8), ("ant", 200)] {
            std::fs::create_dir(root.path().join(class)).unwrap();
            for i in 0..2u32 {
                let picture = image::RgbImage::from_pixel(4 + i, 6, image::Rgb([value; 3]));
                picture.save(root.path().join(class).join(format!("{i}.png"))).unwrap();
            }
        }
        std::fs::create_dir(root.path().join("empty")).unwrap();
        std::fs::write(root.path().join("cat/notes.txt"), "no picture").unwrap();
        let set = ImageFolder::open(root.path(), [3, 2, 3]).unwrap();
        assert_eq!((set.len(), set.classes().join(",")), (4, "ant,cat".to_owned()));
        assert_eq!(set.get(1).unwrap().label, 0);
        let sample = set.get(3).unwrap();
        assert_eq!((sample.label, sample.picture.shape()), (1, [3, 2, 3]));
        assert!(sample.picture.pixels.iter().all(|&p| p == 10));
        let grey = ImageFolder::open(root.path(), [6, 4, 1]).unwrap();
        assert!(grey.get(0).unwrap().picture.pixels.iter().all(|&p| p == 200));
    }

    #[test]
    fn broken_folders_and_files_are_named() {
        let root = tempfile::tempdir().unwrap();
        assert!(ImageFolder::open(root.path(), [2, 2, 3]).unwrap_err().to_string().contains(".png"));
        std::fs::create_dir(root.path().join("cat")).unwrap();
        std::fs::write(root.path().join("cat/a.png"), b"not a png").unwrap();
        let set = ImageFolder::open(root.path(), [2, 2, 3]).unwrap();
        assert!(set.get(0).unwrap_err().to_string().contains("a.png"));
        assert!(set.get(1).is_err());
        assert!(ImageFolder::open(root.path(), [2, 2, 4]).is_err());
        assert!(
            ImageFolder::open(&root.path().join("nowhere"), [2, 2, 3]).unwrap_err().to_string().contains("nowhere")
        );
    }
}
