//! Optimisers, written as graph compositions over parameter, gradient and state.

mod adam;
mod adam_w;
mod clip;
mod rms_prop;
mod sgd;

pub use adam::Adam;
pub use adam_w::AdamW;
pub use clip::Clipping;
use ocellus_graph::ValueId;
use ocellus_ops::{Builder, OpError};
pub use rms_prop::RmsProp;
pub use sgd::Sgd;

/// A rule that makes new parameters out of old ones and their gradients.
pub trait Optimizer: Send + Sync {
    /// Its name with its constants: a checkpoint of another one is refused.
    fn describe(&self) -> String;

    /// Names of the tensors that it keeps for every parameter; each has the parameter's shape and starts at 0.
    fn slots(&self) -> &'static [&'static str];

    /// Names of the numbers that change with the step, beside the learning rate.
    fn scalars(&self) -> &'static [&'static str] {
        &[]
    }

    /// The values of these numbers at step `step`, counted from 1.
    fn scalar_values(&self, step: u64) -> Vec<f64> {
        let _ = step;
        Vec::new()
    }

    /// Appends the nodes of one update.
    ///
    /// # Errors
    /// Operators that refuse the values.
    fn update(&self, b: &mut Builder, update: &Update) -> Result<Updated, OpError>;
}

/// What an update starts from.
pub struct Update<'a> {
    /// The parameter.
    pub parameter: ValueId,
    /// The gradient of the mean loss.
    pub gradient: ValueId,
    /// The tensors kept for it, in the order of [`Optimizer::slots`].
    pub slots: &'a [ValueId],
    /// The learning rate, a scalar.
    pub rate: ValueId,
    /// The changing numbers, in the order of [`Optimizer::scalars`].
    pub scalars: &'a [ValueId],
    /// Whether weight decay applies: not to biases and normalisation parameters.
    pub decay: bool,
}

/// What an update makes.
pub struct Updated {
    /// The new parameter.
    pub parameter: ValueId,
    /// The new tensors, in the order of [`Optimizer::slots`].
    pub slots: Vec<ValueId>,
}

/// `a * factor`, with a constant factor.
fn scaled(b: &mut Builder, a: ValueId, factor: f32) -> Result<ValueId, OpError> {
    let factor = b.scalar_like(a, f64::from(factor))?;
    b.mul(a, factor)
}

/// `old * keep + new * (1 - keep)`.
fn moving_average(b: &mut Builder, old: ValueId, new: ValueId, keep: f32) -> Result<ValueId, OpError> {
    let kept = scaled(b, old, keep)?;
    let part = b.scalar_like(new, 1.0 - f64::from(keep))?;
    let added = b.mul(new, part)?;
    b.add(kept, added)
}

/// The gradient with `decay * parameter` added (L2 regularisation), where it applies.
fn decayed_gradient(b: &mut Builder, update: &Update, decay: f32) -> Result<ValueId, OpError> {
    if !update.decay || decay == 0.0 {
        return Ok(update.gradient);
    }
    let pull = scaled(b, update.parameter, decay)?;
    b.add(update.gradient, pull)
}

#[cfg(test)]
pub(crate) mod tests {
    use ocellus_graph::{DataType, Tensor};
    use ocellus_ops::evaluate_values;

    use super::*;

    /// Runs `steps` updates of the parameter [1, -2] under the loss Σ p² / 2 (gradient p) and holds every one of them
    /// against `expected(step, parameter, gradient, slots)`, which works on one element and changes its slots.
    pub fn check(optimizer: &dyn Optimizer, expected: impl Fn(u64, f64, f64, &mut [f64]) -> f64) {
        let (rate, mut parameter) = (0.1f64, vec![1.0, -2.0]);
        let mut slots = vec![vec![0.0; 2]; optimizer.slots().len()];
        for step in 1..=5 {
            let mut b = Builder::new("update");
            let p = b.constant("p", Tensor::vector(&parameter));
            let g = b.constant("g", Tensor::vector(&parameter));
            let s: Vec<_> = slots.iter().map(|s| b.constant("s", Tensor::vector::<f64>(s))).collect();
            let values = optimizer.scalar_values(step);
            assert_eq!(values.len(), optimizer.scalars().len());
            let scalars: Vec<_> = values.iter().map(|&v| b.constant("c", Tensor::scalar(v))).collect();
            let r = b.constant("rate", Tensor::full(DataType::F64, &[], rate));
            let update = Update { parameter: p, gradient: g, slots: &s, rate: r, scalars: &scalars, decay: true };
            let updated = optimizer.update(&mut b, &update).unwrap();
            let run = evaluate_values(b.graph(), &[]).unwrap();
            let (old, new) = (parameter.clone(), run[&updated.parameter].to_f64());
            assert_eq!(updated.slots.len(), slots.len());
            for i in 0..2 {
                let mut own: Vec<f64> = slots.iter().map(|s| s[i]).collect();
                let wanted = expected(step, old[i], old[i], &mut own);
                // The constants are f32: 0.99 and 1 - 0.99 are off by 1e-8.
                let near = |found: f64, wanted: f64| (found - wanted).abs() < 1e-5 * (1.0 + wanted.abs());
                assert!(near(new[i], wanted), "step {step}, element {i}: {} for {wanted}", new[i]);
                for (k, own) in own.into_iter().enumerate() {
                    let found = run[&updated.slots[k]].to_f64()[i];
                    assert!(near(found, own), "step {step}, slot {k}: {found} for {own}");
                }
            }
            slots = updated.slots.iter().map(|v| run[v].to_f64()).collect();
            parameter = new;
        }
    }
}
