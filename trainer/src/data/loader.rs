//! Batches, made ahead of time by several threads, in an order that depends on the seed alone.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};

use ocellus_graph::Tensor;

use super::{Augmentation, Dataset, Normalization, Picture, augment};
use crate::error::DataError;
use crate::random::Random;

/// Batches that every worker makes ahead.
const AHEAD: usize = 2;

/// How batches are made.
#[derive(Clone, Debug)]
pub struct LoaderConfig {
    /// Pictures in a batch.
    pub batch: usize,
    /// Whether this is training: a new order every epoch, augmentation, and no partial batch at the end. Otherwise
    /// the set's own order, and the last batch is filled up with zeros.
    pub training: bool,
    /// Seed of order and augmentation.
    pub seed: u64,
    /// Threads that make batches.
    pub workers: usize,
    /// Changes to training pictures.
    pub augmentations: Vec<Augmentation>,
    /// From bytes to numbers.
    pub normalization: Normalization,
}

/// One batch.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// `[batch, channels, height, width]`, f32.
    pub images: Tensor,
    /// What the objective compares the answer with; of classes `[batch]`, i64, 0 where the batch is filled up.
    pub labels: Tensor,
    /// What else the network is given, by the names of its inputs.
    pub more: Vec<(String, Tensor)>,
    /// How many of the pictures, from the front, are real.
    pub valid: usize,
}

/// Makes batches of samples by their indices; several threads ask at once.
pub trait BatchSource: Send + Sync {
    /// How many samples there are.
    fn len(&self) -> usize;

    /// Whether there is none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The batch of these samples, filled up with zeros to `size`. `epoch` is that of a training run and decides
    /// what is random; without it nothing is.
    ///
    /// # Errors
    /// Samples that cannot be read or do not fit the set.
    fn batch(&self, chosen: &[usize], size: usize, epoch: Option<u64>) -> Result<Batch, DataError>;
}

/// Makes batches from a data set.
pub struct Loader {
    shared: Arc<Shared>,
}

struct Shared {
    source: Box<dyn BatchSource>,
    batch: usize,
    training: bool,
    seed: u64,
    workers: usize,
}

/// Labelled pictures as batches.
struct Pictures {
    dataset: Arc<dyn Dataset>,
    config: LoaderConfig,
    tables: Vec<[f32; 256]>,
}

impl Loader {
    /// Batches of this set.
    ///
    /// # Errors
    /// A batch of 0 pictures or (in training) more than there are, or a normalisation for other channels.
    pub fn new(dataset: Arc<dyn Dataset>, config: LoaderConfig) -> Result<Self, DataError> {
        let [_, _, channels] = dataset.shape();
        if !config.normalization.fits(channels) {
            let n = &config.normalization;
            return Err(DataError::Sample(format!(
                "the pictures have {channels} channels; the normalisation has mean {:?} and deviation {:?}, one finite \
                 mean and one positive deviation per channel are needed",
                n.mean, n.std
            )));
        }
        let tables = config.normalization.tables();
        let (batch, training, seed, workers) = (config.batch, config.training, config.seed, config.workers);
        Self::of(Box::new(Pictures { dataset, config, tables }), batch, training, seed, workers)
    }

    /// Batches of `batch` samples of any source; the other settings are those of [`LoaderConfig`].
    ///
    /// # Errors
    /// A batch of 0 samples or (in training) more than there are.
    pub fn of(
        source: Box<dyn BatchSource>,
        batch: usize,
        training: bool,
        seed: u64,
        workers: usize,
    ) -> Result<Self, DataError> {
        let len = source.len();
        if batch == 0 || training && batch > len {
            return Err(DataError::Sample(format!("a batch of {batch} cannot be taken from {len} samples")));
        }
        Ok(Self { shared: Arc::new(Shared { source, batch, training, seed, workers }) })
    }

    /// How many samples there are.
    pub fn samples(&self) -> usize {
        self.shared.source.len()
    }

    /// Samples in a batch.
    pub fn batch_size(&self) -> usize {
        self.shared.batch
    }

    /// Batches in one epoch.
    pub fn batches(&self) -> usize {
        let (len, batch) = (self.shared.source.len(), self.shared.batch);
        if self.shared.training { len / batch } else { len.div_ceil(batch) }
    }

    /// The batches of an epoch, from batch `first` on.
    pub fn epoch(&self, epoch: u64, first: usize) -> Epoch {
        let order = Arc::new(self.shared.order(epoch));
        let (batches, workers) = (self.batches(), self.shared.workers.max(1));
        let receivers = (0..workers)
            .map(|worker| {
                let (sender, receiver) = sync_channel(AHEAD);
                let (shared, order) = (Arc::clone(&self.shared), Arc::clone(&order));
                std::thread::spawn(move || {
                    for index in (first + worker..batches).step_by(workers) {
                        // The receiver is gone once the epoch is dropped.
                        if sender.send(shared.batch(&order, epoch, index)).is_err() {
                            break;
                        }
                    }
                });
                receiver
            })
            .collect();
        Epoch { receivers, next: first, first, batches }
    }
}

impl Shared {
    fn order(&self, epoch: u64) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.source.len()).collect();
        if self.training {
            Random::new(self.seed, "order of samples", epoch).shuffle(&mut order);
        }
        order
    }

    fn batch(&self, order: &[usize], epoch: u64, index: usize) -> Result<Batch, DataError> {
        let chosen = &order[index * self.batch..order.len().min((index + 1) * self.batch)];
        self.source.batch(chosen, self.batch, self.training.then_some(epoch))
    }
}

impl BatchSource for Pictures {
    fn len(&self) -> usize {
        self.dataset.len()
    }

