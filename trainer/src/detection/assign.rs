//! Which places answer for which objects: adaptive training sample selection (Zhang et al. 2020, ATSS). It looks at
//! geometry alone, so that it runs on the host before the step.

use super::Targets;
use crate::data::Object;

/// Places per level that are looked at for an object.
const NEAREST: usize = 9;
/// Side of the square that stands for a place, in strides.
const SQUARE: f32 = 4.0;

/// The places of all levels of a detector: level by level, row by row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grid {
    /// Pixels between two places, rows and columns of every level.
    pub levels: Vec<(usize, usize, usize)>,
}

impl Grid {
    /// The levels of an input of `height` x `width` pixels, which the strides divide.
    pub fn new(height: usize, width: usize, strides: &[usize]) -> Self {
        Self { levels: strides.iter().map(|&s| (s, height.div_ceil(s), width.div_ceil(s))).collect() }
    }

    /// How many places there are.
    pub fn cells(&self) -> usize {
        self.levels.iter().map(|(_, h, w)| h * w).sum()
    }

    /// Stride and centre (x, y) of every place.
    fn centres(&self) -> impl Iterator<Item = (f32, [f32; 2])> + '_ {
        self.levels.iter().flat_map(|&(stride, height, width)| {
            let s = stride as f32;
            let places = (0..height).flat_map(move |y| (0..width).map(move |x| (y, x)));
            places.map(move |(y, x)| (s, [(x as f32 + 0.5) * s, (y as f32 + 0.5) * s]))
        })
    }
}

/// For every place the number of the object that it answers for.
///
/// Of every level the nine nearest places around an object's centre are candidates. Those whose square overlaps the
/// object by more than mean and deviation of all candidates, and whose centre is inside it, answer for it; at least the
/// best one does. A place that several objects want answers for the one that it overlaps most. Crowds are left out.
pub fn assign(grid: &Grid, objects: &[Object]) -> Vec<Option<usize>> {
    let centres: Vec<(f32, [f32; 2])> = grid.centres().collect();
    let mut taken: Vec<Option<(usize, f32)>> = vec![None; centres.len()];
    for (index, object) in objects.iter().enumerate().filter(|(_, o)| !o.crowd) {
        let mut candidates: Vec<(usize, f32)> = Vec::new();
        let mut first = 0;
        for &(_, height, width) in &grid.levels {
            let mut near: Vec<usize> = (first..first + height * width).collect();
            near.sort_by(|&a, &b| distance(&centres[a].1, object).total_cmp(&distance(&centres[b].1, object)));
            near.truncate(NEAREST);
            candidates.extend(near.into_iter().map(|cell| (cell, overlap(&centres[cell], object))));
            first += height * width;
        }
        let count = candidates.len().max(1) as f32;
        let mean = candidates.iter().map(|c| c.1).sum::<f32>() / count;
        let variance = candidates.iter().map(|c| (c.1 - mean) * (c.1 - mean)).sum::<f32>() / count;
        let least = mean + variance.sqrt();
        let best = candidates.iter().copied().reduce(|a, b| if b.1 > a.1 { b } else { a });
        let good = candidates.iter().copied().filter(|&(cell, o)| o >= least && inside(&centres[cell].1, object));
        let mut chosen: Vec<(usize, f32)> = good.collect();
        if chosen.is_empty() {
            chosen.extend(best);
        }
        for (cell, overlap) in chosen {
            if taken[cell].is_none_or(|(_, before)| overlap > before) {
                taken[cell] = Some((index, overlap));
            }
        }
    }
    taken.into_iter().map(|t| t.map(|(index, _)| index)).collect()
}

impl Targets for Grid {
    fn shape(&self, classes: usize) -> [usize; 2] {
        [classes + 5, self.cells()]
    }

    /// Classes, distances in strides, whether the place answers.
    fn fill(&self, objects: &[Object], classes: usize, out: &mut [f32]) {
        let cells = self.cells();
        for (cell, ((stride, [cx, cy]), object)) in self.centres().zip(assign(self, objects)).enumerate() {
            let Some(object) = object.map(|index| &objects[index]) else { continue };
            let [x0, y0, x1, y1] = object.sides;
            out[object.class * cells + cell] = 1.0;
            for (side, distance) in [cx - x0, cy - y0, x1 - cx, y1 - cy].into_iter().enumerate() {
                out[(classes + side) * cells + cell] = (distance / stride).max(0.01);
            }
            out[(classes + 4) * cells + cell] = 1.0;
        }
    }
}

fn distance([x, y]: &[f32; 2], object: &Object) -> f32 {
    let [x0, y0, x1, y1] = object.sides;
    let (dx, dy) = (x - (x0 + x1) / 2.0, y - (y0 + y1) / 2.0);
    dx * dx + dy * dy
}

fn inside([x, y]: &[f32; 2], object: &Object) -> bool {
    let [x0, y0, x1, y1] = object.sides;
    *x > x0 && *x < x1 && *y > y0 && *y < y1
}

/// Intersection over union of a place's square with an object.
fn overlap((stride, [x, y]): &(f32, [f32; 2]), object: &Object) -> f32 {
    let half = SQUARE * stride / 2.0;
    let [x0, y0, x1, y1] = object.sides;
    let width = (x1.min(x + half) - x0.max(x - half)).max(0.0);
    let height = (y1.min(y + half) - y0.max(y - half)).max(0.0);
    let both = width * height;
    both / ((x1 - x0) * (y1 - y0) + 4.0 * half * half - both)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(sides: [f32; 4]) -> Object {
        Object { class: 1, sides, mask: None, crowd: false }
    }

    #[test]
    fn sizes_choose_levels() {
        let grid = Grid::new(128, 128, &[8, 16, 32]);
        assert_eq!(grid.cells(), 256 + 64 + 16);
        let levels = |sides| {
            let found = assign(&grid, &[object(sides)]);
            let count = |range: std::ops::Range<usize>| found[range].iter().flatten().count();
            [count(0..256), count(256..320), count(320..336)]
        };
        let small = levels([40.0, 40.0, 72.0, 72.0]);
        assert!(small[0] > 0 && small[2] == 0, "{small:?}");
        let large = levels([0.0, 0.0, 120.0, 120.0]);
        assert!(large[0] == 0 && large[2] > 0, "{large:?}");
        // Even an object between all places is answered for.
        assert_eq!(levels([1.0, 1.0, 2.0, 2.0]).iter().sum::<usize>(), 1);
    }

    #[test]
    fn shared_places_go_to_the_better_object_and_crowds_to_nobody() {
        let grid = Grid::new(64, 64, &[16]);
        let (a, b) = (object([0.0, 0.0, 60.0, 60.0]), object([8.0, 8.0, 56.0, 56.0]));
        let found = assign(&grid, &[a.clone(), b]);
        assert!(found.contains(&Some(0)) || found.contains(&Some(1)));
        assert!(assign(&grid, &[Object { crowd: true, ..a }]).iter().all(Option::is_none));
    }

    #[test]
    fn targets_are_distances_in_strides() {
        let grid = Grid::new(16, 16, &[16]);
        let mut out = vec![0.0; 7];
        grid.fill(&[object([0.0, 4.0, 16.0, 12.0])], 2, &mut out);
        assert_eq!(out, [0.0, 1.0, 0.5, 0.25, 0.5, 0.25, 1.0]);
    }
}
