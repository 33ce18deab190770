//! A data set that lies in memory.

use super::{Dataset, Picture, Sample, check_index};
use crate::error::DataError;

/// Pictures of one size in memory, one after another.
#[derive(Clone, Debug)]
pub struct MemoryDataset {
    shape: [usize; 3],
    pixels: Vec<u8>,
    labels: Vec<usize>,
    classes: Vec<String>,
}

impl MemoryDataset {
    /// Pictures of `shape` (`[height, width, channels]`), one after another, with their labels.
    ///
    /// # Errors
    /// Lengths that do not belong together, or a label beyond the classes.
    pub fn new(
        shape: [usize; 3],
        pixels: Vec<u8>,
        labels: Vec<usize>,
        classes: Vec<String>,
    ) -> Result<Self, DataError> {
        let size: usize = shape.iter().product();
        if size.checked_mul(labels.len()) != Some(pixels.len()) {
            let (n, found) = (labels.len(), pixels.len());
            return Err(DataError::Sample(format!("{n} pictures of {shape:?} are {} bytes, found {found}", n * size)));
        }
        if let Some(i) = labels.iter().position(|&l| l >= classes.len()) {
            let (label, count) = (labels[i], classes.len());
            return Err(DataError::Sample(format!("sample {i} has label {label}, there are {count} classes")));
        }
        Ok(Self { shape, pixels, labels, classes })
    }
}

impl Dataset for MemoryDataset {
    fn len(&self) -> usize {
        self.labels.len()
    }

    fn get(&self, index: usize) -> Result<Sample, DataError> {
        check_index(index, self.labels.len())?;
        let [height, width, channels] = self.shape;
        let size = height * width * channels;
        let pixels = self.pixels[index * size..][..size].to_vec();
        Ok(Sample { picture: Picture { height, width, channels, pixels }, label: self.labels[index] })
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
    fn lengths_and_labels_are_checked() {
        let classes = || vec!["a".to_owned(), "b".to_owned()];
        let set = MemoryDataset::new([1, 2, 1], vec![1, 2, 3, 4], vec![0, 1], classes()).unwrap();
        assert_eq!(set.get(1).unwrap().picture.pixels, [3, 4]);
        assert!(set.get(2).is_err());
        assert!(MemoryDataset::new([1, 2, 1], vec![1, 2, 3], vec![0, 1], classes()).is_err());
        assert!(MemoryDataset::new([1, 1, 1], vec![1], vec![2], classes()).is_err());
    }
}
