//! `ocellus verify`: the compiled plan against the reference, layer by layer.
//!
//! Every layer is compiled by itself and fed the reference's own values, so that one layer's rounding does not hide
//! another layer's mistake. Integer layers have to agree within one step, and on 99.9 % of the values exactly; float
//! layers within a bound that stands for another order of summation. A plan by itself runs its self-test vectors.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use clap::Args;
use ocellus_compiler::{Prepared, Storage, compile};
use ocellus_graph::{DataType, Shape, Tensor};
use ocellus_ops::{Values, check::numbers, evaluate_values};
use ocellus_runtime::with_session;
use serde_json::{Value, json};

use crate::arguments::{CompileArgs, named_file, usage};
use crate::layers::{Layer, layers};
use crate::memory::with_plan;
use crate::model_file::{is_plan, load_prepared, open_plan};
use crate::output::{Ending, Output};
use crate::{npy, tensors};

/// Part of integer outputs that may differ by one step.
const ONE_STEP: f64 = 1e-3;
/// Difference of a float output allowed, in units of the layer's greatest value: for weights of 24 bits another order of
/// summation; for those of 11 or 8 bits four roundings, sixteen where sums have 11 bits too, eight where inputs have 8.
const fn float_bound(storage: Storage, arithmetic: Storage) -> f64 {
    match (storage, arithmetic) {
        (Storage::F32, _) => 1e-4,
        (Storage::F16, Storage::F16) => 16.0 / (1 << 11) as f64,
        (Storage::F16, _) => 4.0 / (1 << 11) as f64,
        (Storage::Bf16, Storage::Bf16) => 8.0 / (1 << 8) as f64,
        (Storage::Bf16, _) => 4.0 / (1 << 8) as f64,
    }
}

/// `ocellus verify MODEL.onnx`
#[derive(Args)]
pub struct Verify {
    /// The ONNX file; or a plan that `export` wrote, whose self-test vectors are run.
    model: PathBuf,
    /// An input as a .npy file; inputs that are not given are filled with numbers between -1 and 1 by the seed.
    #[arg(long = "input", value_name = "NAME=FILE.npy", value_parser = named_file)]
    inputs: Vec<(String, PathBuf)>,
    /// Seed of the inputs that are not given.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    #[command(flatten)]
    args: CompileArgs,
}

/// How far two tensors are apart.
struct Difference {
    max: f64,
    /// The Euclidean norm of the differences over that of the reference.
    norm: f64,
    differing: usize,
    elements: usize,
    fine: bool,
}

impl Difference {
    fn of(reference: &Tensor, found: &Tensor, bound: f64) -> Self {
        let (a, b) = (reference.to_f64(), found.to_f64());
        let integer = !reference.dtype().is_float();
        let apart = |(x, y): (&f64, &f64)| if x == y || x.is_nan() && y.is_nan() { 0.0 } else { (x - y).abs() };
        let differences: Vec<f64> = a.iter().zip(&b).map(apart).collect();
        let max = differences.iter().fold(0.0, |m: f64, &d| if d.is_nan() { f64::INFINITY } else { m.max(d) });
        let square = |values: &[f64]| values.iter().map(|v| v * v).sum::<f64>();
        let norm = if max == 0.0 { 0.0 } else { (square(&differences) / square(&a)).sqrt() };
        let differing = differences.iter().filter(|d| **d != 0.0).count();
        let scale = a.iter().filter(|v| v.is_finite()).fold(1.0, |m: f64, v| m.max(v.abs()));
        // A single value on the edge between two steps is allowed in small layers too.
        let few = differing as f64 <= (a.len() as f64 * ONE_STEP).max(1.0);
        let fine = a.len() == b.len() && if integer { max <= 1.0 && few } else { max <= bound * scale };
        Self { max, norm, differing, elements: a.len(), fine }
    }
}

struct Row {
    name: String,
    dtype: DataType,
    difference: Difference,
}

