//! What quantizing cost, layer by layer.

use std::collections::HashMap;
use std::fmt;

use ocellus_graph::{Graph, Model, Tensor, ValueId};
use serde::{Deserialize, Serialize};

use crate::QuantizeError;
use crate::calibrate::with_outputs;
use crate::executor::{Batch, Executor, Runner};
use crate::params::{Activations, Params};
use crate::recipe::Recipe;

/// What quantizing a model did and cost.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The method that chose ranges: `minmax`, `percentile 99.99`, `mse`, `entropy`.
    pub method: String,
    /// The layout of activations.
    pub activations: Activations,
    /// How many calibration batches were seen.
    pub batches: usize,
    /// How many batches the signal-to-noise figures are from; without any there are no figures.
    pub compared: usize,
    /// The integer nodes, worst first; those without a figure last.
    pub layers: Vec<Layer>,
    /// The outputs of the model.
    pub outputs: Vec<Output>,
    /// The nodes that stay float, and why.
    pub float_nodes: Vec<FloatNode>,
    /// Accuracy before and after, where it was measured.
    pub accuracy: Option<Accuracy>,
    /// Pairs of layers that shared the ranges of the channels between them.
    #[serde(default)]
    pub equalized: usize,
    /// What the integer model is made with again.
    #[serde(default)]
    pub recipe: Recipe,
}

/// An integer node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Layer {
    /// Its name.
    pub node: String,
    /// Its operator.
    pub op: String,
    /// The value that its scale is of: its output, or that of the clamp after it.
    pub tensor: String,
    /// The scale of that value.
    pub scale: f32,
    /// The zero point of that value.
    pub zero_point: i32,
    /// The least and greatest float that the integers stand for.
    pub range: (f32, f32),
    /// Signal to noise of the value in dB, float model against integer model, all layers before it integer too.
    /// `None` where there is no noise, or no figure.
    pub sqnr_db: Option<f64>,
    /// Signal to noise of the weights alone in dB; `None` without weights, or where they are exact.
    pub weights_sqnr_db: Option<f64>,
}

/// An output of the model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Output {
    /// Its name.
    pub name: String,
    /// Signal to noise in dB; `None` where there is no noise, or no figure.
    pub sqnr_db: Option<f64>,
}

/// A node that stays float.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FloatNode {
    /// Its name.
    pub node: String,
    /// Its operator.
    pub op: String,
    /// Why.
    pub reason: String,
}

/// A figure of merit before and after.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Accuracy {
    /// Of the float model.
    pub float: f64,
    /// Of the integer model.
    pub int8: f64,
}

/// The scales of an integer node while the report is not yet made.
pub struct LayerScale {
    /// Name of the node.
    pub node: String,
    /// Its operator.
    pub op: String,
    /// The value that the scale is of, in the float graph.
    pub value: ValueId,
    /// Scale and zero point.
    pub params: Params,
    /// Signal to noise of the weights.
    pub weights_sqnr_db: Option<f64>,
}

/// `10 log10(signal / noise)`, kept inside ±200 dB; `None` where there is no noise.
pub(crate) fn decibels(signal: f64, noise: f64) -> Option<f64> {
    (noise > 0.0).then(|| (10.0 * (signal / noise).log10()).clamp(-200.0, 200.0))
}

/// Runs both models over the samples and returns signal to noise of every pair of values (float, integer model).
///
/// # Errors
/// Where the executor fails.
pub fn compare(
    float: &Model,
    integer: &Model,
    pairs: &[(ValueId, ValueId)],
    samples: &[Batch],
    executor: &dyn Executor,
) -> Result<HashMap<ValueId, Option<f64>>, QuantizeError> {
    let usable = |g: &Graph, v: ValueId| !g.inputs.contains(&v) && !g.initializers.contains_key(&v);
    let pairs: Vec<_> =
        pairs.iter().copied().filter(|&(a, b)| usable(&float.graph, a) && usable(&integer.graph, b)).collect();
    if samples.is_empty() || pairs.is_empty() {
        return Ok(HashMap::new());
    }
    let (a, b): (Vec<_>, Vec<_>) = pairs.iter().copied().unzip();
    let (before, after) = (with_outputs(float, &a), with_outputs(integer, &b));
    let (mut before, mut after) = (executor.open(&before)?, executor.open(&after)?);
    let mut power = vec![(0f64, 0f64); pairs.len()];
    for sample in samples {
        let (x, y) = (before.run(sample)?, after.run(sample)?);
        for (power, (x, y)) in power.iter_mut().zip(x.iter().zip(&y)) {
            add_power(power, x, y);
        }
    }
    Ok(a.into_iter().zip(power).map(|(v, (signal, noise))| (v, decibels(signal, noise))).collect())
}

fn add_power(power: &mut (f64, f64), x: &Tensor, y: &Tensor) {
    for (x, y) in x.to_f64().into_iter().zip(y.to_f64()) {
        power.0 += x * x;
        power.1 += (x - y) * (x - y);
    }
}

