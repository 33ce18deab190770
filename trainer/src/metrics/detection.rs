//! Mean average precision of boxes, as the COCO evaluation computes it.

use crate::data::{Object, Sides};

/// The overlaps at which an answer counts: 0.50, 0.55, … 0.95.
const OVERLAPS: usize = 10;
/// Answers per picture and class that count, the best ones.
const ANSWERS: usize = 100;
/// Recalls at which the precision is read: 0.00, 0.01, … 1.00.
const RECALLS: usize = 101;

/// An answer: an object that is claimed to be there.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BoxAnswer {
    /// Index of its class.
    pub class: usize,
    /// How sure it is.
    pub score: f64,
    /// Its box.
    pub sides: Sides,
}

/// Answers so far, matched with the truth.
#[derive(Clone, Debug)]
pub struct DetectionMetrics {
    classes: Vec<ClassAnswers>,
}

/// The matched answers of a class.
#[derive(Clone, Debug, Default)]
struct ClassAnswers {
    /// Objects that are to be found.
    objects: usize,
    /// Score, and at every overlap whether the answer is right, wrong, or does not count.
    answers: Vec<(f64, [Match; OVERLAPS])>,
}

/// What became of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Match {
    Right,
    Wrong,
    Ignored,
}

/// The figures.
#[derive(Clone, Debug, PartialEq)]
pub struct DetectionScores {
    /// Mean over the classes and the overlaps 0.50 to 0.95; 0 where there is no object.
    pub map: f64,
    /// Mean over the classes at the overlap 0.50.
    pub map50: f64,
    /// Mean over the classes at the overlap 0.75.
    pub map75: f64,
    /// Of every class the mean over the overlaps; `None` where it has no object.
    pub classes: Vec<Option<f64>>,
}

impl DetectionMetrics {
    /// No answers yet.
    pub fn new(classes: usize) -> Self {
        Self { classes: vec![ClassAnswers::default(); classes] }
    }

    /// Adds a picture. Objects and answers of classes that are not known are left out.
    pub fn add(&mut self, truth: &[Object], answers: &[BoxAnswer]) {
        for (class, all) in self.classes.iter_mut().enumerate() {
            let mut objects: Vec<&Object> = truth.iter().filter(|o| o.class == class).collect();
            objects.sort_by_key(|o| o.crowd);
            let mut own: Vec<&BoxAnswer> = answers.iter().filter(|a| a.class == class).collect();
            own.sort_by(|a, b| b.score.total_cmp(&a.score));
            own.truncate(ANSWERS);
            all.objects += objects.iter().filter(|o| !o.crowd).count();
            let overlaps: Vec<Vec<f64>> =
                own.iter().map(|a| objects.iter().map(|o| overlap(a.sides, o)).collect()).collect();
            let mut matches = vec![[Match::Wrong; OVERLAPS]; own.len()];
            for level in 0..OVERLAPS {
                let found = matched(&objects, &overlaps, overlap_of(level));
                matches.iter_mut().zip(found).for_each(|(m, found)| m[level] = found);
            }
            all.answers.extend(own.iter().map(|a| a.score).zip(matches));
        }
    }

    /// The figures so far.
    pub fn scores(&self) -> DetectionScores {
        let curves: Vec<Option<[f64; OVERLAPS]>> = self.classes.iter().map(ClassAnswers::precisions).collect();
        let known = || curves.iter().flatten();
        let count = known().count().max(1) as f64;
        let at = |level: usize| known().map(|c| c[level]).sum::<f64>() / count;
        let mean = |c: &[f64; OVERLAPS]| c.iter().sum::<f64>() / OVERLAPS as f64;
        DetectionScores {
            map: known().map(mean).sum::<f64>() / count,
            map50: at(0),
            map75: at(5),
            classes: curves.iter().map(|c| c.as_ref().map(mean)).collect(),
        }
    }
}

fn overlap_of(level: usize) -> f64 {
    0.5 + 0.05 * level as f64
}

/// Matches answers, the surest first, with the object that each overlaps most and that no answer before has taken.
fn matched(objects: &[&Object], overlaps: &[Vec<f64>], least: f64) -> Vec<Match> {
    let mut taken = vec![false; objects.len()];
    let each = |row: &Vec<f64>| {
        let (mut best, mut chosen) = (least.min(1.0 - 1e-10), None::<usize>);
        for (index, object) in objects.iter().enumerate() {
            if taken[index] && !object.crowd {
                continue;
            }
            // Crowds come last: what has found an object does not look at them.
            if object.crowd && chosen.is_some_and(|c| !objects[c].crowd) {
                break;
            }
            if row[index] >= best {
                (best, chosen) = (row[index], Some(index));
            }
        }
        let Some(index) = chosen else { return Match::Wrong };
        taken[index] = true;
        if objects[index].crowd { Match::Ignored } else { Match::Right }
    };
    overlaps.iter().map(each).collect()
}

