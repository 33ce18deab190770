//! The idx format of the MNIST family (MNIST, Fashion-MNIST, EMNIST, KMNIST), plain or gzip.
//!
//! A file is: two zero bytes, the element type (0x08 for bytes), the rank, the sizes as big-endian u32, the elements.

use std::path::Path;

use super::{Dataset, MemoryDataset, Sample, decompress, find_file, numbered_classes, read_file};
use crate::error::DataError;

/// The largest file that is read, decompressed.
const LIMIT: u64 = 4 << 30;

/// Which of the two parts of a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdxPart {
    /// `train-…`.
    Train,
    /// `t10k-…` (or `test-…`).
    Test,
}

/// Reads an idx file of bytes: its sizes and its elements.
///
/// # Errors
/// A wrong magic number, another element type, or a length that is not that of the sizes: the message names the file,
/// what was expected and what was found.
pub fn read_idx(path: &Path) -> Result<(Vec<usize>, Vec<u8>), DataError> {
    parse(path, read_file(path, LIMIT)?)
}

/// The sizes and elements of idx bytes; `path` is for messages.
fn parse(path: &Path, mut bytes: Vec<u8>) -> Result<(Vec<usize>, Vec<u8>), DataError> {
    if bytes.len() < 4 || bytes[..2] != [0, 0] {
        let found: Vec<String> = bytes.iter().take(4).map(|b| format!("{b:02x}")).collect();
        return Err(DataError::format(path, "magic number", "00 00 08 and the rank", found.join(" ")));
    }
    if bytes[2] != 8 {
        return Err(DataError::format(path, "element type", "08 (bytes)", format!("{:02x}", bytes[2])));
    }
    let rank = usize::from(bytes[3]);
    let header = 4 + 4 * rank;
    let Some(sizes) = bytes.get(4..header) else {
        return Err(DataError::format(path, "header", format!("{header} bytes"), format!("{} bytes", bytes.len())));
    };
    let sizes: Vec<usize> = sizes.as_chunks().0.iter().map(|c| u32::from_be_bytes(*c) as usize).collect();
    let count = sizes.iter().try_fold(1usize, |n, &d| n.checked_mul(d));
    if count.and_then(|n| n.checked_add(header)) != Some(bytes.len()) {
        let expected =
            count.map_or("fewer elements".to_owned(), |n| format!("{} bytes for sizes {sizes:?}", n + header));
        return Err(DataError::format(path, "length", expected, format!("{} bytes", bytes.len())));
    }
    bytes.drain(..header);
    Ok((sizes, bytes))
}

/// Grey pictures and labels from a pair of idx files.
#[derive(Clone, Debug)]
pub struct IdxDataset(MemoryDataset);

impl IdxDataset {
    /// Reads a part of a set from a folder with the usual names (`train-images-idx3-ubyte`, `t10k-labels-idx1-ubyte`,
    /// also with a dot before `idx` and with `.gz`). `classes` may be empty: they are then numbered.
    ///
    /// # Errors
    /// A file that is missing or broken, or lengths that do not belong together.
    pub fn open(folder: &Path, part: IdxPart, classes: &[String]) -> Result<Self, DataError> {
        Self::read(&find(folder, part, "images", 3)?, &find(folder, part, "labels", 1)?, classes)
    }

    /// Reads a set from its two files.
    ///
    /// # Errors
    /// As [`IdxDataset::open`].
    pub fn read(images: &Path, labels: &Path, classes: &[String]) -> Result<Self, DataError> {
        Self::join((images, read_idx(images)?), (labels, read_idx(labels)?), classes)
    }

    /// A set whose gzip files are part of the program: name (for messages) and content of each.
    ///
    /// # Errors
    /// As [`IdxDataset::open`].
    pub fn from_bytes(
        (images, image_bytes): (&Path, &[u8]),
        (labels, label_bytes): (&Path, &[u8]),
        classes: &[String],
    ) -> Result<Self, DataError> {
        let read = |path, bytes| parse(path, decompress(path, bytes, LIMIT)?);
        Self::join((images, read(images, image_bytes)?), (labels, read(labels, label_bytes)?), classes)
    }

