//! `ocellus compile`: a model into a plan.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;
use ocellus_compiler::{Options, Processor, Report, Storage, compile, rust_source};
use ocellus_graph::onnx::write_atomic;
use serde_json::{Value, json};

use crate::arguments::{bytes, named_shape, processor, storage};
use crate::model_file::load_prepared;
use crate::output::{Ending, Output};

/// `ocellus compile MODEL.onnx -o M.plan`
#[derive(Args)]
pub struct Compile {
    /// The ONNX file.
    model: PathBuf,
    /// The plan to write.
    #[arg(short, long)]
    output: PathBuf,
    /// Also write a Rust module for firmware: it includes the plan and names only the operations that the plan uses.
    #[arg(long, value_name = "FILE.rs")]
    rust: Option<PathBuf>,
    /// The largest arena allowed, such as 64k or 1M; a larger one is an error that names the peak.
    #[arg(long, value_name = "BYTES", value_parser = bytes)]
    max_ram: Option<usize>,
    /// Sizes of an input, such as input=1,3,224,224; symbolic sizes without it are 1.
    #[arg(long = "shape", value_name = "NAME=SIZES", value_parser = named_shape)]
    shapes: Vec<(String, Vec<usize>)>,
    /// What the plan is for: native, portable, sse41, avx2, avxvnni, avx512vnni, amx, or a processor that need not be this one:
    /// x86-64-v2, x86-64-v3, x86-64-v3+avxvnni, x86-64-v4, x86-64-v4+amx, x86-64-v4+bf16, aarch64, aarch64+fp16, cortex-m4,
    /// cortex-m7, cortex-m55.
    #[arg(long, default_value = "native", value_parser = processor)]
    target: Processor,
    /// What the weights of float layers are stored in: f32, f16 or bf16. Half the plan, and sums are f32 as before, but for
    /// aarch64+fp16, which stores f16 without this option and sums 32 products at a time in f16; x86-64-v4+bf16 stores bf16
    /// and rounds the inputs of convolutions and fully connected layers to it, too.
    #[arg(long, value_name = "TYPE", value_parser = storage)]
    float: Option<Storage>,
    /// How many threads are to share bands of steps, each with memory of its own: 1 needs the least memory. A plan runs on any
    /// number of threads; boards have one.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=8))]
    threads: u32,
    /// Keep weights in their own size: 3x3 kernels are not stored as Winograd's transform, which is larger and faster on
    /// x86-64 (boards never have it).
    #[arg(long)]
    compact: bool,
}

impl Compile {
    /// Compiles.
    ///
    /// # Errors
    /// A model that cannot be compiled or needs too much memory, or a file that cannot be written.
    pub fn run(&self, output: &Output) -> Result<Ending> {
        let prepared = load_prepared(&self.model, &self.shapes, output)?;
        let Processor { stack, .. } = self.target;
        let options = self.target.options();
        let float = self.float.unwrap_or(options.float);
        let (max_ram, threads) = (self.max_ram, self.threads);
        let options = Options { max_ram, threads, float, compact: self.compact, ..options };
        let compiled = compile(&prepared, &options)?;
        let save = |path: &PathBuf, content: &[u8]| {
            write_atomic(path, content).with_context(|| format!("{} cannot be written", path.display()))
        };
        save(&self.output, &compiled.bytes)?;
        if let Some(path) = &self.rust {
            let source = rust_source(&compiled.bytes, &self.output.display().to_string());
            save(path, source.context("the plan cannot be read back")?.as_bytes())?;
        }
        let mut value = report_json(&compiled.report);
        value["plan"] = json!(self.output);
        value["assumed"] = json!(prepared.assumed);
        value["stack_bytes"] = json!(stack);
        let stack = stack.map_or_else(String::new, |n| format!("stack        {n:>12} bytes at most\n"));
        output.answer(format!("{}{stack}wrote {}", compiled.report, self.output.display()), &value);
        Ok(Ending::Fine)
    }
}

/// The compiler's report as JSON.
pub fn report_json(report: &Report) -> Value {
    let peak: Vec<_> = report.peak().iter().map(|s| json!({ "op": s.name, "live_bytes": s.live_bytes })).collect();
    json!({
        "arena_bytes": report.arena_bytes,
        "arena_lower_bound": report.arena_lower_bound,
        "weights_bytes": report.weights_bytes,
        "step_table_bytes": report.step_words * 4,
        "plan_bytes": report.plan_bytes,
        "macs": report.macs,
        "code_bytes": report.code_bytes,
        "steps": report.steps.len(),
        "peak": peak,
    })
}
