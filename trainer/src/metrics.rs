//! How good answers are: classes here, [boxes](DetectionMetrics), [masks](SegmentationMetrics) and
//! [sentences](CaptionMetrics) in files of their own.

mod captions;
mod detection;
mod segmentation;

pub use captions::{CaptionMetrics, CaptionScores, words};
pub use detection::{BoxAnswer, DetectionMetrics, DetectionScores};
pub use segmentation::SegmentationMetrics;

use serde::{Deserialize, Serialize};

/// Counts of (true class, answered class), with top-k counts beside them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClassificationMetrics {
    classes: usize,
    counts: Vec<u64>,
    k: usize,
    in_top_k: u64,
}

impl ClassificationMetrics {
    /// No answers yet; `k` is that of the top-k accuracy.
    pub fn new(classes: usize, k: usize) -> Self {
        Self { classes, counts: vec![0; classes * classes], k: k.clamp(1, classes.max(1)), in_top_k: 0 }
    }

    /// Adds answers: `scores` holds `classes` numbers for every label. The answer is the greatest score, of equal ones
    /// the first. Labels beyond the classes count as wrong answers in no row and are refused by the loader.
    pub fn add(&mut self, scores: &[f32], labels: &[i64]) {
        for (scores, &label) in scores.chunks_exact(self.classes.max(1)).zip(labels) {
            let Some(label) = usize::try_from(label).ok().filter(|&l| l < self.classes) else { continue };
            self.counts[label * self.classes + first_maximum(scores)] += 1;
            let own = scores[label];
            let before = |(i, &s): (usize, &f32)| s > own || s == own && i < label || s.is_nan();
            let rank = scores.iter().enumerate().filter(|&(i, s)| i != label && before((i, s))).count();
            self.in_top_k += u64::from(rank < self.k && !own.is_nan());
        }
    }

    /// Answers so far.
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Right answers so far.
    pub fn correct(&self) -> u64 {
        (0..self.classes).map(|c| self.counts[c * self.classes + c]).sum()
    }

    /// Part of the answers that is right; 0 where there is none.
    pub fn accuracy(&self) -> f64 {
        ratio(self.correct(), self.total())
    }

    /// Part of the answers whose true class is among the `k` greatest scores.
    pub fn top_k_accuracy(&self) -> f64 {
        ratio(self.in_top_k, self.total())
    }

    /// How often class `truth` was answered with class `answer`.
    pub fn count(&self, truth: usize, answer: usize) -> u64 {
        self.counts.get(truth * self.classes + answer).copied().unwrap_or(0)
    }

    /// The number of classes.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// Part of the pictures of a class that is recognised; `None` where there is no picture of it.
    pub fn recall(&self, class: usize) -> Option<f64> {
        let row: u64 = (0..self.classes).map(|a| self.count(class, a)).sum();
        (row > 0).then(|| ratio(self.count(class, class), row))
    }

    /// Part of the answers `class` that is right; `None` where it was never answered.
    pub fn precision(&self, class: usize) -> Option<f64> {
        let column: u64 = (0..self.classes).map(|t| self.count(t, class)).sum();
        (column > 0).then(|| ratio(self.count(class, class), column))
    }
}

fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// The index of the greatest number, of equal ones the first; NaN is never it unless nothing else is there.
pub fn first_maximum(values: &[f32]) -> usize {
    let mut best = 0;
    for (i, &v) in values.iter().enumerate() {
        if v > values[best] || values[best].is_nan() && !v.is_nan() {
            best = i;
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_and_ratios() {
        let mut m = ClassificationMetrics::new(3, 2);
        m.add(&[0.1, 0.7, 0.2, 0.5, 0.3, 0.2, 0.0, 0.6, 0.4, 0.9, 0.1, 0.0], &[1, 0, 2, 2]);
        assert_eq!((m.total(), m.correct()), (4, 2));
        assert_eq!((m.accuracy(), m.top_k_accuracy()), (0.5, 0.75));
        assert_eq!((m.count(2, 1), m.count(2, 0), m.count(2, 2)), (1, 1, 0));
        assert_eq!((m.recall(2), m.recall(1), m.precision(1), m.precision(2)), (Some(0.0), Some(1.0), Some(0.5), None));
        assert_eq!(ClassificationMetrics::new(2, 1).accuracy(), 0.0);
    }

    #[test]
    fn ties_and_nan() {
        assert_eq!(first_maximum(&[1.0, 1.0, 0.0]), 0);
        assert_eq!(first_maximum(&[f32::NAN, -1.0, 2.0]), 2);
        let mut m = ClassificationMetrics::new(2, 1);
        m.add(&[1.0, 1.0], &[1]);
        assert_eq!((m.accuracy(), m.top_k_accuracy()), (0.0, 0.0));
    }
}
