//! How well a class is named for every pixel.

/// Counts of (true class, answered class) over pixels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentationMetrics {
    classes: usize,
    counts: Vec<u64>,
}

impl SegmentationMetrics {
    /// No pixels yet.
    pub fn new(classes: usize) -> Self {
        Self { classes, counts: vec![0; classes * classes] }
    }

    /// Adds a mask and its answer. Pixels whose true class is not known do not count; an answer that is no class counts
    /// as the first class.
    pub fn add(&mut self, truth: &[u8], answer: &[u8]) {
        for (&t, &a) in truth.iter().zip(answer) {
            let (t, a) = (usize::from(t), usize::from(a));
            if t < self.classes {
                self.counts[t * self.classes + if a < self.classes { a } else { 0 }] += 1;
            }
        }
    }

    /// Part of the pixels that is right; 0 where there is none.
    pub fn accuracy(&self) -> f64 {
        let right: u64 = (0..self.classes).map(|c| self.counts[c * self.classes + c]).sum();
        right as f64 / self.counts.iter().sum::<u64>().max(1) as f64
    }

    /// Intersection over union of a class; `None` where it is neither there nor answered.
    pub fn iou(&self, class: usize) -> Option<f64> {
        let both = self.counts[class * self.classes + class];
        let truth: u64 = self.counts[class * self.classes..][..self.classes].iter().sum();
        let answer: u64 = self.counts.iter().skip(class).step_by(self.classes).sum();
        let union = truth + answer - both;
        (union > 0).then(|| both as f64 / union as f64)
    }

    /// The mean over the classes that are there or answered.
    pub fn mean_iou(&self) -> f64 {
        let found: Vec<f64> = (0..self.classes).filter_map(|c| self.iou(c)).collect();
        found.iter().sum::<f64>() / found.len().max(1) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unions_and_unknown_pixels() {
        let mut metrics = SegmentationMetrics::new(3);
        metrics.add(&[0, 0, 1, 1, 255], &[0, 1, 1, 9, 2]);
        assert_eq!((metrics.iou(0), metrics.iou(1), metrics.iou(2)), (Some(1.0 / 3.0), Some(1.0 / 3.0), None));
        assert_eq!((metrics.accuracy(), metrics.mean_iou()), (0.5, 1.0 / 3.0));
        assert_eq!(SegmentationMetrics::new(2).mean_iou(), 0.0);
    }
}
