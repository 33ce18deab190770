//! The loss of a detector with anchors: softmax focal loss (Lin et al. 2017) of the classes, which needs no choice of
//! hard examples, and smooth L1 of the moves and scalings.

use ocellus_graph::{DataType, ValueId};
use ocellus_ops::OpError;

use crate::NetworkBuilder;
use crate::objective::Objective;

/// The loss over `[N, 4 + 1 + classes, anchors]`: moves and scalings, then background and classes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AnchorObjective {
    /// Number of classes, without the background.
    pub classes: usize,
    /// Anchors of all levels.
    pub anchors: usize,
}

impl Objective for AnchorObjective {
    fn describe(&self) -> String {
        format!("{self:?}")
    }

    fn target(&self, batch: usize) -> (DataType, Vec<usize>) {
        (DataType::F32, vec![batch, self.classes + 6, self.anchors])
    }

    fn losses(&self, b: &mut NetworkBuilder, output: ValueId, target: ValueId) -> Result<ValueId, OpError> {
        let classes = self.classes as i64 + 1;
        let answer = b.split(output, &[4, classes], 1)?;
        let wanted = b.split(target, &[classes, 4, 1], 1)?;
        let log = b.log_softmax(answer[1], 1)?;
        let own = b.mul(log, wanted[0])?;
        let own = b.reduce_sum(own, &[1], true)?;
        // `own` is ln p of the true class, 0 for anchors that do not count; (1 - p)² makes easy ones light.
        let share = b.exp(own)?;
        let one = b.scalar_like(share, 1.0)?;
        let far = b.sub(one, share)?;
        let weight = b.mul(far, far)?;
        let focal = b.mul(weight, own)?;
        let focal = b.reduce_sum(focal, &[1, 2], false)?;
        let focal = b.neg(focal)?;

        let difference = b.sub(answer[0], wanted[1])?;
        let size = b.abs(difference)?;
        let inner = b.min(size, one)?;
        let half = b.scalar_like(inner, 0.5)?;
        let half = b.mul(inner, half)?;
        let rest = b.sub(size, half)?;
        let smooth = b.mul(inner, rest)?;
        let smooth = b.mul(smooth, wanted[2])?;
        let smooth = b.reduce_sum(smooth, &[1, 2], false)?;

        let sum = b.add(focal, smooth)?;
        let batch = b.shape(output)?[0] as f64;
        let count = b.reduce_sum(wanted[2], &[0, 1, 2], false)?;
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

#[cfg(test)]
mod tests {
    use ocellus_graph::Tensor;
    use ocellus_ops::evaluate;

    use super::*;

    #[test]
    fn right_answers_cost_nothing_and_doubtful_anchors_do_not_count() {
        let objective = AnchorObjective { classes: 1, anchors: 2 };
        let mut net = NetworkBuilder::training("loss");
        let y = net.input("y", DataType::F32, &[1, 6, 2]);
        let t = net.input("t", DataType::F32, &[1, 7, 2]);
        let loss = objective.losses(&mut net, y, t).unwrap();
        net.output(loss, "loss");
        let model = net.finish();
        let of = |output: [f32; 12], target: [f32; 14]| {
            let given =
                [("y", Tensor::of(&[1, 6, 2], output.to_vec())), ("t", Tensor::of(&[1, 7, 2], target.to_vec()))];
            evaluate(&model, &given).unwrap()["loss"].to_f32()[0]
        };
        // The first anchor answers with a move of 3; the second does not count.
        let target = [0., 0., 1., 0., 3., 0., 0., 0., 0., 0., 0., 0., 1., 0.];
        let right = [3., 9., 0., 9., 0., 9., 0., 9., -20., 5., 20., 5.];
        assert!(of(right, target) < 1e-6);
        let mut wrong = right;
        // Two off, and background as likely as the class: smooth L1 of 2, and (1 - 1/2)² * ln 2.
        (wrong[0], wrong[8]) = (1.0, 20.0);
        let expected = 1.5 + 0.25 * std::f32::consts::LN_2;
        assert!((of(wrong, target) - expected).abs() < 1e-5, "{}", of(wrong, target));
    }
}
