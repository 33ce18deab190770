//! The loss of a detector without anchors: generalized focal loss (Li et al. 2020) of the classes, generalized IoU
//! (Rezatofighi et al. 2019) of the boxes, and the distribution focal loss of the distances.

use ocellus_graph::{DataType, Tensor, ValueId};
use ocellus_ops::{Builder, OpError};

use crate::NetworkBuilder;
use crate::objective::Objective;

/// Weight of the box loss beside the class loss.
const BOX_WEIGHT: f64 = 2.0;
/// Weight of the loss of the distributions.
const DISTRIBUTION_WEIGHT: f64 = 0.25;
/// Keeps divisors from 0.
const EPSILON: f64 = 1e-6;

/// The loss over `[N, 4 * bins + classes, cells]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DetectionObjective {
    /// Number of classes.
    pub classes: usize,
    /// Channels per side; distances run from 0 to `bins - 1` strides.
    pub bins: usize,
    /// Places of all levels.
    pub cells: usize,
}

/// Left, top, right and bottom, each `[N, 1, cells]`.
type Distances = Vec<ValueId>;

impl DetectionObjective {
    /// Boxes and classes of the answer, and classes, distances and mask of the target.
    fn parts(&self, b: &mut Builder, output: ValueId, target: ValueId) -> Result<[ValueId; 5], OpError> {
        let (bins, classes) = (self.bins as i64, self.classes as i64);
        let answer = b.split(output, &[4 * bins, classes], 1)?;
        let wanted = b.split(target, &[classes, 4, 1], 1)?;
        Ok([answer[0], answer[1], wanted[0], wanted[1], wanted[2]])
    }

    /// Logits of the distances as `[N, 4, bins, cells]`.
    fn by_side(&self, b: &mut Builder, boxes: ValueId) -> Result<ValueId, OpError> {
        b.reshape(boxes, &[0, 4, self.bins as i64, self.cells as i64])
    }

    /// The numbers 0, 1, 2, … of the bins, to be multiplied with `[N, 4, bins, cells]`.
    fn steps(&self, b: &mut Builder, like: ValueId) -> Result<ValueId, OpError> {
        let dtype = b.dtype(like)?;
        let steps: Vec<f64> = (0..self.bins).map(|k| k as f64).collect();
        Ok(b.constant("distances", Tensor::from_f64(dtype, &[1, 1, self.bins, 1], &steps)))
    }

    /// The mean distance of every side, `[N, 4, cells]`.
    fn distances(&self, b: &mut Builder, logits: ValueId) -> Result<ValueId, OpError> {
        let shares = b.softmax(logits, 2)?;
        let steps = self.steps(b, logits)?;
        let weighted = b.mul(shares, steps)?;
        b.reduce_sum(weighted, &[2], false)
    }

    /// Cross-entropy of the distributions against the two bins around the true distance, `[N, 4, cells]`.
    fn distribution(&self, b: &mut Builder, logits: ValueId, wanted: ValueId) -> Result<ValueId, OpError> {
        let steps = self.steps(b, logits)?;
        let inside = b.clip(wanted, Some(0.0), Some(self.bins as f32 - 1.01))?;
        let inside = b.reshape(inside, &[0, 4, 1, self.cells as i64])?;
        // A hat of width 1 around the true distance gives the two bins their shares.
        let difference = b.sub(inside, steps)?;
        let size = b.abs(difference)?;
        let one = b.scalar_like(size, 1.0)?;
        let hat = b.sub(one, size)?;
        let hat = b.relu(hat)?;
        let log = b.log_softmax(logits, 2)?;
        let product = b.mul(hat, log)?;
        let sum = b.reduce_sum(product, &[2], false)?;
        b.neg(sum)
    }
}

/// Intersection over union and its generalisation for boxes around the same centres, each `[N, 1, cells]`.
fn overlaps(b: &mut Builder, found: ValueId, wanted: ValueId) -> Result<[ValueId; 2], OpError> {
    let f: Distances = b.split(found, &[1, 1, 1, 1], 1)?;
    let w: Distances = b.split(wanted, &[1, 1, 1, 1], 1)?;
    let area = |b: &mut Builder, d: &Distances| {
        let width = b.add(d[0], d[2])?;
        let height = b.add(d[1], d[3])?;
        b.mul(width, height)
    };
    let (mut inner, mut outer) = (Distances::new(), Distances::new());
    for (&f, &w) in f.iter().zip(&w) {
        inner.push(b.min(f, w)?);
        outer.push(b.max(f, w)?);
    }
    let both = area(b, &inner)?;
    let around = area(b, &outer)?;
    let (own, true_area) = (area(b, &f)?, area(b, &w)?);
    let sum = b.add(own, true_area)?;
    let union = b.sub(sum, both)?;
    let epsilon = b.scalar_like(union, EPSILON)?;
    let union = b.add(union, epsilon)?;
    let iou = b.div(both, union)?;
    let around = b.add(around, epsilon)?;
    let free = b.sub(around, union)?;
    let part = b.div(free, around)?;
    let generalized = b.sub(iou, part)?;
    Ok([iou, generalized])
}