impl Row {
    fn text(&self) -> String {
        let d = &self.difference;
        let mark = if d.fine { "ok    " } else { "DIFFERS" };
        format!("{mark} {}", self.found())
    }

    fn found(&self) -> String {
        let d = &self.difference;
        let found = format!("{}: {} of {} differ, at most by {:.3e}", self.name, d.differing, d.elements, d.max);
        if self.dtype.is_float() { format!("{found}, relative norm {:.1e}", d.norm) } else { format!("{found} steps") }
    }

    fn json(&self) -> Value {
        let d = &self.difference;
        json!({
            "layer": self.name, "type": self.dtype.name(), "elements": d.elements, "differing": d.differing,
            "max_difference": d.max, "relative_norm": d.norm, "ok": d.fine,
        })
    }
}

impl Verify {
    /// Compares; the ending is [`Ending::Failed`] where a layer is out of bounds.
    ///
    /// # Errors
    /// A model that cannot be compiled or evaluated.
    pub fn run(&self, output: &Output) -> Result<Ending> {
        if is_plan(&self.model)? {
            return self.self_test(output);
        }
        let prepared = load_prepared(&self.model, &self.args.shapes, output)?;
        let inputs = self.inputs(&prepared)?;
        let given: Vec<(&str, Tensor)> = inputs.iter().map(|(n, t)| (n.as_str(), t.clone())).collect();
        let graph = &prepared.model.graph;
        let values = evaluate_values(graph, &given)?;
        let isa = self.args.target;
        let rows = layers(&prepared.model)
            .into_iter()
            .map(|layer| compare(layer, &values, &self.args))
            .collect::<Result<Vec<_>>>()?;
        let whole = run_model(&prepared, &inputs, &self.args)?;
        let mut answers = Vec::new();
        for (name, found) in &whole {
            let id = graph.find(name).with_context(|| format!("the plan makes {name:?}, which the model lacks"))?;
            let difference = Difference::of(&values[&id], found, float_bound(self.args.float, self.args.arithmetic()));
            answers.push(Row { name: format!("output {name:?}"), dtype: found.dtype(), difference });
        }
        let bad = rows.iter().filter(|r| !r.difference.fine).count();
        let mut lines: Vec<String> = rows.iter().map(Row::text).collect();
        lines.extend(answers.iter().map(|r| format!("whole plan, {}", r.found())));
        lines.push(format!("{} layers, {bad} out of bounds, on {}", rows.len(), isa.level().name()));
        let value = json!({
            "ok": bad == 0, "isa": isa.level().name(),
            "layers": rows.iter().map(Row::json).collect::<Vec<_>>(),
            "outputs": answers.iter().map(Row::json).collect::<Vec<_>>(),
        });
        output.answer(lines.join("\n"), &value);
        Ok(if bad == 0 { Ending::Fine } else { Ending::Failed })
    }

    fn self_test(&self, output: &Output) -> Result<Ending> {
        if !(self.inputs.is_empty() && self.args.shapes.is_empty()) {
            return usage("a plan brings its own inputs: --input and --shape belong to ONNX files");
        }
        let bytes = open_plan(&self.model, &self.args, output)?;
        let isa = self.args.target;
        let name = isa.level().name();
        let (tests, ending) = with_plan(bytes.plan()?, isa, |s| (s.plan().self_tests().count(), s.self_test()))?;
        ensure!(tests > 0, "{} has no self-test vectors; `ocellus export` writes them", self.model.display());
        let problem = ending.err().map(|e| e.to_string());
        let value = json!({ "ok": problem.is_none(), "isa": name, "self_tests": tests, "problem": problem });
        output.answer(problem.clone().unwrap_or_else(|| format!("{tests} self-tests are right on {name}")), &value);
        Ok(if problem.is_none() { Ending::Fine } else { Ending::Failed })
    }

