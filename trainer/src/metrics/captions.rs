//! How close sentences are to those of people: BLEU (Papineni et al. 2002), ROUGE-L (Lin 2004) and CIDEr-D (Vedantam et
//! al. 2015), as the COCO caption evaluation computes them on sentences that are split into words.

use std::collections::BTreeMap;

/// The longest sequence of words that is counted.
const LONGEST: usize = 4;
/// How much ROUGE-L favours recall.
const BETA: f64 = 1.2;
/// How fast CIDEr-D falls with the difference of lengths.
const SIGMA: f64 = 6.0;

/// Counts of sequences of up to [`LONGEST`] words, by length.
type Counts<'a> = [BTreeMap<&'a [String], f64>; LONGEST];

/// The words of a sentence: small letters and digits; everything else separates.
pub fn words(sentence: &str) -> Vec<String> {
    let split = sentence.split(|c: char| !c.is_alphanumeric());
    split.filter(|w| !w.is_empty()).map(str::to_lowercase).collect()
}

/// Sentences so far.
#[derive(Clone, Debug, Default)]
pub struct CaptionMetrics {
    pictures: Vec<(Vec<String>, Vec<Vec<String>>)>,
}

/// The figures.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CaptionScores {
    /// BLEU of sequences up to 1, 2, 3 and 4 words.
    pub bleu: [f64; LONGEST],
    /// ROUGE-L.
    pub rouge: f64,
    /// CIDEr-D.
    pub cider: f64,
}

impl CaptionMetrics {
    /// How many sentences were added.
    pub fn pictures(&self) -> usize {
        self.pictures.len()
    }

    /// Adds a sentence with those of people about the same picture. Without any of the latter it does not count.
    pub fn add(&mut self, answer: &str, truth: &[String]) {
        if !truth.is_empty() {
            self.pictures.push((words(answer), truth.iter().map(|t| words(t)).collect()));
        }
    }

    /// The figures so far.
    pub fn scores(&self) -> CaptionScores {
        let count = self.pictures.len().max(1) as f64;
        let rouge = self.pictures.iter().map(|(a, t)| rouge(a, t)).sum::<f64>() / count;
        CaptionScores { bleu: self.bleu(), rouge, cider: self.cider() }
    }

    fn bleu(&self) -> [f64; LONGEST] {
        let (mut right, mut all) = ([0.0; LONGEST], [0.0; LONGEST]);
        let (mut length, mut wanted) = (0usize, 0usize);
        for (answer, truth) in &self.pictures {
            length += answer.len();
            let closest = truth.iter().map(|t| (t.len().abs_diff(answer.len()), t.len())).min();
            wanted += closest.map_or(0, |(_, len)| len);
            let references: Vec<Counts> = truth.iter().map(|t| counts(t)).collect();
            for (n, found) in counts(answer).iter().enumerate() {
                all[n] += answer.len().saturating_sub(n) as f64;
                for (sequence, &times) in found {
                    let most = references.iter().filter_map(|r| r[n].get(sequence)).fold(0.0, |m, &t| f64::max(m, t));
                    right[n] += times.min(most);
                }
            }
        }
        let ratio = (length as f64 + 1e-15) / (wanted as f64 + 1e-9);
        let brevity = if ratio < 1.0 { libm::exp(1.0 - 1.0 / ratio) } else { 1.0 };
        let mut product = 1.0;
        std::array::from_fn(|n| {
            product *= (right[n] + 1e-15) / (all[n] + 1e-9);
            libm::pow(product, 1.0 / (n as f64 + 1.0)) * brevity
        })
    }

    fn cider(&self) -> f64 {
        let mut documents: BTreeMap<&[String], f64> = BTreeMap::new();
        for (_, truth) in &self.pictures {
            let mut once = std::collections::BTreeSet::new();
            for sentence in truth {
                once.extend((1..=LONGEST).flat_map(|n| sentence.windows(n)));
            }
            once.into_iter().for_each(|sequence| *documents.entry(sequence).or_insert(0.0) += 1.0);
        }
        let logarithm = libm::log(self.pictures.len() as f64);
        let weigh = |sentence| Weighted::new(sentence, &documents, logarithm);
        let mut sum = 0.0;
        for (answer, truth) in &self.pictures {
            let own = weigh(answer);
            let score: f64 = truth.iter().map(|t| own.similarity(&weigh(t))).sum();
            sum += 10.0 * score / truth.len() as f64;
        }
        sum / self.pictures.len().max(1) as f64
    }
}

fn counts(sentence: &[String]) -> Counts<'_> {
    std::array::from_fn(|n| {
        let mut found = BTreeMap::new();
        sentence.windows(n + 1).for_each(|sequence| *found.entry(sequence).or_insert(0.0) += 1.0);
        found
    })
}

/// A sentence's sequences, weighted by how rare they are.
struct Weighted<'a> {
    counts: Counts<'a>,
    norms: [f64; LONGEST],
    length: f64,
}