/// A figure of merit of both models: `evaluate` runs the model that it is given over its own data.
///
/// # Errors
/// Where the executor or `evaluate` fails.
pub fn accuracy(
    float: &Model,
    int8: &Model,
    executor: &dyn Executor,
    evaluate: &mut dyn FnMut(&mut dyn Runner) -> Result<f64, QuantizeError>,
) -> Result<Accuracy, QuantizeError> {
    let before = evaluate(&mut *executor.open(float)?)?;
    let after = evaluate(&mut *executor.open(int8)?)?;
    Ok(Accuracy { float: before, int8: after })
}

/// Orders layers worst first; those without noise, or without a figure, come last.
pub(crate) fn sort_worst_first(layers: &mut [Layer]) {
    let key = |l: &Layer| l.sqnr_db.unwrap_or(f64::INFINITY);
    layers.sort_by(|a, b| key(a).total_cmp(&key(b)));
}

impl fmt::Display for Report {
    /// A table, worst layers first.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { layers, float_nodes, batches, method, .. } = self;
        let activations = match self.activations {
            Activations::Asymmetric => "uint8, asymmetric",
            Activations::Symmetric => "int8, symmetric",
        };
        let (integer, float) = (layers.len(), float_nodes.len());
        writeln!(
            f,
            "{integer} int8 nodes, {float} float nodes; {method} over {batches} batches; activations {activations}"
        )?;
        let figure = |db: Option<f64>, missing: &'static str| db.map_or(missing.to_owned(), |db| format!("{db:.1}"));
        let missing = if self.compared > 0 { "exact" } else { "-" };
        let width = layers.iter().map(|l| l.node.chars().count()).chain([5]).max().unwrap_or(5);
        let op = layers.iter().map(|l| l.op.chars().count()).chain([2]).max().unwrap_or(2);
        let head = ["SQNR dB", "weights dB", "scale", "zero", "range"];
        let [a, b, c, d, e] = head;
        writeln!(f, "{:width$}  {:op$}  {a:>7}  {b:>10}  {c:>12}  {d:>4}  {e}", "layer", "op")?;
        for l in layers {
            let (sqnr, weights) = (figure(l.sqnr_db, missing), figure(l.weights_sqnr_db, "-"));
            let (scale, zero, (low, high)) = (l.scale, l.zero_point, l.range);
            writeln!(
                f,
                "{:width$}  {:op$}  {sqnr:>7}  {weights:>10}  {scale:>12.5e}  {zero:>4}  {low:.4} to {high:.4}",
                l.node, l.op
            )?;
        }
        if self.equalized > 0 {
            writeln!(f, "channels equalized between {} pairs of layers", self.equalized)?;
        }
        for o in &self.outputs {
            writeln!(f, "output {:?}: {} dB", o.name, figure(o.sqnr_db, missing))?;
        }
        for n in float_nodes {
            writeln!(f, "float: {} ({}): {}", n.node, n.op, n.reason)?;
        }
        if let Some(Accuracy { float, int8 }) = self.accuracy {
            writeln!(f, "accuracy: {float:.4} float, {int8:.4} int8")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let layer = |node: &str, sqnr_db| Layer {
            node: node.to_owned(),
            op: "Conv".to_owned(),
            tensor: format!("{node}:0"),
            scale: 0.05,
            zero_point: 3,
            range: (-0.15, 12.6),
            sqnr_db,
            weights_sqnr_db: Some(41.25),
        };
        let mut layers = vec![layer("good", Some(40.0)), layer("same", None), layer("bad", Some(12.34))];
        sort_worst_first(&mut layers);
        Report {
            method: "mse".to_owned(),
            activations: Activations::Asymmetric,
            batches: 7,
            compared: 2,
            layers,
            outputs: vec![Output { name: "y".to_owned(), sqnr_db: Some(30.0) }],
            float_nodes: vec![FloatNode { node: "n".to_owned(), op: "Lstm".to_owned(), reason: "why".to_owned() }],
            equalized: 0,
            accuracy: Some(Accuracy { float: 0.91, int8: 0.905 }),
            recipe: Recipe::default(),
        }
    }

    #[test]
    fn worst_layers_come_first() {
        let names: Vec<_> = report().layers.into_iter().map(|l| l.node).collect();
        assert_eq!(names, ["bad", "good", "same"]);
    }

    #[test]
    fn the_table_says_everything() {
        let text = report().to_string();
        let lines: Vec<_> = text.lines().collect();
        assert!(lines[0].starts_with("3 int8 nodes, 1 float nodes; mse over 7 batches"), "{text}");
        assert!(lines[2].starts_with("bad ") && lines[2].contains("12.3") && lines[2].contains("41.2"), "{text}");
        assert!(lines[4].contains("exact"), "{text}");
        for part in ["output \"y\": 30.0 dB", "float: n (Lstm): why", "0.9100 float, 0.9050 int8"] {
            assert!(text.contains(part), "{text}");
        }
    }

    #[test]
    fn json_goes_both_ways() {
        let json = serde_json::to_string(&report()).unwrap();
        assert!(json.contains("\"activations\":\"asymmetric\""), "{json}");
        assert_eq!(serde_json::from_str::<Report>(&json).unwrap(), report());
    }

    #[test]
    fn decibels_of_powers() {
        assert_eq!(decibels(100.0, 1.0), Some(20.0));
        assert_eq!(decibels(1.0, 0.0), None);
        assert_eq!(decibels(0.0, 1.0), Some(-200.0));
    }
}
