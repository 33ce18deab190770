//! One label for a picture: the greatest scores.

use crate::best::Best;
use crate::values::Values;

/// A class and its share.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Answer {
    /// Index of the class.
    pub class: usize,
    /// The score as the model gives it.
    pub score: f32,
    /// Softmax of the scores at this class, between 0 and 1.
    pub probability: f32,
}

/// The `N` classes with the greatest scores, greatest first; of equal scores the lower class comes first.
pub fn top<const N: usize>(scores: Values<'_>) -> heapless::Vec<Answer, N> {
    let mut best = Best::<usize, N>::new();
    for class in 0..scores.len() {
        if let Some(score) = scores.rank(class) {
            best.offer(score, class);
        }
    }
    let value = |class: usize| scores.get(class).unwrap_or(f32::NEG_INFINITY);
    let greatest = best.iter().next().map_or(0.0, |(_, &class)| value(class));
    let mut sum = 0.0f32;
    (0..scores.len()).for_each(|class| sum += libm::expf(value(class) - greatest));
    let mut answers = heapless::Vec::new();
    for (_, &class) in best.iter() {
        let score = value(class);
        // There are no more of them than the capacity.
        let _ = answers.push(Answer { class, score, probability: libm::expf(score - greatest) / sum });
    }
    answers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn greatest_first_and_shares_of_one() {
        let scores = [0.0f32, 2.0, f32::NAN, 2.0, 1.0];
        let found = top::<3>(Values::F32(&scores));
        assert_eq!(found.iter().map(|a| a.class).collect::<std::vec::Vec<_>>(), [1, 3, 4]);
        let bytes = [0x80u8, 127, 0];
        let found = top::<5>(Values::I8 { bytes: &bytes, scale: 0.01, zero_point: 0 });
        assert_eq!(found.iter().map(|a| a.class).collect::<std::vec::Vec<_>>(), [1, 2, 0]);
        let sum: f32 = found.iter().map(|a| a.probability).sum();
        assert!((sum - 1.0).abs() < 1e-6 && (found[0].score - 1.27).abs() < 1e-6);
        assert!(top::<2>(Values::F32(&[])).is_empty());
    }
}
