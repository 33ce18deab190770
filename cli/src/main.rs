//! The `ocellus` command: one file per verb.
//!
//! Every verb takes `--json` and then prints one JSON object on standard output; progress and notes go to standard error.
//! The exit status is 0 where all is well, 1 where something failed, 2 where the command was used wrongly.

mod arguments;
mod cache;
mod calibration;
mod caption_accuracy;
mod captioning;
mod dataset;
mod draw;
mod kernel;
mod layers;
mod look;
mod map;
mod memory;
mod mixed;
mod model_file;
mod npy;
mod output;
mod peak;
mod picture;
mod plan_accuracy;
mod preprocess;
mod progress;
mod scene_accuracy;
mod scenes;
mod seen;
mod tensors;
mod verbs;

use std::process::ExitCode;

use clap::Parser;

use crate::output::{Ending, Output, Usage};
use crate::verbs::Verb;

/// Trains vision networks, quantizes them, and runs them in memory known beforehand.
#[derive(Parser)]
#[command(name = "ocellus", version, about, arg_required_else_help = true)]
struct Arguments {
    /// Print one JSON object on standard output instead of text.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    verb: Verb,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse(); // wrong usage ends here with status 2
    let output = Output { json: arguments.json };
    match arguments.verb.run(&output) {
        Ok(Ending::Fine) => ExitCode::SUCCESS,
        Ok(Ending::Failed) => ExitCode::from(1),
        Err(error) => {
            output.error(&error);
            ExitCode::from(if error.is::<Usage>() { 2 } else { 1 })
        }
    }
}
