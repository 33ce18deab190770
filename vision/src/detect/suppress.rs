//! Non-maximum suppression: of candidates that name one object, the best stays.

use heapless::Vec;

use super::Detection;
use crate::best::Best;

/// What becomes of a candidate that overlaps a better one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Overlap {
    /// It goes where the intersection over union is above the limit.
    Drop {
        /// The limit.
        iou: f32,
    },
    /// Above the limit its score is multiplied by `1 - iou` (Bodla et al. 2017, soft NMS).
    Linear {
        /// The limit.
        iou: f32,
    },
    /// Its score is multiplied by `exp(-iou² / sigma)` (soft NMS).
    Gaussian {
        /// The greater, the milder.
        sigma: f32,
    },
}

impl Overlap {
    /// The factor of a score at this overlap.
    fn factor(self, iou: f32) -> f32 {
        match self {
            Self::Drop { iou: limit } => f32::from(u8::from(iou <= limit)),
            Self::Linear { iou: limit } => {
                if iou > limit {
                    1.0 - iou
                } else {
                    1.0
                }
            }
            Self::Gaussian { sigma } => libm::expf(-(iou * iou) / sigma),
        }
    }
}

/// Keeps the best of overlapping candidates, in the order of their scores (after the change of soft rules), each with a
/// score of at least `threshold`. Classes do not touch each other where `by_class`. Returns how many more there were
/// than `M`.
pub fn suppress<const N: usize, const M: usize>(
    candidates: &Best<Detection, N>,
    overlap: Overlap,
    by_class: bool,
    threshold: f32,
    kept: &mut Vec<Detection, M>,
) -> usize {
    let mut waiting = Vec::<Detection, N>::new();
    for (_, candidate) in candidates.iter() {
        // There are no more of them than the capacity.
        let _ = waiting.push(*candidate);
    }
    let mut more = 0usize;
    kept.clear();
    loop {
        let mut best: Option<(usize, f32)> = None;
        for (index, d) in waiting.iter().enumerate() {
            if d.score >= threshold && d.score > 0.0 && best.is_none_or(|(_, s)| d.score > s) {
                best = Some((index, d.score));
            }
        }
        let Some(chosen) = best.and_then(|(index, _)| waiting.get_mut(index)) else { return more };
        let taken = *chosen;
        chosen.score = 0.0;
        if kept.push(taken).is_err() {
            more = more.saturating_add(1);
        }
        for other in waiting.iter_mut().filter(|o| o.score > 0.0 && (!by_class || o.class == taken.class)) {
            other.score *= overlap.factor(other.rect.iou(&taken.rect));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::Rect;

    fn candidates() -> Best<Detection, 8> {
        let mut best = Best::new();
        // Two of one object, one of another class at the same place, one elsewhere.
        for (class, score, x) in [(0, 0.9, 0.0), (0, 0.8, 1.0), (1, 0.7, 0.0), (0, 0.6, 50.0)] {
            let rect = Rect { x0: x, y0: 0.0, x1: x + 10.0, y1: 10.0 };
            best.offer(score, Detection { class, score, rect });
        }
        best
    }

    fn scores(overlap: Overlap, by_class: bool, threshold: f32) -> std::vec::Vec<f32> {
        let mut kept = Vec::<Detection, 8>::new();
        assert_eq!(suppress(&candidates(), overlap, by_class, threshold, &mut kept), 0);
        kept.iter().map(|d| d.score).collect()
    }

    #[test]
    fn hard_suppression_by_class_and_across() {
        assert_eq!(scores(Overlap::Drop { iou: 0.5 }, true, 0.0), [0.9, 0.7, 0.6]);
        assert_eq!(scores(Overlap::Drop { iou: 0.5 }, false, 0.0), [0.9, 0.6]);
        assert_eq!(scores(Overlap::Drop { iou: 0.5 }, true, 0.65), [0.9, 0.7]);
        assert_eq!(scores(Overlap::Drop { iou: 0.9 }, true, 0.0).len(), 4);
    }

    #[test]
    fn soft_suppression_lowers_scores() {
        let linear = scores(Overlap::Linear { iou: 0.5 }, true, 0.01);
        assert_eq!((linear[0], linear[1], linear[2]), (0.9, 0.7, 0.6));
        assert!((linear[3] - 0.8 * (1.0 - 9.0 / 11.0)).abs() < 1e-6, "{linear:?}");
        let gaussian = scores(Overlap::Gaussian { sigma: 0.5 }, true, 0.01);
        let factor = libm::expf(-(9.0f32 / 11.0) * (9.0 / 11.0) / 0.5);
        assert!((gaussian[3] - 0.8 * factor).abs() < 1e-6, "{gaussian:?}");
    }

    #[test]
    fn more_than_the_capacity_are_counted() {
        let mut kept = Vec::<Detection, 2>::new();
        assert_eq!(suppress(&candidates(), Overlap::Drop { iou: 0.5 }, true, 0.0, &mut kept), 1);
        assert_eq!(kept.iter().map(|d| d.score).collect::<std::vec::Vec<_>>(), [0.9, 0.7]);
        let mut none = Best::<Detection, 4>::new();
        none.offer(f32::NAN, Detection { class: 0, score: f32::NAN, rect: Rect::default() });
        assert_eq!(suppress(&none, Overlap::Drop { iou: 0.5 }, true, 0.0, &mut kept), 0);
        assert!(kept.is_empty());
    }
}
