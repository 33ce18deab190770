//! Boxes at every place that a detector moves and scales (Liu et al. 2016, SSD), and which of them answers for which
//! object.

use crate::data::Object;

use super::Targets;

/// An anchor that overlaps an object at least this much answers for it.
const RIGHT: f32 = 0.5;
/// An anchor that overlaps an object at least this much, and too little to answer, neither answers nor is background.
const DOUBTFUL: f32 = 0.4;

/// The anchors of all levels: level by level, anchor by anchor, row by row.
#[derive(Clone, Debug, PartialEq)]
pub struct AnchorGrid {
    /// Of every level the stride, rows and columns, and the widths and heights of its anchors.
    pub levels: Vec<(usize, usize, usize, Vec<[f32; 2]>)>,
    /// What a move of 1 is worth, in the anchor's width or height.
    pub center_variance: f32,
    /// What a scaling of 1 is worth, as a logarithm.
    pub size_variance: f32,
}

impl AnchorGrid {
    /// How many anchors there are.
    pub fn count(&self) -> usize {
        self.levels.iter().map(|(_, h, w, anchors)| h * w * anchors.len()).sum()
    }

    /// Centre, width and height of every anchor.
    fn boxes(&self) -> impl Iterator<Item = [f32; 4]> + '_ {
        self.levels.iter().flat_map(|(stride, height, width, anchors)| {
            let s = *stride as f32;
            anchors.iter().flat_map(move |&[w, h]| {
                let places = (0..*height).flat_map(move |y| (0..*width).map(move |x| (y, x)));
                places.map(move |(y, x)| [(x as f32 + 0.5) * s, (y as f32 + 0.5) * s, w, h])
            })
        })
    }

    /// For every anchor the object that it answers for, `None` for background, and whether it counts.
    ///
    /// An anchor answers for the object that it overlaps most, where that is enough; every object has at least the
    /// anchor that overlaps it most.
    fn assign(&self, objects: &[Object]) -> Vec<(Option<usize>, bool)> {
        let boxes: Vec<[f32; 4]> = self.boxes().collect();
        let mut found = vec![(None, true); boxes.len()];
        let mut best: Vec<Option<(usize, f32)>> = vec![None; objects.len()];
        for (place, anchor) in boxes.iter().enumerate() {
            let mut own: Option<(usize, f32)> = None;
            for (index, object) in objects.iter().enumerate() {
                let overlap = overlap(anchor, object);
                if object.crowd {
                    found[place].1 &= overlap < DOUBTFUL;
                    continue;
                }
                if own.is_none_or(|(_, most)| overlap > most) {
                    own = Some((index, overlap));
                }
                if best[index].is_none_or(|(_, most)| overlap > most) {
                    best[index] = Some((place, overlap));
                }
            }
            match own {
                Some((index, overlap)) if overlap >= RIGHT => found[place] = (Some(index), true),
                Some((_, overlap)) if overlap >= DOUBTFUL => found[place].1 = false,
                _ => {}
            }
        }
        for (index, place) in best.iter().enumerate().filter_map(|(i, b)| b.map(|(place, _)| (i, place))) {
            found[place] = (Some(index), true);
        }
        found
    }
}

impl Targets for AnchorGrid {
    fn shape(&self, classes: usize) -> [usize; 2] {
        [classes + 6, self.count()]
    }

    /// Background and classes (1 at the anchor's own; all 0 where it does not count), the four moves and scalings, and
    /// whether the anchor answers for an object.
    fn fill(&self, objects: &[Object], classes: usize, out: &mut [f32]) {
        let count = self.count();
        for (place, ([cx, cy, w, h], (object, counts))) in self.boxes().zip(self.assign(objects)).enumerate() {
            let Some(object) = object.map(|index| &objects[index]) else {
                out[place] = f32::from(u8::from(counts));
                continue;
            };
            let [x0, y0, x1, y1] = object.sides;
            let moves = [
                ((x0 + x1) / 2.0 - cx) / w / self.center_variance,
                ((y0 + y1) / 2.0 - cy) / h / self.center_variance,
                ((x1 - x0) / w).ln() / self.size_variance,
                ((y1 - y0) / h).ln() / self.size_variance,
            ];
            out[(object.class + 1) * count + place] = 1.0;
            for (row, value) in moves.into_iter().enumerate() {
                out[(classes + 1 + row) * count + place] = value;
            }
            out[(classes + 5) * count + place] = 1.0;
        }
    }
}

/// Intersection over union of an anchor with an object.
fn overlap([cx, cy, w, h]: &[f32; 4], object: &Object) -> f32 {
    let [x0, y0, x1, y1] = object.sides;
    let width = (x1.min(cx + w / 2.0) - x0.max(cx - w / 2.0)).max(0.0);
    let height = (y1.min(cy + h / 2.0) - y0.max(cy - h / 2.0)).max(0.0);
    let both = width * height;
    both / ((x1 - x0) * (y1 - y0) + w * h - both)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid() -> AnchorGrid {
        let levels = vec![(16, 2, 2, vec![[16.0, 16.0], [32.0, 16.0]])];
        AnchorGrid { levels, center_variance: 0.1, size_variance: 0.2 }
    }

    fn object(sides: [f32; 4]) -> Object {
        Object { class: 1, sides, mask: None, crowd: false }
    }

    #[test]
    fn the_best_anchor_answers_and_the_rest_is_background() {
        let mut out = vec![0.0; 8 * 8];
        grid().fill(&[object([2.0, 0.0, 18.0, 16.0])], 2, &mut out);
        let row = |r: usize| &out[r * 8..][..8];
        // The square anchor at the first place; moved by 2 of 16 pixels, which is 1.25 variances.
        assert_eq!((row(2)[0], row(7)[0]), (1.0, 1.0));
        assert!((row(3)[0] - 1.25).abs() < 1e-5 && row(5)[0].abs() < 1e-5, "{:?}", &out);
        // The wide anchor around it overlaps by half, which is enough; all others are background.
        assert_eq!((row(7)[4], row(0)[7]), (1.0, 1.0));
        assert_eq!((row(7).iter().sum::<f32>(), row(0).iter().sum::<f32>()), (2.0, 6.0));
    }

    #[test]
    fn every_object_has_an_anchor_and_crowds_have_none() {
        let tiny = grid().assign(&[object([0.0, 0.0, 2.0, 2.0])]);
        assert_eq!(tiny.iter().filter(|f| f.0.is_some()).count(), 1);
        let crowd = grid().assign(&[Object { crowd: true, ..object([0.0, 0.0, 16.0, 16.0]) }]);
        assert!(crowd.iter().all(|f| f.0.is_none()) && !crowd[0].1);
    }
}