    fn batch(&self, chosen: &[usize], size: usize, epoch: Option<u64>) -> Result<Batch, DataError> {
        let [height, width, channels] = self.dataset.shape();
        let picture_size = height * width * channels;
        let mut images = vec![0f32; size * picture_size];
        let mut labels = vec![0i64; size];
        for ((&sample_index, out), label) in chosen.iter().zip(images.chunks_exact_mut(picture_size)).zip(&mut labels) {
            let sample = self.dataset.get(sample_index)?;
            if sample.picture.shape() != self.dataset.shape() || sample.label >= self.dataset.classes().len() {
                return Err(DataError::Sample(format!(
                    "sample {sample_index} has sizes {:?} and label {}; expected {:?} and a label below {}",
                    sample.picture.shape(),
                    sample.label,
                    self.dataset.shape(),
                    self.dataset.classes().len()
                )));
            }
            let mut picture = sample.picture;
            if let Some(epoch) = epoch {
                picture = augment(picture, &self.config.augmentations, self.config.seed, epoch, sample_index);
            }
            *label = sample.label as i64;
            normalize(&picture, &self.tables, out);
        }
        let images = Tensor::of(&[size, channels, height, width], images);
        Ok(Batch { images, labels: Tensor::vector(&labels), more: Vec::new(), valid: chosen.len() })
    }
}

/// Looks the bytes of a picture up and writes them as planes `[C, H, W]`.
pub(crate) fn normalize(picture: &Picture, tables: &[[f32; 256]], out: &mut [f32]) {
    let plane = (picture.height * picture.width).max(1);
    for (c, (plane, table)) in out.chunks_exact_mut(plane).zip(tables).enumerate() {
        let pixels = picture.pixels.iter().skip(c).step_by(picture.channels);
        plane.iter_mut().zip(pixels).for_each(|(out, &p)| *out = table[usize::from(p)]);
    }
}

/// The batches of one epoch, in order.
pub struct Epoch {
    receivers: Vec<Receiver<Result<Batch, DataError>>>,
    next: usize,
    first: usize,
    batches: usize,
}

impl Iterator for Epoch {
    type Item = Result<Batch, DataError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.next >= self.batches {
            return None;
        }
        let worker = (self.next - self.first) % self.receivers.len();
        self.next += 1;
        let lost = || Err(DataError::Sample("a thread that makes batches has stopped".to_owned()));
        Some(self.receivers[worker].recv().unwrap_or_else(|_| lost()))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{MemoryDataset, numbered_classes};
    use super::*;

    fn loader(batch: usize, training: bool, workers: usize) -> Loader {
        let pixels: Vec<u8> = (0..10u8).flat_map(|i| [i, i + 100, 50, i, i + 100, 50]).collect();
        let labels = (0..10).collect();
        let set = MemoryDataset::new([1, 2, 3], pixels, labels, numbered_classes(10)).unwrap();
        let normalization = Normalization::uniform(3, 0.0, 1.0 / 255.0);
        let augmentations = if training { vec![Augmentation::Cutout { size: 1, fill: 7 }] } else { Vec::new() };
        let config = LoaderConfig { batch, training, seed: 3, workers, augmentations, normalization };
        Loader::new(Arc::new(set), config).unwrap()
    }

    fn all(loader: &Loader, epoch: u64, first: usize) -> Vec<Batch> {
        loader.epoch(epoch, first).collect::<Result<_, _>>().unwrap()
    }

    #[test]
    fn evaluation_fills_up_and_training_drops() {
        let batches = all(&loader(4, false, 2), 0, 0);
        assert_eq!(batches.iter().map(|b| b.valid).collect::<Vec<_>>(), [4, 4, 2]);
        assert_eq!(batches[2].labels, Tensor::vector(&[8i64, 9, 0, 0]));
        assert_eq!(batches[2].images.shape(), [4, 3, 1, 2]);
        let images = batches[2].images.to_f32();
        assert_eq!(images[6..12].iter().map(|v| v.round()).collect::<Vec<_>>(), [9.0, 9.0, 109.0, 109.0, 50.0, 50.0]);
        assert_eq!(images[12..], [0.0; 12]);
        assert_eq!(all(&loader(4, true, 2), 0, 0).len(), 2);
    }

    #[test]
    fn order_does_not_depend_on_threads_and_resumes() {
        let one = all(&loader(3, true, 1), 5, 0);
        assert_eq!(one, all(&loader(3, true, 3), 5, 0));
        assert_eq!(one[1..], all(&loader(3, true, 2), 5, 1));
        assert_ne!(one, all(&loader(3, true, 1), 6, 0));
    }

    #[test]
    fn an_epoch_can_be_dropped_early() {
        let loader = loader(1, true, 4);
        let mut epoch = loader.epoch(0, 0);
        assert!(epoch.next().is_some());
        drop(epoch);
        assert_eq!(all(&loader, 0, 0).len(), 10);
    }

    #[test]
    fn senseless_settings_are_refused() {
        let set = MemoryDataset::new([1, 1, 1], vec![1], vec![0], numbered_classes(1)).unwrap();
        let make = |batch, training, channels| {
            let normalization = Normalization::uniform(channels, 0.0, 1.0);
            let config = LoaderConfig { batch, training, seed: 0, workers: 1, augmentations: vec![], normalization };
            Loader::new(Arc::new(set.clone()), config).err().map(|e| e.to_string()).unwrap_or_default()
        };
        assert!(make(0, false, 1).contains("batch of 0"));
        assert!(make(2, true, 1).contains("from 1 samples"));
        assert!(make(2, false, 1).is_empty());
        assert!(make(1, true, 3).contains("1 channels"));
    }
}
