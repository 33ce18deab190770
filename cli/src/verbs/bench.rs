//! `ocellus bench`: the time of a run.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Result;
use clap::Args;
use ocellus_plan::{HostType, Values};
use ocellus_runtime::{Host, Pool, Session};
use serde_json::json;

use crate::arguments::CompileArgs;
use crate::memory::with_plan;
use crate::model_file::open_plan;
use crate::output::{Ending, Output};

/// `ocellus bench MODEL`
#[derive(Args)]
pub struct Bench {
    /// The ONNX file, which is compiled first, or the plan.
    model: PathBuf,
    /// Threads; the answers do not depend on it.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    threads: u16,
    /// How long to measure.
    #[arg(long, default_value_t = 2.0, value_parser = seconds)]
    seconds: f64,
    /// Also print the time of every step.
    #[arg(long)]
    profile: bool,
    #[command(flatten)]
    args: CompileArgs,
}

fn seconds(text: &str) -> Result<f64, String> {
    let value = text.parse::<f64>().ok().filter(|s| *s > 0.0 && *s <= 3600.0);
    value.ok_or_else(|| format!("{text:?} is not a number of seconds above 0 and up to 3600"))
}

/// The times of single runs, sorted, in milliseconds.
#[derive(Clone, Debug)]
pub struct Times(Vec<f64>);

impl Times {
    /// Measures single runs on drawn inputs for about this long, after one run that is not counted.
    pub fn of(session: &mut Session<'_>, pool: &Pool, long: Duration) -> Self {
        let inputs = Inputs::draw(session);
        session.run_on(pool);
        let (start, mut times) = (Instant::now(), Vec::new());
        while times.is_empty() || start.elapsed() < long && times.len() < 1_000_000 {
            inputs.put(session);
            let one = Instant::now();
            session.run_on(pool);
            times.push(one.elapsed().as_secs_f64() * 1e3);
        }
        times.sort_by(f64::total_cmp);
        Self(times)
    }

    /// The shortest.
    pub fn min(&self) -> f64 {
        self.0[0]
    }

    /// The one that this part of all runs does not exceed.
    pub fn quantile(&self, part: f64) -> f64 {
        self.0[((self.0.len() as f64 * part) as usize).min(self.0.len() - 1)]
    }
}

/// Drawn inputs, which a run may overwrite: times can depend on them.
struct Inputs(Vec<Vec<u8>>);

impl Inputs {
    /// Floats are normal with a deviation of one, as of a picture whose channels are normalized; the rest is what self-tests
    /// draw.
    fn draw(session: &mut Session<'_>) -> Self {
        session.draw_inputs(1);
        let plan = session.plan();
        for (index, port) in plan.inputs().enumerate().filter(|(_, port)| port.host == HostType::F32) {
            // A value that the port does not take leaves what was drawn before.
            let _ = session.set_input(index, Host::F32(&normal(port.elements())));
        }
        Self((0..plan.inputs().count()).map(|k| session.input_bytes(k).map_or(vec![], |b| b.to_vec())).collect())
    }

    fn put(&self, session: &mut Session<'_>) {
        for (index, input) in self.0.iter().enumerate() {
            if let Ok(bytes) = session.input_bytes(index) {
                bytes.copy_from_slice(input);
            }
        }
    }
}

/// Numbers that are nearly normal, sums of twelve equally distributed ones, always the same.
fn normal(count: usize) -> Vec<f32> {
    let mut values = Values::new(1, 0);
    let mut unit = || (values.draw() >> 8) as f32 / (1 << 24) as f32;
    (0..count).map(|_| (0..12).map(|_| unit()).sum::<f32>() - 6.0).collect()
}

impl Bench {
    /// Measures.
    ///
    /// # Errors
    /// A model or plan that cannot be used.
    pub fn run(&self, output: &Output) -> Result<Ending> {
        let bytes = open_plan(&self.model, &self.args, output)?;
        let plan = bytes.plan()?;
        let pool = Pool::new(self.threads.into())?;
        let isa = self.args.target;
        let long = Duration::from_secs_f64(self.seconds);
        let (times, steps) = with_plan(plan, isa, |session| {
            let times = Times::of(session, &pool, long);
            (times, if self.profile { profile(session, &pool) } else { Vec::new() })
        })?;
        let (arena, weights, macs) = (plan.arena_bytes(), plan.weights().len(), bytes.macs(&plan));
        let names: Vec<&str> = plan.step_names().collect();
        let mut text = format!(
            "min {:.4} ms, median {:.4} ms, 95 % below {:.4} ms ({} runs on {})\narena {arena} bytes, weights {weights} bytes",
            times.min(),
            times.quantile(0.5),
            times.quantile(0.95),
            times.0.len(),
            isa.level().name(),
        );
        if let Some(macs) = macs {
            text += &format!(", {macs} multiply-accumulates ({:.2} per ns)", macs as f64 / (times.min() * 1e6));
        }
        for (index, ms) in steps.iter().enumerate() {
            text += &format!("\n{ms:10.4} ms  {}", names.get(index).unwrap_or(&"?"));
        }
        let list: Vec<_> = steps.iter().enumerate().map(|(i, ms)| json!({ "op": names.get(i), "ms": ms })).collect();
        let mut value = json!({
            "min_ms": times.min(), "median_ms": times.quantile(0.5), "p95_ms": times.quantile(0.95),
            "runs": times.0.len(), "arena_bytes": arena, "weights_bytes": weights, "macs": macs,
            "isa": isa.level().name(), "threads": self.threads,
        });
        if self.profile {
            value["steps"] = json!(list);
        }
        output.answer(text, &value);
        Ok(Ending::Fine)
    }
}

/// The shortest time of every step over some runs, in milliseconds.
fn profile(session: &mut Session<'_>, pool: &Pool) -> Vec<f64> {
    let (inputs, mut best) = (Inputs::draw(session), Vec::<f64>::new());
    for _ in 0..20 {
        inputs.put(session);
        let mut last = Instant::now();
        session.run_each_on(pool, |index, _| {
            let ms = last.elapsed().as_secs_f64() * 1e3;
            if index == best.len() {
                best.push(ms);
            } else if let Some(known) = best.get_mut(index) {
                *known = known.min(ms);
            }
            last = Instant::now();
        });
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drawn_numbers_are_normal() {
        let values = normal(10_000);
        let mean = values.iter().sum::<f32>() / 1e4;
        let variance = values.iter().map(|v| (v - mean) * (v - mean)).sum::<f32>() / 1e4;
        assert!(mean.abs() < 0.05 && (variance - 1.0).abs() < 0.05, "{mean} {variance}");
        assert_eq!(normal(10), values[..10]);
    }
}