    fn inputs(&self, prepared: &Prepared) -> Result<Vec<(String, Tensor)>> {
        let graph = &prepared.model.graph;
        let ports: Vec<_> = graph.inputs.iter().map(|&v| graph.value(v)).collect();
        for (name, _) in &self.inputs {
            let known = || ports.iter().map(|p| p.name.as_str()).collect::<Vec<_>>().join(", ");
            ensure!(ports.iter().any(|p| p.name == *name), "there is no input {name:?}; the inputs are {}", known());
        }
        let tensor = |(index, port): (usize, &&ocellus_graph::Value)| {
            if let Some((_, file)) = self.inputs.iter().find(|(n, _)| *n == port.name) {
                return Ok((port.name.clone(), npy::read(file)?));
            }
            let shape = port.shape.as_ref().and_then(Shape::known).context("an input's shape is not known")?;
            let dtype = port.dtype.context("an input's type is not known")?;
            let numbers = numbers(shape.iter().product(), self.seed + index as u64);
            let scale = if dtype.is_float() || dtype == DataType::Bool { 1.0 } else { 100.0 };
            let offset = if dtype == DataType::U8 { 128.0 } else { 0.0 };
            let values: Vec<f64> = numbers.iter().map(|v| v * scale + offset).collect();
            Ok((port.name.clone(), Tensor::from_f64(dtype, &shape, &values)))
        };
        ports.iter().enumerate().map(tensor).collect()
    }
}

/// Runs one layer on the reference's values and compares its output with the reference's.
fn compare(layer: Layer, values: &Values, args: &CompileArgs) -> Result<Row> {
    let graph = &layer.model.graph;
    let value = |v| values.get(v).cloned().with_context(|| format!("the reference has no {:?}", graph.value(*v).name));
    let inputs =
        layer.inputs.iter().map(|v| Ok((graph.value(*v).name.clone(), value(v)?))).collect::<Result<Vec<_>>>()?;
    let reference = value(&layer.output)?;
    let part = Prepared { model: layer.model, assumed: Vec::new() };
    let found = run_model(&part, &inputs, args).with_context(|| layer.name.clone())?;
    let (_, found) = found.first().with_context(|| format!("{} makes nothing", layer.name))?;
    let difference = Difference::of(&reference, found, float_bound(args.float, args.arithmetic()));
    Ok(Row { name: layer.name, dtype: reference.dtype(), difference })
}

fn run_model(prepared: &Prepared, inputs: &[(String, Tensor)], args: &CompileArgs) -> Result<Vec<(String, Tensor)>> {
    let compiled = compile(prepared, &args.options())?;
    with_session(&compiled.bytes, args.target, |session| {
        tensors::set_inputs(session, inputs)?;
        session.run();
        tensors::outputs(session)
    })?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_of_integers_and_floats() {
        let ints = |values: Vec<i8>| Tensor::of(&[values.len()], values);
        let zeros = || vec![0i8; 2000];
        let moved = |count: usize, by: i8| {
            let mut values = zeros();
            values[..count].fill(by);
            ints(values)
        };
        assert!(Difference::of(&ints(zeros()), &moved(2, 1), 1e-4).fine);
        assert!(!Difference::of(&ints(zeros()), &moved(3, 1), 1e-4).fine);
        assert!(!Difference::of(&ints(zeros()), &moved(1, 2), 1e-4).fine);
        let floats = |v: f32| Tensor::of(&[2], vec![100.0, v]);
        assert!(Difference::of(&floats(1.0), &floats(1.009), 1e-4).fine);
        assert!(!Difference::of(&floats(1.0), &floats(1.02), 1e-4).fine);
        assert!(Difference::of(&floats(1.0), &floats(1.7), float_bound(Storage::F16, Storage::F16)).fine);
        assert!((Difference::of(&floats(1.0), &floats(2.0), 1e-4).norm - 0.01).abs() < 1e-6);
        assert!(!Difference::of(&floats(1.0), &floats(f32::NAN), 1e-4).fine);
        assert!(Difference::of(&floats(f32::NAN), &floats(f32::NAN), 1e-4).fine);
    }
}
