//! Learning to write sentences: the words that are known, scenes as batches for teacher forcing, and the loss.

use std::collections::BTreeMap;
use std::sync::Arc;

use ocellus_graph::{DataType, Tensor, ValueId};
use ocellus_ops::OpError;
use ocellus_vision::metadata::Preprocess;

use crate::NetworkBuilder;
use crate::data::{Augmentation, Batch, BatchSource, Scenes, augment, normalize};
use crate::error::DataError;
use crate::metrics::words;
use crate::objective::Objective;
use crate::random::Random;

/// The name of the input that holds the words before each answer, `[N, length]`, i64.
pub const TOKENS: &str = "tokens";
/// Word 0 ends a sentence, and begins one too.
pub const END: usize = 0;
/// Word 1 stands for all that are not known.
pub const UNKNOWN: usize = 1;

/// The words of a decoder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lexicon {
    words: Vec<String>,
    places: BTreeMap<String, usize>,
}

impl Lexicon {
    /// The words that occur at least `least` times, the most frequent first, at most `limit` with the two special ones.
    pub fn of<'s>(sentences: impl IntoIterator<Item = &'s str>, least: usize, limit: usize) -> Self {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for sentence in sentences {
            words(sentence).into_iter().for_each(|word| *counts.entry(word).or_insert(0) += 1);
        }
        let mut known: Vec<(String, usize)> = counts.into_iter().filter(|(_, n)| *n >= least).collect();
        known.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
        let special = ["<end>", "<unknown>"].map(str::to_owned);
        let words: Vec<String> = special.into_iter().chain(known.into_iter().map(|(w, _)| w)).take(limit).collect();
        let places = words.iter().cloned().zip(0..).collect();
        Self { words, places }
    }

    /// The words in order.
    pub fn words(&self) -> &[String] {
        &self.words
    }

    /// The numbers of a sentence's words, with the end, cut to `length`.
    pub fn numbers(&self, sentence: &str, length: usize) -> Vec<usize> {
        let number = |word: String| self.places.get(&word).copied().unwrap_or(UNKNOWN);
        let mut numbers: Vec<usize> = words(sentence).into_iter().map(number).chain([END]).collect();
        numbers.truncate(length);
        numbers
    }
}

/// Softmax cross-entropy of every word, from scores `[N, length, words]` against rows of ones and zeros of the same
/// sizes; a place whose row is all zeros does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CaptionObjective {
    /// Number of words.
    pub words: usize,
    /// Words of the longest sentence, with its end.
    pub length: usize,
}

impl Objective for CaptionObjective {
    fn describe(&self) -> String {
        format!("{self:?}")
    }

    fn target(&self, batch: usize) -> (DataType, Vec<usize>) {
        (DataType::F32, vec![batch, self.length, self.words])
    }

    fn losses(&self, b: &mut NetworkBuilder, output: ValueId, target: ValueId) -> Result<ValueId, OpError> {
        let log = b.log_softmax(output, 2)?;
        let product = b.mul(log, target)?;
        let sum = b.reduce_sum(product, &[1, 2], false)?;
        let count = b.reduce_sum(target, &[1, 2], false)?;
        let one = b.scalar_like(count, 1.0)?;
        let count = b.max(count, one)?;
        let mean = b.div(sum, count)?;
        b.neg(mean)
    }

    fn correct(&self, _: &mut NetworkBuilder, _: ValueId, _: ValueId) -> Result<Option<ValueId>, OpError> {
        Ok(None)
    }
}

/// Scenes with sentences as batches: in training one of a picture's sentences by chance, otherwise the first.
pub struct CaptionBatches {
    /// The scenes.
    pub scenes: Arc<dyn Scenes>,
    /// How pictures are brought to the input.
    pub preprocess: Preprocess,
    /// The words.
    pub lexicon: Lexicon,
    /// What the answers look like.
    pub objective: CaptionObjective,
    /// Changes of the colours. Pictures are never turned over: sentences may tell left from right.
    pub colors: Vec<Augmentation>,
    /// Seed of the changes.
    pub seed: u64,
}

impl BatchSource for CaptionBatches {
    fn len(&self) -> usize {
        self.scenes.len()
    }

    fn batch(&self, chosen: &[usize], size: usize, epoch: Option<u64>) -> Result<Batch, DataError> {
        let Preprocess { height, width, channels, .. } = self.preprocess;
        let CaptionObjective { words, length } = self.objective;
        let tables = self.preprocess.normalization.tables();
        let wanted = self.preprocess.target().map_err(|e| DataError::Sample(e.to_string()))?;
        let mut images = vec![0f32; size * channels * height * width];
        let mut tokens = vec![END as i64; size * length];
        let mut targets = vec![0f32; size * length * words];
        for (place, (&index, image)) in
            chosen.iter().zip(images.chunks_exact_mut(channels * height * width)).enumerate()
        {
            let scene = self.scenes.get(index)?;
            let mut picture = scene.picture.prepared(&wanted)?.0;
            let mut sentence = 0;
            if let Some(epoch) = epoch {
                picture = augment(picture, &self.colors, self.seed, epoch, index);
                sentence = Random::new(self.seed, &format!("sentence {index}"), epoch).below(scene.captions.len());
            }
            normalize(&picture, &tables, image);
            let Some(text) = scene.captions.get(sentence) else { continue };
            for (at, number) in self.lexicon.numbers(text, length).into_iter().enumerate() {
                targets[(place * length + at) * words + number] = 1.0;
                if at + 1 < length {
                    tokens[place * length + at + 1] = number as i64;
                }
            }
        }
        Ok(Batch {
            images: Tensor::of(&[size, channels, height, width], images),
            labels: Tensor::of(&[size, length, words], targets),
            more: vec![(TOKENS.to_owned(), Tensor::of(&[size, length], tokens))],
            valid: chosen.len(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frequent_words_come_first_and_rare_ones_are_unknown() {
        let lexicon = Lexicon::of(["a goat", "a pear and a goat", "a yak"], 2, 100);
        assert_eq!(lexicon.words(), ["<end>", "<unknown>", "a", "goat"]);
        assert_eq!(lexicon.numbers("A yak, a goat.", 10), [2, UNKNOWN, 2, 3, END]);
        assert_eq!(lexicon.numbers("a goat", 2), [2, 3]);
        assert_eq!(Lexicon::of(["a a b b c c"], 1, 3).words().len(), 3);
    }
}
