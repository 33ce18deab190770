//! Learning a class for every pixel: the loss, and scenes as batches.

use std::sync::Arc;

use ocellus_graph::{DataType, Tensor, ValueId};
use ocellus_ops::OpError;
use ocellus_vision::metadata::Preprocess;

use crate::NetworkBuilder;
use crate::data::{Batch, BatchSource, Scene, SceneChange, Scenes, augmented_scene, normalize};
use crate::error::DataError;
use crate::objective::Objective;

/// Softmax cross-entropy of every place, from scores `[N, classes, height, width]` against rows of ones and zeros of the
/// same sizes; a place whose row is all zeros does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentationObjective {
    /// Number of classes.
    pub classes: usize,
    /// Rows of the answer.
    pub height: usize,
    /// Columns of the answer.
    pub width: usize,
}

impl Objective for SegmentationObjective {
    fn describe(&self) -> String {
        format!("{self:?}")
    }

    fn target(&self, batch: usize) -> (DataType, Vec<usize>) {
        (DataType::F32, vec![batch, self.classes, self.height, self.width])
    }

    fn losses(&self, b: &mut NetworkBuilder, output: ValueId, target: ValueId) -> Result<ValueId, OpError> {
        let log = b.log_softmax(output, 1)?;
        let product = b.mul(log, target)?;
        let sum = b.reduce_sum(product, &[1, 2, 3], false)?;
        let count = b.reduce_sum(target, &[1, 2, 3], false)?;
        let one = b.scalar_like(count, 1.0)?;
        let count = b.max(count, one)?;
        let mean = b.div(sum, count)?;
        b.neg(mean)
    }

    fn correct(&self, _: &mut NetworkBuilder, _: ValueId, _: ValueId) -> Result<Option<ValueId>, OpError> {
        Ok(None)
    }
}

/// Scenes with masks as batches.
pub struct SegmentationBatches {
    /// The scenes; those without a mask count nothing.
    pub scenes: Arc<dyn Scenes>,
    /// How pictures are brought to the input.
    pub preprocess: Preprocess,
    /// What the answers look like.
    pub objective: SegmentationObjective,
    /// Changes to training scenes.
    pub changes: Vec<SceneChange>,
    /// Seed of the changes.
    pub seed: u64,
}

impl SegmentationBatches {
    fn fill(&self, index: usize, epoch: Option<u64>, image: &mut [f32], out: &mut [f32]) -> Result<(), DataError> {
        let scenes = self.scenes.as_ref();
        let scene = match epoch {
            Some(epoch) => augmented_scene(scenes, index, &self.changes, self.seed, epoch)?,
            None => scenes.get(index)?,
        };
        let target = self.preprocess.target().map_err(|e| DataError::Sample(e.to_string()))?;
        let (picture, placement) = scene.picture.prepared(&target)?;
        normalize(&picture, &self.preprocess.normalization.tables(), image);
        let SegmentationObjective { classes, height, width } = self.objective;
        let Some(labels) = &scene.labels else { return Ok(()) };
        for (y, x) in (0..height).flat_map(|y| (0..width).map(move |x| (y, x))) {
            // The label of the pixel at the centre of the place.
            let ix = (x as f32 + 0.5) * picture.width as f32 / width as f32;
            let iy = (y as f32 + 0.5) * picture.height as f32 / height as f32;
            let (px, py) = placement.to_picture(ix, iy);
            let inside = px >= 0.0 && py >= 0.0;
            let (px, py) = (px as usize, py as usize);
            if !inside || px >= scene.picture.width || py >= scene.picture.height {
                continue;
            }
            let label = labels[py * scene.picture.width + px];
            if label != Scene::UNKNOWN && usize::from(label) < classes {
                out[(usize::from(label) * height + y) * width + x] = 1.0;
            }
        }
        Ok(())
    }
}

impl BatchSource for SegmentationBatches {
    fn len(&self) -> usize {
        self.scenes.len()
    }

    fn batch(&self, chosen: &[usize], size: usize, epoch: Option<u64>) -> Result<Batch, DataError> {
        let Preprocess { height, width, channels, .. } = self.preprocess;
        let (_, shape) = self.objective.target(size);
        let each = shape[1..].iter().product::<usize>();
        let mut images = vec![0f32; size * channels * height * width];
        let mut targets = vec![0f32; size * each];
        let outs = images.chunks_exact_mut(channels * height * width).zip(targets.chunks_exact_mut(each));
        for (&index, (image, out)) in chosen.iter().zip(outs) {
            self.fill(index, epoch, image, out)?;
        }
        Ok(Batch {
            images: Tensor::of(&[size, channels, height, width], images),
            labels: Tensor::of(&shape, targets),
            more: Vec::new(),
            valid: chosen.len(),
        })
    }
}

#[cfg(test)]
mod tests {
    use ocellus_ops::evaluate;

    use super::*;
    use crate::data::{Normalization, Picture};

    const OBJECTIVE: SegmentationObjective = SegmentationObjective { classes: 2, height: 1, width: 2 };

    #[test]
    fn unknown_places_do_not_count() {
        let mut net = NetworkBuilder::training("loss");
        let y = net.input("y", DataType::F32, &[1, 2, 1, 2]);
        let t = net.input("t", DataType::F32, &[1, 2, 1, 2]);
        let loss = OBJECTIVE.losses(&mut net, y, t).unwrap();
        net.output(loss, "loss");
        let model = net.finish();
        let of = |target: Vec<f32>| {
            let output = Tensor::of(&[1, 2, 1, 2], vec![0f32, 9.0, 0.0, 9.0]);
            let given = [("y", output), ("t", Tensor::of(&[1, 2, 1, 2], target))];
            evaluate(&model, &given).unwrap()["loss"].to_f32()[0]
        };
        assert!((of(vec![1.0, 0.0, 0.0, 0.0]) - 2f32.ln()).abs() < 1e-6);
        assert_eq!(of(vec![0.0; 4]), 0.0);
    }

    #[test]
    fn masks_follow_the_picture() {
        struct One(Scene, Vec<String>);
        impl Scenes for One {
            fn len(&self) -> usize {
                1
            }
            fn get(&self, _: usize) -> Result<Scene, DataError> {
                Ok(self.0.clone())
            }
            fn classes(&self) -> &[String] {
                &self.1
            }
        }
        let labels = Some(vec![0, 0, 1, 255, 0, 0, 1, 255]);
        let scene = Scene { labels, ..Scene::of(Picture::black(2, 4, 3)) };
        let batches = SegmentationBatches {
            scenes: Arc::new(One(scene, Vec::new())),
            preprocess: Preprocess::new([4, 8, 3], Normalization::uniform(3, 0.0, 1.0)),
            objective: SegmentationObjective { classes: 2, height: 2, width: 4 },
            changes: vec![SceneChange::HorizontalFlip],
            seed: 0,
        };
        let plain = batches.batch(&[0], 1, None).unwrap().labels.to_f32();
        assert_eq!(plain[..4], [1.0, 1.0, 0.0, 0.0]);
        assert_eq!(plain[8..12], [0.0, 0.0, 1.0, 0.0]);
        let turned: Vec<Vec<f32>> = (0..20).map(|e| batches.batch(&[0], 1, Some(e)).unwrap().labels.to_f32()).collect();
        assert!(turned.contains(&plain) && turned.iter().any(|t| t[..4] == [0.0, 0.0, 1.0, 1.0]));
    }
}
