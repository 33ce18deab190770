//! CIFAR-10 and CIFAR-100 in their binary form (Krizhevsky 2009): records of label bytes and 3072 pixels, planes of
//! red, green and blue, 32 x 32 each.

use std::path::Path;

use super::{Dataset, MemoryDataset, Sample, numbered_classes, read_file};
use crate::error::DataError;

const SIDE: usize = 32;
const PLANE: usize = SIDE * SIDE;

/// Which of the sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CifarKind {
    /// One label byte.
    Cifar10,
    /// Two label bytes: coarse, then fine, which is the one that counts.
    Cifar100,
}

impl CifarKind {
    fn label_bytes(self) -> usize {
        match self {
            Self::Cifar10 => 1,
            Self::Cifar100 => 2,
        }
    }

    fn class_count(self) -> usize {
        match self {
            Self::Cifar10 => 10,
            Self::Cifar100 => 100,
        }
    }

    fn files(self, train: bool) -> Vec<String> {
        match (self, train) {
            (Self::Cifar10, true) => (1..=5).map(|i| format!("data_batch_{i}.bin")).collect(),
            (Self::Cifar10, false) => vec!["test_batch.bin".to_owned()],
            (Self::Cifar100, true) => vec!["train.bin".to_owned()],
            (Self::Cifar100, false) => vec!["test.bin".to_owned()],
        }
    }

    fn class_file(self) -> &'static str {
        match self {
            Self::Cifar10 => "batches.meta.txt",
            Self::Cifar100 => "fine_label_names.txt",
        }
    }
}

/// A part of CIFAR-10 or CIFAR-100.
#[derive(Clone, Debug)]
pub struct Cifar(MemoryDataset);

impl Cifar {
    /// Reads the training or the test part from its folder. Class names come from the text file beside the data, where
    /// it is there; else they are numbers.
    ///
    /// # Errors
    /// A file that is missing or whose length or labels are wrong.
    pub fn open(folder: &Path, kind: CifarKind, train: bool) -> Result<Self, DataError> {
        let (mut pixels, mut labels) = (Vec::new(), Vec::new());
        for name in kind.files(train) {
            read_records(&folder.join(name), kind, &mut pixels, &mut labels)?;
        }
        let names = std::fs::read_to_string(folder.join(kind.class_file())).unwrap_or_default();
        let names: Vec<String> = names.lines().map(str::trim).filter(|l| !l.is_empty()).map(str::to_owned).collect();
        let classes = if names.len() == kind.class_count() { names } else { numbered_classes(kind.class_count()) };
        MemoryDataset::new([SIDE, SIDE, 3], pixels, labels, classes).map(Self)
    }
}

fn read_records(path: &Path, kind: CifarKind, pixels: &mut Vec<u8>, labels: &mut Vec<usize>) -> Result<(), DataError> {
    let bytes = read_file(path, 1 << 32)?;
    let head = kind.label_bytes();
    let record = head + 3 * PLANE;
    if bytes.is_empty() || bytes.len() % record != 0 {
        let expected = format!("a multiple of {record} bytes");
        return Err(DataError::format(path, "length", expected, format!("{} bytes", bytes.len())));
    }
    for (i, record) in bytes.chunks_exact(record).enumerate() {
        let label = usize::from(record[head - 1]);
        if label >= kind.class_count() {
            let what = format!("label of record {i}");
            return Err(DataError::format(path, &what, format!("less than {}", kind.class_count()), label));
        }
        labels.push(label);
        let planes = &record[head..];
        pixels.extend((0..PLANE).flat_map(|k| [planes[k], planes[PLANE + k], planes[2 * PLANE + k]]));
    }
    Ok(())
}

impl Dataset for Cifar {
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
    use super::*;

    #[test]
    fn planes_become_pixels() {
        let folder = tempfile::tempdir().unwrap();
        let mut record = vec![3u8, 42];
        record.extend((0..3 * PLANE).map(|i| (i / PLANE * 100 + i % PLANE % 50) as u8));
        std::fs::write(folder.path().join("test.bin"), [record.clone(), record.clone()].concat()).unwrap();
        let set = Cifar::open(folder.path(), CifarKind::Cifar100, false).unwrap();
        let sample = set.get(1).unwrap();
        assert_eq!((set.len(), sample.label, set.classes()[42].as_str()), (2, 42, "42"));
        assert_eq!(sample.picture.row(0)[..6], [0, 100, 200, 1, 101, 201]);
    }

    #[test]
    fn wrong_lengths_and_labels_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("test_batch.bin");
        let message = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            Cifar::open(folder.path(), CifarKind::Cifar10, false).unwrap_err().to_string()
        };
        assert!(message(&[0; 3072]).contains("expected a multiple of 3073 bytes, found 3072 bytes"));
        assert!(message(&[]).contains("length"));
        assert!(message(&[10; 3073]).contains("label of record 0: expected less than 10, found 10"));
        let missing = Cifar::open(folder.path(), CifarKind::Cifar10, true).unwrap_err().to_string();
        assert!(missing.contains("data_batch_1.bin"), "{missing}");
    }
}