/// Intersection over union; of a crowd, over the answer's own area.
fn overlap(answer: Sides, object: &Object) -> f64 {
    let (a, b) = (answer.map(f64::from), object.sides.map(f64::from));
    let area = |s: [f64; 4]| (s[2] - s[0]).max(0.0) * (s[3] - s[1]).max(0.0);
    let both = area([a[0].max(b[0]), a[1].max(b[1]), a[2].min(b[2]), a[3].min(b[3])]);
    let whole = if object.crowd { area(a) } else { area(a) + area(b) - both };
    if whole > 0.0 { both / whole } else { 0.0 }
}

impl ClassAnswers {
    /// The average precision at every overlap; `None` where there is no object.
    fn precisions(&self) -> Option<[f64; OVERLAPS]> {
        if self.objects == 0 {
            return None;
        }
        let mut order: Vec<&(f64, [Match; OVERLAPS])> = self.answers.iter().collect();
        order.sort_by(|a, b| b.0.total_cmp(&a.0));
        Some(std::array::from_fn(|level| self.precision(order.iter().map(|a| a.1[level]))))
    }

    fn precision(&self, matches: impl Iterator<Item = Match>) -> f64 {
        let (mut right, mut wrong) = (0u64, 0u64);
        let mut curve: Vec<(f64, f64)> = Vec::new();
        for found in matches {
            match found {
                Match::Right => right += 1,
                Match::Wrong => wrong += 1,
                Match::Ignored => {}
            }
            let answers = (right + wrong) as f64 + f64::EPSILON;
            curve.push((right as f64 / self.objects as f64, right as f64 / answers));
        }
        // From the right: the best precision at this recall or a greater one.
        let mut best = 0f64;
        for point in curve.iter_mut().rev() {
            best = best.max(point.1);
            point.1 = best;
        }
        let at = |recall: f64| {
            let place = curve.partition_point(|p| p.0 < recall);
            curve.get(place).map_or(0.0, |p| p.1)
        };
        (0..RECALLS).map(|r| at(r as f64 / (RECALLS - 1) as f64)).sum::<f64>() / RECALLS as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    fn object(class: usize, sides: Sides) -> Object {
        Object { class, sides, mask: None, crowd: false }
    }

    #[test]
    fn right_wrong_and_missing() {
        let mut metrics = DetectionMetrics::new(3);
        let answer = |class, score, sides| BoxAnswer { class, score, sides };
        let (a, b) = ([0.0, 0.0, 10.0, 10.0], [20.0, 0.0, 30.0, 10.0]);
        metrics.add(&[object(0, a), object(0, b)], &[answer(0, 0.9, a), answer(0, 0.8, a), answer(1, 0.9, a)]);
        let scores = metrics.scores();
        // One of two objects: the precision is 1 up to a recall of 0.5, which 51 of 101 recalls are.
        assert!((scores.map - 51.0 / 101.0).abs() < 1e-9, "{scores:?}");
        assert_eq!(scores.classes[1..], [None, None]);
        assert_eq!(DetectionMetrics::new(1).scores().map, 0.0);
    }

    /// Pictures with objects, crowds and answers, from a generator that the reference's script repeats.
    fn generated() -> DetectionMetrics {
        let mut random = Random::new(7, "map", 0);
        let mut metrics = DetectionMetrics::new(4);
        for _ in 0..40 {
            let mut sides = || {
                let mut number = |least: usize, most: usize| (least + random.below(most - least)) as f32;
                let (x, y) = (number(0, 80), number(0, 80));
                [x, y, x + number(5, 40), y + number(5, 40)]
            };
            let truth: Vec<Sides> = (0..5).map(|_| sides()).collect();
            let others: Vec<Sides> = (0..3).map(|_| sides()).collect();
            let truth: Vec<Object> = (truth.into_iter())
                .map(|sides| Object { crowd: random.below(10) == 0, ..object(random.below(3), sides) })
                .collect();
            let mut answers = Vec::new();
            for o in &truth {
                for _ in 0..random.below(3) {
                    let sides = o.sides.map(|v| v + random.below(7) as f32 - 3.0);
                    let class = if random.below(8) == 0 { random.below(4) } else { o.class };
                    answers.push(BoxAnswer { class, score: random.below(50) as f64 / 50.0, sides });
                }
            }
            for sides in others {
                answers.push(BoxAnswer { class: random.below(4), score: random.below(50) as f64 / 50.0, sides });
            }
            metrics.add(&truth, &answers);
        }
        metrics
    }

    /// mAP, mAP at 0.50 and at 0.75 of pycocotools 2.0 (`COCOeval(…, "bbox")`, all areas, 100 answers) on the pictures of
    /// [`generated`], whose generator (Philox) a script of 60 lines repeats: 200 objects, 19 of them crowds, 323 answers.
    const REFERENCE: [f64; 3] = [0.116_273_202_734_777_8, 0.315_420_147_038_888_7, 0.058_933_493_434_749_68];

    #[test]
    fn every_figure_is_that_of_pycocotools() {
        let scores = generated().scores();
        for (found, expected) in [scores.map, scores.map50, scores.map75].into_iter().zip(REFERENCE) {
            assert!((found - expected).abs() < 1e-9, "{scores:?}");
        }
    }
}