/// Quality focal loss: binary cross-entropy against the quality, times the square of how far the answer is from it.
fn quality_focal(b: &mut Builder, logits: ValueId, quality: ValueId) -> Result<ValueId, OpError> {
    let positive = b.relu(logits)?;
    let product = b.mul(logits, quality)?;
    let linear = b.sub(positive, product)?;
    let size = b.abs(logits)?;
    let negative = b.neg(size)?;
    let exp = b.exp(negative)?;
    let one = b.scalar_like(logits, 1.0)?;
    let sum = b.add(exp, one)?;
    let log = b.log(sum)?;
    let entropy = b.add(linear, log)?;
    let answer = b.sigmoid(logits)?;
    let far = b.sub(quality, answer)?;
    let square = b.mul(far, far)?;
    b.mul(entropy, square)
}

impl Objective for DetectionObjective {
    fn describe(&self) -> String {
        format!("{self:?}")
    }

    fn target(&self, batch: usize) -> (DataType, Vec<usize>) {
        (DataType::F32, vec![batch, self.classes + 5, self.cells])
    }

    fn losses(&self, b: &mut NetworkBuilder, output: ValueId, target: ValueId) -> Result<ValueId, OpError> {
        let [boxes, scores, classes, wanted, mask] = self.parts(b, output, target)?;
        let logits = self.by_side(b, boxes)?;
        let found = self.distances(b, logits)?;
        let [iou, generalized] = overlaps(b, found, wanted)?;
        // How good a box is, is what its class score learns; the box does not learn from it.
        let quality = b.mul(classes, iou)?;
        b.stop_gradient(quality);
        let focal = quality_focal(b, scores, quality)?;
        let focal = b.reduce_sum(focal, &[1, 2], false)?;

        let one = b.scalar_like(generalized, 1.0)?;
        let miss = b.sub(one, generalized)?;
        let miss = weighted_sum(b, miss, mask, BOX_WEIGHT)?;
        let distribution = self.distribution(b, logits, wanted)?;
        let distribution = weighted_sum(b, distribution, mask, DISTRIBUTION_WEIGHT)?;

        let sum = b.add(focal, miss)?;
        let sum = b.add(sum, distribution)?;
        // The mean over the places that answer for an object, in the whole batch.
        let batch = b.shape(output)?[0] as f64;
        let count = b.reduce_sum(mask, &[0, 1, 2], false)?;
        let least = b.scalar_like(count, 1.0)?;
        let count = b.max(count, least)?;
        let factor = b.scalar_like(count, batch)?;
        let factor = b.div(factor, count)?;
        b.mul(sum, factor)
    }

    fn correct(&self, _: &mut NetworkBuilder, _: ValueId, _: ValueId) -> Result<Option<ValueId>, OpError> {
        Ok(None)
    }
}

/// `weight * Σ values * mask` of every sample.
fn weighted_sum(b: &mut Builder, values: ValueId, mask: ValueId, weight: f64) -> Result<ValueId, OpError> {
    let masked = b.mul(values, mask)?;
    let sum = b.reduce_sum(masked, &[1, 2], false)?;
    let weight = b.scalar_like(sum, weight)?;
    b.mul(sum, weight)
}

#[cfg(test)]
mod tests {
    use ocellus_ops::evaluate;

    use super::*;

    const OBJECTIVE: DetectionObjective = DetectionObjective { classes: 2, bins: 4, cells: 3 };

    fn losses(output: Vec<f32>, target: Vec<f32>) -> Vec<f32> {
        let mut net = NetworkBuilder::training("loss");
        let y = net.input("y", DataType::F32, &[1, 18, 3]);
        let t = net.input("t", DataType::F32, &[1, 7, 3]);
        let loss = OBJECTIVE.losses(&mut net, y, t).unwrap();
        net.output(loss, "loss");
        let given = [("y", Tensor::of(&[1, 18, 3], output)), ("t", Tensor::of(&[1, 7, 3], target))];
        evaluate(&net.finish(), &given).unwrap()["loss"].to_f32()
    }

    /// The first place answers for an object of class 1 whose sides are 1, 2, 1 and 2 strides away.
    fn target() -> Vec<f32> {
        let mut target = vec![0.0; 21];
        for (row, value) in [(1, 1.0), (2, 1.0), (3, 2.0), (4, 1.0), (5, 2.0), (6, 1.0)] {
            target[row * 3] = value;
        }
        target
    }

    #[test]
    fn a_right_answer_costs_nothing_and_wrong_ones_do() {
        let mut right = vec![-20.0; 54];
        for (side, bin) in [1, 2, 1, 2].into_iter().enumerate() {
            right[(side * 4 + bin) * 3] = 20.0;
        }
        right[17 * 3] = 20.0;
        let best = losses(right.clone(), target())[0];
        assert!(best.abs() < 1e-3, "{best}");
        let mut wrong_class = right.clone();
        wrong_class[16 * 3] = 5.0;
        assert!(losses(wrong_class, target())[0] > 4.0);
        let mut wrong_box = right.clone();
        wrong_box.swap(3, 9);
        assert!(losses(wrong_box, target())[0] > 1.0);
        // Without an object only the scores count.
        assert!(losses(right, vec![0.0; 21])[0] > 10.0);
        assert!(losses(vec![-20.0; 54], vec![0.0; 21])[0] < 1e-3);
    }
}
