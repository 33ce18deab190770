//! One file per verb.

use anyhow::Result;
use clap::Subcommand;

use crate::output::{Ending, Output};
use crate::verbs::deferred::Deferred;

mod bench;
mod caption;
mod check;
mod compile;
mod deferred;
mod demo;
mod detect;
mod eval;
mod eval_scenes;
mod export;
pub mod fetch;
mod gpu_check;
mod halve;
mod import;
mod inspect;
mod ops;
mod quantize;
mod run;
mod scenes;
pub mod segment;
mod train;
mod train_scenes;
mod verify;

/// What `ocellus` can do.
#[derive(Subcommand)]
pub enum Verb {
    /// List every node of a model that the device cannot run.
    Check(Deferred<check::Check>),
    /// Compile a model into a plan, and say what memory it needs.
    Compile(Deferred<compile::Compile>),
    /// Run a model or a plan on arrays in .npy files.
    Run(Deferred<run::Run>),
    /// Measure the time of a run.
    Bench(Deferred<bench::Bench>),
    /// Compare the compiled plan with the reference, layer by layer.
    Verify(Deferred<verify::Verify>),
    /// Turn a float model into an 8-bit model.
    Quantize(Deferred<quantize::Quantize>),
    /// Write a float model with weights in 16 bits.
    Halve(Deferred<halve::Halve>),
    /// Find objects in a picture.
    Detect(Deferred<detect::Detect>),
    /// Name a class for every pixel of a picture.
    Segment(Deferred<segment::Segment>),
    /// Say what a picture shows.
    Caption(Deferred<caption::Caption>),
    /// Train a network of the zoo.
    Train(Deferred<Box<train::Train>>),
    /// Measure the accuracy of a model or a plan.
    Eval(Deferred<eval::Eval>),
    /// Write everything that leaves the workstation: models, plans, card, self-tests.
    Export(Deferred<Box<export::Export>>),
    /// Bring weights of other tools into a network of the zoo.
    Import(Deferred<import::Import>),
    /// Show what is in a file.
    Inspect(Deferred<inspect::Inspect>),
    /// List the operators with their rules.
    Ops(Deferred<ops::Ops>),
    /// Write a set of scenes as pictures with COCO annotations.
    Scenes(Deferred<scenes::Scenes>),
    /// Download a data set into the cache folder.
    Fetch(Deferred<fetch::Fetch>),
    /// The whole chain on the pictures that ship; `cargo xtask demo`.
    #[command(hide = true)]
    Demo(Deferred<demo::Demo>),
    /// Training steps on CPU and CUDA against each other; `cargo xtask gpu-check`.
    #[command(hide = true)]
    GpuCheck(Deferred<gpu_check::GpuCheck>),
}

impl Verb {
    /// Does it.
    ///
    /// # Errors
    /// What went wrong, with what to do about it.
    pub fn run(&self, output: &Output) -> Result<Ending> {
        match self {
            Self::Check(verb) => verb.run(output),
            Self::Compile(verb) => verb.run(output),
            Self::Run(verb) => verb.run(output),
            Self::Bench(verb) => verb.run(output),
            Self::Verify(verb) => verb.run(output),
            Self::Quantize(verb) => verb.run(output),
            Self::Halve(verb) => verb.run(output),
            Self::Detect(verb) => verb.run(output),
            Self::Segment(verb) => verb.run(output),
            Self::Caption(verb) => verb.run(output),
            Self::Train(verb) => verb.run(output),
            Self::Eval(verb) => verb.run(output),
            Self::Export(verb) => verb.run(output),
            Self::Import(verb) => verb.run(output),
            Self::Inspect(verb) => verb.run(output),
            Self::Ops(verb) => verb.run(output),
            Self::Scenes(verb) => verb.run(output),
            Self::Fetch(verb) => verb.run(output),
            Self::Demo(verb) => verb.run(output),
            Self::GpuCheck(verb) => verb.run(output),
        }
    }
}
