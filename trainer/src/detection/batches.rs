//! Scenes as batches for a detector.

use std::sync::Arc;

use ocellus_graph::Tensor;
use ocellus_vision::metadata::Preprocess;

use super::Targets;
use crate::data::{Batch, BatchSource, Object, Scene, SceneChange, Scenes, augmented_scene, normalize};
use crate::error::DataError;

/// Objects smaller than this, in pixels of the input, are left out of the target.
const LEAST: f32 = 2.0;

/// Scenes with the targets of a detector.
pub struct DetectionBatches {
    /// The scenes.
    pub scenes: Arc<dyn Scenes>,
    /// How pictures are brought to the input.
    pub preprocess: Preprocess,
    /// What the detector is to answer.
    pub targets: Box<dyn Targets>,
    /// Changes to training scenes.
    pub changes: Vec<SceneChange>,
    /// Seed of the changes.
    pub seed: u64,
}

impl DetectionBatches {
    /// The prepared picture with its objects moved along.
    fn sample(&self, index: usize, epoch: Option<u64>) -> Result<Scene, DataError> {
        let scenes = self.scenes.as_ref();
        let scene = match epoch {
            Some(epoch) => augmented_scene(scenes, index, &self.changes, self.seed, epoch)?,
            None => scenes.get(index)?,
        };
        let target = self.preprocess.target().map_err(|e| DataError::Sample(e.to_string()))?;
        let (picture, placement) = scene.picture.prepared(&target)?;
        let (width, height) = (picture.width as f32, picture.height as f32);
        let moved = |o: Object| {
            let ((x0, y0), (x1, y1)) =
                (placement.to_input(o.sides[0], o.sides[1]), placement.to_input(o.sides[2], o.sides[3]));
            let sides = [x0.clamp(0.0, width), y0.clamp(0.0, height), x1.clamp(0.0, width), y1.clamp(0.0, height)];
            Object { sides, mask: None, ..o }
        };
        let visible = |o: &Object| o.sides[2] - o.sides[0] >= LEAST && o.sides[3] - o.sides[1] >= LEAST;
        let objects = scene.objects.into_iter().map(moved).filter(visible).collect();
        Ok(Scene { objects, ..Scene::of(picture) })
    }
}

impl BatchSource for DetectionBatches {
    fn len(&self) -> usize {
        self.scenes.len()
    }

    fn batch(&self, chosen: &[usize], size: usize, epoch: Option<u64>) -> Result<Batch, DataError> {
        let Preprocess { height, width, channels, .. } = self.preprocess;
        let tables = self.preprocess.normalization.tables();
        let classes = self.scenes.classes().len();
        let [rows, cells] = self.targets.shape(classes);
        let mut images = vec![0f32; size * channels * height * width];
        let mut targets = vec![0f32; size * rows * cells];
        let outs = images.chunks_exact_mut(channels * height * width).zip(targets.chunks_exact_mut(rows * cells));
        for (&index, (image, out)) in chosen.iter().zip(outs) {
            let scene = self.sample(index, epoch)?;
            normalize(&scene.picture, &tables, image);
            self.targets.fill(&scene.objects, classes, out);
        }
        Ok(Batch {
            images: Tensor::of(&[size, channels, height, width], images),
            labels: Tensor::of(&[size, rows, cells], targets),
            more: Vec::new(),
            valid: chosen.len(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Normalization, Picture};
    use crate::detection::Grid;

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

    #[test]
    fn boxes_follow_the_picture() {
        let object = Object { class: 0, sides: [0.0, 0.0, 16.0, 32.0], mask: None, crowd: false };
        let tiny = Object { sides: [30.0, 0.0, 31.0, 32.0], ..object.clone() };
        let scene = Scene { objects: vec![object, tiny], ..Scene::of(Picture::black(32, 64, 3)) };
        let batches = DetectionBatches {
            scenes: Arc::new(One(scene, vec!["a".to_owned()])),
            preprocess: Preprocess::new([16, 16, 3], Normalization::uniform(3, 0.0, 1.0)),
            targets: Box::new(Grid::new(16, 16, &[8])),
            changes: vec![SceneChange::HorizontalFlip],
            seed: 1,
        };
        let plain = batches.sample(0, None).unwrap();
        assert_eq!(plain.objects.iter().map(|o| o.sides).collect::<Vec<_>>(), [[0.0, 0.0, 4.0, 16.0]]);
        let turned = (0..20).map(|epoch| batches.sample(0, Some(epoch)).unwrap().objects[0].sides[0]);
        let at: Vec<f32> = turned.collect();
        assert!(at.contains(&0.0) && at.contains(&12.0), "{at:?}");
        let batch = batches.batch(&[0], 2, None).unwrap();
        assert_eq!((batch.labels.shape(), batch.valid), (&[2, 6, 4][..], 1));
        assert!(batch.labels.to_f32().iter().sum::<f32>() > 0.0);
    }
}
