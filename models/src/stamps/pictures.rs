//! One cut-out per picture, for classifiers.

use std::sync::Arc;

use ocellus_trainer::DataError;
use ocellus_trainer::data::{Dataset, Sample};
use ocellus_trainer::random::Random;

use super::{Split, Stamps, compose};

/// Pictures of single cut-outs on grounds, by category.
pub struct StampPictures {
    stamps: Arc<Stamps>,
    split: Split,
    side: usize,
    count: usize,
    seed: u64,
}

impl StampPictures {
    /// `count` pictures of `side` x `side` pixels.
    pub fn new(stamps: Arc<Stamps>, split: Split, side: usize, count: usize, seed: u64) -> Self {
        Self { stamps, split, side, count, seed }
    }
}

impl Dataset for StampPictures {
    fn len(&self) -> usize {
        self.count
    }

    fn shape(&self) -> [usize; 3] {
        [self.side, self.side, 3]
    }

    fn classes(&self) -> &[String] {
        &self.stamps.categories
    }

    fn get(&self, index: usize) -> Result<Sample, DataError> {
        if index >= self.count {
            return Err(DataError::Sample(format!("picture {index} was asked for, there are {}", self.count)));
        }
        let mut random = Random::new(self.seed, &format!("stamp pictures {}", self.split.name()), index as u64);
        let label = random.below(self.stamps.categories.len());
        Ok(Sample { picture: compose::portrait(&self.stamps, self.split, label, self.side, &mut random)?, label })
    }
}
