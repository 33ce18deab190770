//! A plan over a data set, in the runtime of the device.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use ocellus_plan::crc32;
use ocellus_runtime::{Isa, with_session};
use ocellus_trainer::data::{Dataset, Loader, LoaderConfig, Normalization};
use ocellus_trainer::metrics::{ClassificationMetrics, first_maximum};

use crate::tensors;

/// What a plan answered.
pub struct PlanAnswers {
    /// Counts by class.
    pub metrics: ClassificationMetrics,
    /// The answer to every picture.
    pub answers: Vec<usize>,
    /// CRC-32 of all bytes of the first output as the device holds them, in order.
    pub crc: u32,
}

/// Runs a plan with one picture input and scores `[N, classes]` as its first output over every picture of a set.
/// `watch` is called with the number of pictures done.
///
/// # Errors
/// A plan of another form or one that cannot be run here, or broken data.
pub fn evaluate_plan(
    bytes: &[u8],
    isa: Isa,
    dataset: &Arc<dyn Dataset>,
    normalization: &Normalization,
    mut watch: impl FnMut(u64),
) -> Result<PlanAnswers> {
    with_session(bytes, isa, |session| {
        let plan = session.plan();
        let (inputs, outputs): (Vec<_>, Vec<_>) = (plan.inputs().collect(), plan.outputs().collect());
        ensure!(inputs.len() == 1, "the plan has {} inputs; one picture is expected", inputs.len());
        let port = inputs[0];
        let [height, width, channels] = dataset.shape();
        let shape = port.shape();
        let fits =
            shape.len() == 4 && [channels, height, width].iter().zip(&shape[1..]).all(|(&a, &b)| a == b as usize);
        ensure!(fits, "input {} does not take pictures of {channels} x {height} x {width}", tensors::describe(&port));
        let batch = shape[0] as usize;
        let classes = dataset.classes().len();
        let scores = *outputs.first().context("the plan has no output")?;
        ensure!(
            scores.elements() == batch * classes,
            "output {} does not hold {classes} scores per picture",
            tensors::describe(&scores)
        );
        let config = LoaderConfig {
            batch,
            training: false,
            seed: 0,
            workers: 1,
            augmentations: Vec::new(),
            normalization: normalization.clone(),
        };
        let loader = Loader::new(Arc::clone(dataset), config)?;
        let mut found = PlanAnswers { metrics: ClassificationMetrics::new(classes, 5), answers: Vec::new(), crc: 0 };
        for made in loader.epoch(0, 0) {
            let made = made?;
            tensors::set_input(session, 0, &port, &made.images)?;
            session.run();
            found.crc = crc32(found.crc, session.output_bytes(0)?);
            let values = tensors::output(session, 0, &scores)?.to_f32();
            let valid = &values[..made.valid * classes];
            found.metrics.add(valid, &made.labels.to_i64()[..made.valid]);
            found.answers.extend(valid.chunks(classes).map(first_maximum));
            watch(found.metrics.total());
        }
        Ok(found)
    })?
}