    fn join(
        (images, (sizes, pixels)): (&Path, (Vec<usize>, Vec<u8>)),
        (labels, (label_sizes, label_bytes)): (&Path, (Vec<usize>, Vec<u8>)),
        classes: &[String],
    ) -> Result<Self, DataError> {
        let [count, height, width] = sizes[..] else {
            return Err(DataError::format(images, "rank", "3 (pictures, rows, columns)", sizes.len()));
        };
        if label_sizes != [count] {
            return Err(DataError::format(
                labels,
                "sizes",
                format!("[{count}], one per picture"),
                format!("{label_sizes:?}"),
            ));
        }
        let most = label_bytes.iter().copied().max().map_or(0, usize::from);
        let classes = if classes.is_empty() { numbered_classes(most + 1) } else { classes.to_vec() };
        if most >= classes.len() {
            return Err(DataError::format(labels, "labels", format!("less than {}", classes.len()), most));
        }
        let label_values = label_bytes.into_iter().map(usize::from).collect();
        MemoryDataset::new([height, width, 1], pixels, label_values, classes).map(Self)
    }
}

fn find(folder: &Path, part: IdxPart, kind: &str, rank: u8) -> Result<std::path::PathBuf, DataError> {
    let stems: &[&str] = match part {
        IdxPart::Train => &["train"],
        IdxPart::Test => &["t10k", "test"],
    };
    let mut names = Vec::new();
    for stem in stems {
        for dot in ["-", "."] {
            for end in ["", ".gz"] {
                names.push(format!("{stem}-{kind}{dot}idx{rank}-ubyte{end}"));
            }
        }
    }
    find_file(folder, &names)
}

impl Dataset for IdxDataset {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn get(&self, index: usize) -> Result<Sample, DataError> {
        self.0.get(index)
    }

    fn shape(&self) -> [usize; 3] {
        self.0.shape()
    }

    fn classes(&self) -> &[String] {
        self.0.classes()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn idx(sizes: &[u32], elements: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0, 0, 8, sizes.len() as u8];
        sizes.iter().for_each(|s| bytes.extend(s.to_be_bytes()));
        bytes.extend(elements);
        bytes
    }

    #[test]
    fn reads_plain_and_gzip() {
        let folder = tempfile::tempdir().unwrap();
        let images = idx(&[2, 2, 3], &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
        std::fs::write(folder.path().join("train-images-idx3-ubyte"), &images).unwrap();
        let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gz.write_all(&idx(&[2], &[4, 0])).unwrap();
        std::fs::write(folder.path().join("train-labels-idx1-ubyte.gz"), gz.finish().unwrap()).unwrap();
        let set = IdxDataset::open(folder.path(), IdxPart::Train, &[]).unwrap();
        assert_eq!((set.len(), set.shape(), set.classes().len()), (2, [2, 3, 1], 5));
        let sample = set.get(1).unwrap();
        assert_eq!((sample.label, sample.picture.row(1)), (0, &[10u8, 11, 12][..]));
        let error = IdxDataset::open(folder.path(), IdxPart::Test, &[]).unwrap_err().to_string();
        assert!(error.contains("t10k-images-idx3-ubyte"), "{error}");
    }

    #[test]
    fn what_is_wrong_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("images");
        let labels = folder.path().join("labels");
        std::fs::write(&labels, idx(&[3], &[0, 1, 2])).unwrap();
        let message = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            IdxDataset::read(&path, &labels, &[]).unwrap_err().to_string()
        };
        let whole = idx(&[2, 1, 2], &[1, 2, 3, 4]);
        let truncated = message(&whole[..whole.len() - 1]);
        assert!(truncated.contains("images") && truncated.contains("expected 20 bytes"), "{truncated}");
        assert!(truncated.contains("found 19 bytes"), "{truncated}");
        assert!(message(&whole[..6]).contains("header: expected 16 bytes, found 6 bytes"));
        assert!(message(b"\x89PNG").contains("found 89 50 4e 47"));
        assert!(message(&idx(&[u32::MAX, u32::MAX, u32::MAX], &[])).contains("length"));
        assert!(message(&whole).contains("labels: sizes: expected [2], one per picture, found [3]"));
        let mut floats = whole.clone();
        floats[2] = 0x0D;
        assert!(message(&floats).contains("element type"));
        assert!(message(&[0x1F, 0x8B, 8, 0]).contains("gzip"));
    }
}
