//! Runs the float model over data and watches its values.

use std::collections::{HashMap, HashSet};

use ocellus_graph::{Model, Tensor, ValueId};

use crate::executor::{Batch, Executor};
use crate::observer::{Method, Observer};
use crate::params::Params;
use crate::{Options, QuantizeError};

/// Why a source of batches failed.
pub type BatchError = Box<dyn std::error::Error + Send + Sync>;

/// A source of calibration data; it is read once, and one batch is in memory at a time (but for the few kept for the
/// report).
pub type Batches<'a> = &'a mut dyn Iterator<Item = Result<Batch, BatchError>>;

/// What calibration found.
pub struct Calibration {
    /// Scale and zero point of every observed value.
    pub params: HashMap<ValueId, Params>,
    /// The first batches, for the report and for the correction of biases.
    pub samples: Vec<Batch>,
    /// How many batches there were.
    pub batches: usize,
}

/// This model with these values (none of them an input) as its only outputs.
pub fn with_outputs(model: &Model, values: &[ValueId]) -> Model {
    let mut copy = model.clone();
    copy.graph.outputs = values.to_vec();
    copy.graph.remove_dead();
    copy
}

/// Observes `values` of the model over all batches. Those in `finals` get min-max ranges whatever the method: where an
/// output of the model is clipped, its largest answers tie.
///
/// # Errors
/// No batch, a batch without an input of the model, a value that is not finite, or a failure of source or executor.
pub fn calibrate(
    model: &Model,
    values: &[ValueId],
    finals: &HashSet<ValueId>,
    options: &Options,
    executor: &dyn Executor,
    batches: Batches,
) -> Result<Calibration, QuantizeError> {
    let graph = &model.graph;
    let (given, computed): (Vec<_>, Vec<_>) = values.iter().partition(|v| graph.inputs.contains(v));
    let method = |v: &ValueId| if finals.contains(v) { Method::MinMax } else { options.method };
    let mut observers: HashMap<ValueId, Observer> = values.iter().map(|v| (*v, Observer::new(method(v)))).collect();
    let watched = with_outputs(model, &computed);
    let mut runner = if computed.is_empty() { None } else { Some(executor.open(&watched)?) };
    let mut samples = Vec::new();
    let mut count = 0;
    for batch in batches {
        let batch = batch.map_err(|source| QuantizeError::Batch { index: count, source })?;
        let batch = inputs_of(model, batch, count)?;
        let mut observe = |v: ValueId, tensor: &Tensor| {
            let observer = observers.get_mut(&v).map(|o| o.observe(&tensor.to_f32()));
            observer.unwrap_or(Ok(())).map_err(|bad| QuantizeError::Tensor {
                tensor: graph.value(v).name.clone(),
                batch: count,
                problem: format!("holds {bad}; only finite values can be quantized, check the data and the weights"),
            })
        };
        for &v in &given {
            if let Some((_, tensor)) = batch.iter().find(|(n, _)| *n == graph.value(v).name) {
                observe(v, tensor)?;
            }
        }
        if let Some(runner) = &mut runner {
            for (&v, tensor) in computed.iter().zip(runner.run(&batch)?) {
                observe(v, &tensor)?;
            }
        }
        if samples.len() < options.report_batches.max(options.correction_batches) {
            samples.push(batch);
        }
        count += 1;
    }
    if count == 0 {
        return Err(QuantizeError::NoBatches { model: graph.name.clone() });
    }
    let params = observers.into_iter().map(|(v, o)| (v, o.params(options.activations))).collect();
    Ok(Calibration { params, samples, batches: count })
}

/// The batch's tensors for the inputs of the model, in the model's order.
fn inputs_of(model: &Model, batch: Batch, index: usize) -> Result<Batch, QuantizeError> {
    let graph = &model.graph;
    let mut ordered = Vec::with_capacity(graph.inputs.len());
    for &v in &graph.inputs {
        let name = &graph.value(v).name;
        let found = batch.iter().find(|(n, _)| n == name).cloned();
        ordered.push(found.ok_or_else(|| {
            let names: Vec<_> = batch.iter().map(|(n, _)| format!("{n:?}")).collect();
            let names = if names.is_empty() { "nothing".to_owned() } else { names.join(", ") };
            let problem = format!("is an input of the model that the batch lacks; the batch has {names}");
            QuantizeError::Tensor { tensor: name.clone(), batch: index, problem }
        })?);
    }
    Ok(ordered)
}
