//! `ocellus run`: a model or a plan on arrays in files.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::Args;
use ocellus_graph::Tensor;
use ocellus_plan::Plan;
use ocellus_runtime::Pool;
use serde_json::{Value, json};

use crate::arguments::{CompileArgs, named_file};
use crate::memory::with_plan;
use crate::model_file::open_plan;
use crate::output::{Ending, Output};
use crate::peak::peak_bytes;
use crate::{npy, preprocess, tensors};

/// `ocellus run MODEL --input NAME=FILE.npy --output-dir DIR`
#[derive(Args)]
pub struct Run {
    /// The ONNX file, which is compiled first, or the plan.
    model: PathBuf,
    /// An input as a .npy file; split at the last `=`.
    #[arg(long = "input", value_name = "NAME=FILE.npy", value_parser = named_file)]
    inputs: Vec<(String, PathBuf)>,
    /// A PNG or JPEG picture for a model with one input that says how its pictures are prepared.
    #[arg(long, value_name = "FILE", conflicts_with = "inputs")]
    image: Option<PathBuf>,
    /// The folder that gets NAME.npy for every output; `/` and `:` in names become `_`.
    #[arg(long, value_name = "DIR", required_unless_present = "image")]
    output_dir: Option<PathBuf>,
    /// Threads; the answers do not depend on it.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    threads: u16,
    #[command(flatten)]
    args: CompileArgs,
}

impl Run {
    /// Runs once. With `--json` says, beside the outputs: `load_ms`, the time until a run could begin (opening and checking
    /// the plan, and before that compiling, of an ONNX file; inputs are not in it), `first_run_ms`, the time of the run, which
    /// is the first one and meets memory that was never touched, and `peak_bytes`, the most memory of the process, where the
    /// system counts it.
    ///
    /// # Errors
    /// A model or array that cannot be used, or a file that cannot be written.
    pub fn run(&self, output: &Output) -> Result<Ending> {
        let opening = Instant::now();
        let bytes = open_plan(&self.model, &self.args, output)?;
        let plan = bytes.plan()?;
        let opened = opening.elapsed();
        let inputs = self.tensors(&plan)?;
        let pool = Pool::new(self.threads.into())?;
        let loading = Instant::now();
        let (made, load, run) = with_plan(plan, self.args.target, |session| {
            let load = opened + loading.elapsed();
            tensors::set_inputs(session, &inputs)?;
            drop(inputs); // the session has its own copy, and a run should not need memory for both
            let running = Instant::now();
            session.run_on(&pool);
            let run = running.elapsed();
            Ok::<_, anyhow::Error>((tensors::outputs(session)?, load, run))
        })??;
        let (mut text, list) = match &self.output_dir {
            Some(folder) => save(&made, folder)?,
            None => Default::default(),
        };
        let mut value = json!({
            "outputs": list, "load_ms": milliseconds(load), "first_run_ms": milliseconds(run), "peak_bytes": peak_bytes(),
        });
        if self.image.is_some() {
            let metadata = preprocess::plan_metadata(&plan);
            let (answer, list) = answers(&made, preprocess::classes(&metadata))?;
            text += &answer;
            value["answers"] = json!(list);
        }
        output.answer(text, &value);
        Ok(Ending::Fine)
    }

    fn tensors(&self, plan: &Plan<'_>) -> Result<Vec<(String, Tensor)>> {
        if let Some(path) = &self.image {
            let wanted = preprocess::preprocess(&preprocess::plan_metadata(plan))?;
            let port = plan.inputs().next().context("the plan has no input")?;
            return Ok(vec![(port.name.to_owned(), preprocess::read_picture(&wanted, path)?)]);
        }
        self.inputs.iter().map(|(name, file)| Ok((name.clone(), npy::read(file)?))).collect()
    }
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// Writes every output.
fn save(made: &[(String, Tensor)], folder: &std::path::Path) -> Result<(String, Vec<Value>)> {
    std::fs::create_dir_all(folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    let (mut text, mut list) = (String::new(), Vec::new());
    for (name, tensor) in made {
        let path = folder.join(format!("{}.npy", name.replace(['/', ':'], "_")));
        npy::write(&path, tensor)?;
        text += &format!("{name} {} {:?} -> {}\n", tensor.dtype(), tensor.shape(), path.display());
        list.push(json!({ "name": name, "type": tensor.dtype().name(), "shape": tensor.shape(), "file": path }));
    }
    Ok((text, list))
}

/// The greatest scores of the first output with their classes.
fn answers(made: &[(String, Tensor)], classes: Option<Vec<String>>) -> Result<(String, Vec<Value>)> {
    let scores = made.first().map(|(_, t)| t.to_f32()).context("the model has no output")?;
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
    let name = |i: usize| classes.as_ref().and_then(|c| c.get(i)).cloned().unwrap_or_else(|| i.to_string());
    let first = order.iter().take(3);
    let text = first.clone().map(|&i| format!("{:8.3}  {}\n", scores[i], name(i))).collect();
    Ok((text, first.map(|&i| json!({ "class": name(i), "score": scores[i] })).collect()))
}
