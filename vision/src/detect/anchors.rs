//! Boxes from anchors (Liu et al. 2016, SSD): every place has some boxes, which the model moves and scales.

use super::{Detection, Rect};
use crate::best::Best;
use crate::number::{clamp, greater, sigmoid};
use crate::values::Map;

/// The outputs of one map with anchors.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AnchorLevel<'a> {
    /// Logits: for every anchor the background, then the classes.
    pub scores: Map<'a>,
    /// For every anchor the moves of the centre (x, y) and the logarithms of the scaling (width, height).
    pub boxes: Map<'a>,
    /// Pixels of the input between two places.
    pub stride: f32,
    /// Widths and heights of the anchors, in pixels of the input.
    pub anchors: &'a [[f32; 2]],
}

/// How the outputs are read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Anchors {
    /// What a move of 1 is worth, in the anchor's width or height.
    pub center_variance: f32,
    /// What a scaling of 1 is worth, as a logarithm.
    pub size_variance: f32,
    /// The least score.
    pub threshold: f32,
    /// The input's sizes `[height, width]`, at which boxes are cut.
    pub input: [f32; 2],
}

impl Anchors {
    /// Offers the best class of every anchor whose softmax reaches the threshold. Maps that do not fit each other give
    /// nothing.
    pub fn candidates<const N: usize>(&self, level: &AnchorLevel<'_>, found: &mut Best<Detection, N>) {
        let (scores, boxes) = (&level.scores, &level.boxes);
        let Some(each) = scores.channels.checked_div(level.anchors.len()) else { return };
        let fits = each.wrapping_mul(level.anchors.len()) == scores.channels
            && each >= 2
            && boxes.channels == level.anchors.len().saturating_mul(4)
            && (boxes.height, boxes.width) == (scores.height, scores.width);
        if !fits {
            return;
        }
        for (y, x) in (0..scores.height).flat_map(|y| (0..scores.width).map(move |x| (y, x))) {
            for (index, anchor) in level.anchors.iter().enumerate() {
                let first = index.wrapping_mul(each);
                let Some((class, score)) = self.score(scores, y, x, first, each) else { continue };
                if let Some(rect) = self.rect(level, y, x, index, *anchor) {
                    found.offer(score, Detection { class, score, rect });
                }
            }
        }
    }

    /// The best class (without the background) and its softmax, where it reaches the threshold.
    fn score(&self, scores: &Map<'_>, y: usize, x: usize, first: usize, each: usize) -> Option<(usize, f32)> {
        let logit = |k: usize| scores.get(y, x, first.wrapping_add(k)).unwrap_or(f32::NEG_INFINITY);
        let (mut class, mut most) = (1usize, logit(1));
        for k in 2..each {
            if logit(k) > most {
                (class, most) = (k, logit(k));
            }
        }
        // The softmax is at most the share of two; most anchors are background and end here.
        if sigmoid(most - logit(0)) < self.threshold {
            return None;
        }
        let greatest = greater(most, logit(0));
        let mut sum = 0.0f32;
        (0..each).for_each(|k| sum += libm::expf(logit(k) - greatest));
        let share = libm::expf(most - greatest) / sum;
        (share >= self.threshold).then_some((class.wrapping_sub(1), share))
    }

    fn rect(&self, level: &AnchorLevel<'_>, y: usize, x: usize, index: usize, [w, h]: [f32; 2]) -> Option<Rect> {
        let first = index.wrapping_mul(4);
        let value = |k: usize| level.boxes.get(y, x, first.wrapping_add(k));
        let (dx, dy, dw, dh) = (value(0)?, value(1)?, value(2)?, value(3)?);
        let cx = (x as f32 + 0.5) * level.stride + dx * self.center_variance * w;
        let cy = (y as f32 + 0.5) * level.stride + dy * self.center_variance * h;
        // Beyond e^8 no box is inside a picture any more.
        let size = |v: f32, anchor: f32| libm::expf(clamp(v * self.size_variance, -8.0, 8.0)) * anchor / 2.0;
        let (half_w, half_h) = (size(dw, w), size(dh, h));
        let [height, width] = self.input;
        let rect = Rect { x0: cx - half_w, y0: cy - half_h, x1: cx + half_w, y1: cy + half_h };
        let rect = rect.clipped(width, height);
        (rect.area() > 0.0).then_some(rect)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anchors_are_moved_and_scaled() {
        // Two anchors at one place, two classes and the background.
        let scores = [5.0f32, 0.0, 0.0, 0.0, 0.0, 4.0];
        let boxes = [0.0f32, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 5.0 * core::f32::consts::LN_2];
        let anchors = [[8.0, 8.0], [10.0, 4.0]];
        let level = AnchorLevel {
            scores: Map::planes(&scores, [6, 1, 1]),
            boxes: Map::planes(&boxes, [8, 1, 1]),
            stride: 32.0,
            anchors: &anchors,
        };
        let decoder = Anchors { center_variance: 0.1, size_variance: 0.2, threshold: 0.3, input: [32.0, 32.0] };
        let mut found = Best::<Detection, 4>::new();
        decoder.candidates(&level, &mut found);
        let (score, detection) = found.iter().next().unwrap();
        assert_eq!((found.len(), detection.class), (1, 1));
        assert!((score - 0.9647).abs() < 1e-3, "{score}");
        let Rect { x0, y0, x1, y1 } = detection.rect;
        for (a, b) in [(x0, 12.0), (y0, 12.0), (x1, 22.0), (y1, 20.0)] {
            assert!((a - b).abs() < 1e-4, "{:?}", detection.rect);
        }
        let wrong = AnchorLevel { anchors: &anchors[..1], ..level };
        let mut none = Best::<Detection, 4>::new();
        decoder.candidates(&wrong, &mut none);
        decoder.candidates(&AnchorLevel { anchors: &[], ..level }, &mut none);
        assert!(none.is_empty());
    }
}