impl<'a> Weighted<'a> {
    fn new(sentence: &'a [String], documents: &BTreeMap<&[String], f64>, logarithm: f64) -> Self {
        let mut counts = counts(sentence);
        let mut norms = [0.0; LONGEST];
        for (found, norm) in counts.iter_mut().zip(&mut norms) {
            for (sequence, weight) in found.iter_mut() {
                let known = documents.get(sequence).copied().unwrap_or(0.0);
                *weight *= logarithm - libm::log(f64::max(known, 1.0));
                *norm += *weight * *weight;
            }
        }
        // The reference takes the number of pairs of words as the length; differences of lengths are the same.
        let length = sentence.len().saturating_sub(1) as f64;
        Self { counts, norms: norms.map(libm::sqrt), length }
    }

    /// The mean over the lengths of sequences of clipped cosines, lowered by the difference of lengths.
    fn similarity(&self, other: &Self) -> f64 {
        let difference = self.length - other.length;
        let penalty = libm::exp(-(difference * difference) / (2.0 * SIGMA * SIGMA));
        let mut sum = 0.0;
        for n in 0..LONGEST {
            let product = |(sequence, &own): (&&[String], &f64)| {
                let theirs = other.counts[n].get(sequence).copied().unwrap_or(0.0);
                f64::min(own, theirs) * theirs
            };
            let norm = self.norms[n] * other.norms[n];
            let cosine: f64 = self.counts[n].iter().map(product).sum();
            sum += if norm == 0.0 { cosine } else { cosine / norm } * penalty;
        }
        sum / LONGEST as f64
    }
}

fn rouge(answer: &[String], truth: &[Vec<String>]) -> f64 {
    if answer.is_empty() {
        return 0.0;
    }
    let (mut precision, mut recall) = (0.0f64, 0.0f64);
    for sentence in truth.iter().filter(|t| !t.is_empty()) {
        let common = longest_common(answer, sentence) as f64;
        precision = precision.max(common / answer.len() as f64);
        recall = recall.max(common / sentence.len() as f64);
    }
    if precision == 0.0 || recall == 0.0 {
        return 0.0;
    }
    (1.0 + BETA * BETA) * precision * recall / (recall + BETA * BETA * precision)
}

/// The length of the longest sequence of words that both hold in order.
fn longest_common(a: &[String], b: &[String]) -> usize {
    let mut row = vec![0usize; b.len() + 1];
    for word in a {
        let mut diagonal = 0;
        for (j, other) in b.iter().enumerate() {
            let above = row[j + 1];
            row[j + 1] = if word == other { diagonal + 1 } else { above.max(row[j]) };
            diagonal = above;
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sentences about four pictures.
    const PICTURES: [(&str, &[&str]); 4] = [
        ("a goat next to a yellow pear", &["a goat stands next to a yellow pear", "a pear and a goat"]),
        ("a red car", &["a red car in front of a house", "there is a car"]),
        ("two birds above a tree above a tree", &["two birds above a tree", "birds in the sky over a tree"]),
        ("a fish", &["an apple below a bee", "an apple with a bee above it"]),
    ];

    /// BLEU-1 to 4, ROUGE-L and CIDEr-D of pycocoevalcap 1.2 on [`PICTURES`]: `Bleu(4)`, `Rouge()` and `Cider()`, each
    /// given the sentences as they stand here, without its tokenizer.
    const REFERENCE: [f64; 6] = [
        0.654_984_602_396_887,
        0.607_186_977_167_048_6,
        0.560_489_650_944_256_5,
        0.503_112_774_843_162,
        0.654_740_292_483_883_9,
        2.346_165_843_964_994_4,
    ];

    #[test]
    fn every_figure_is_that_of_pycocoevalcap() {
        let mut metrics = CaptionMetrics::default();
        for (answer, truth) in PICTURES {
            metrics.add(answer, &truth.iter().map(|&t| t.to_owned()).collect::<Vec<_>>());
        }
        let scores = metrics.scores();
        let found = [scores.bleu.as_slice(), &[scores.rouge, scores.cider]].concat();
        for (found, expected) in found.iter().zip(REFERENCE) {
            assert!((found - expected).abs() < 1e-9, "{scores:?}");
        }
    }

    #[test]
    fn nothing_and_one_picture() {
        assert_eq!(CaptionMetrics::default().scores().cider, 0.0);
        let mut metrics = CaptionMetrics::default();
        metrics.add("", &["a cat".to_owned()]);
        metrics.add("a cat", &[]);
        let scores = metrics.scores();
        assert!(scores.bleu[0] < 1e-6 && scores.rouge == 0.0 && scores.cider == 0.0, "{scores:?}");
        assert_eq!(words("A goat, next-to 2 Pears."), ["a", "goat", "next", "to", "2", "pears"]);
    }
}
