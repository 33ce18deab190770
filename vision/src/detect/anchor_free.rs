//! Boxes from the distances of a place to the four sides (Tian et al. 2019, FCOS), each side a number or a distribution
//! (Li et al. 2020, generalized focal loss).

use super::{Detection, Rect};
use crate::best::Best;
use crate::number::{greater, sigmoid};
use crate::values::Map;

/// The outputs of one level of the pyramid.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Level<'a> {
    /// Logits, one channel per class.
    pub scores: Map<'a>,
    /// Sides: left, top, right, bottom, each of `bins` channels.
    pub boxes: Map<'a>,
    /// Pixels of the input between two places.
    pub stride: f32,
}

/// How the outputs are read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AnchorFree {
    /// Channels per side: 1 for the distance itself, more for logits of the distances 0, 1, 2, … (in strides), whose
    /// mean counts.
    pub bins: usize,
    /// The least score.
    pub threshold: f32,
    /// The input's sizes `[height, width]`, at which boxes are cut.
    pub input: [f32; 2],
}

impl AnchorFree {
    /// Offers the best class of every place whose score reaches the threshold. Maps that do not fit each other give
    /// nothing.
    pub fn candidates<const N: usize>(&self, level: &Level<'_>, found: &mut Best<Detection, N>) {
        let (scores, boxes) = (&level.scores, &level.boxes);
        let fits = boxes.channels == self.bins.saturating_mul(4)
            && (boxes.height, boxes.width) == (scores.height, scores.width);
        if !fits || self.bins == 0 {
            return;
        }
        for (y, x) in (0..scores.height).flat_map(|y| (0..scores.width).map(move |x| (y, x))) {
            let Some(class) = scores.arg_max(y, x) else { continue };
            let score = sigmoid(scores.get(y, x, class).unwrap_or(f32::NEG_INFINITY));
            if score >= self.threshold
                && let Some(rect) = self.rect(level, y, x)
            {
                found.offer(score, Detection { class, score, rect });
            }
        }
    }

    fn rect(&self, level: &Level<'_>, y: usize, x: usize) -> Option<Rect> {
        let mut sides = [0f32; 4];
        for (side, value) in sides.iter_mut().enumerate() {
            *value = self.side(&level.boxes, y, x, side)? * level.stride;
        }
        let [left, top, right, bottom] = sides;
        let (cx, cy) = ((x as f32 + 0.5) * level.stride, (y as f32 + 0.5) * level.stride);
        let [height, width] = self.input;
        let rect = Rect { x0: cx - left, y0: cy - top, x1: cx + right, y1: cy + bottom }.clipped(width, height);
        (rect.area() > 0.0).then_some(rect)
    }

    /// The distance to one side, in strides.
    fn side(&self, boxes: &Map<'_>, y: usize, x: usize, side: usize) -> Option<f32> {
        let first = side.checked_mul(self.bins)?;
        if self.bins == 1 {
            return boxes.get(y, x, first).map(|v| greater(0.0, v));
        }
        let logit = |k: usize| boxes.get(y, x, first.saturating_add(k)).unwrap_or(f32::NEG_INFINITY);
        let most = (0..self.bins).fold(f32::NEG_INFINITY, |m, k| greater(m, logit(k)));
        let (mut sum, mut mean) = (0.0f32, 0.0f32);
        for k in 0..self.bins {
            let share = libm::expf(logit(k) - most);
            sum += share;
            mean += share * k as f32;
        }
        (sum > 0.0).then_some(mean / sum)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::values::Values;

    #[test]
    fn a_place_and_its_sides() {
        // One row of two places, two classes; the second place holds class 1.
        let scores = [-9.0f32, -9.0, -9.0, 2.0];
        let boxes = [0.0f32, 1.0, 0.0, 0.25, 0.0, 9.0, 0.0, -1.0];
        let level =
            Level { scores: Map::planes(&scores, [2, 1, 2]), boxes: Map::planes(&boxes, [4, 1, 2]), stride: 8.0 };
        let decoder = AnchorFree { bins: 1, threshold: 0.5, input: [8.0, 16.0] };
        let mut found = Best::<Detection, 4>::new();
        decoder.candidates(&level, &mut found);
        let (score, detection) = found.iter().next().unwrap();
        assert_eq!((found.len(), detection.class, score), (1, 1, sigmoid(2.0)));
        assert_eq!(detection.rect, Rect { x0: 4.0, y0: 2.0, x1: 16.0, y1: 4.0 });
        let other = AnchorFree { bins: 2, ..decoder };
        let mut none = Best::<Detection, 4>::new();
        other.candidates(&level, &mut none);
        assert!(none.is_empty(), "maps that do not fit");
    }

    #[test]
    fn distributions_and_bytes() {
        let scores = [10u8];
        let scores = Map {
            values: Values::I8 { bytes: &scores, scale: 0.5, zero_point: 0 },
            height: 1,
            width: 1,
            channels: 1,
            interleaved: true,
            start: 0,
        };
        // Left: all on 1. Top: half 0, half 2. Right: 0. Bottom: 2.
        let sides = [0u8, 100, 0, 50, 0, 50, 100, 0, 0, 0, 0, 100];
        let boxes = Map { values: Values::I8 { bytes: &sides, scale: 1.0, zero_point: 0 }, channels: 12, ..scores };
        let mut found = Best::<Detection, 1>::new();
        let decoder = AnchorFree { bins: 3, threshold: 0.1, input: [100.0, 100.0] };
        decoder.candidates(&Level { scores, boxes, stride: 16.0 }, &mut found);
        let (score, detection) = found.iter().next().unwrap();
        assert_eq!(score, sigmoid(5.0));
        let Rect { x0, y0, x1, y1 } = detection.rect;
        for (a, b) in [(x0, 0.0), (y0, 0.0), (x1, 8.0), (y1, 40.0)] {
            assert!((a - b).abs() < 1e-4, "{:?}", detection.rect);
        }
    }
}
