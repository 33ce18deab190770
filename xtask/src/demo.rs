//! Commands of `ocellus` that belong to the project rather than to its users.

use crate::Outcome;
use crate::process::{program, run, say_first_build};

/// Trains, quantizes, compiles and runs on the pictures that ship.
pub fn demo(arguments: &[&str]) -> Outcome {
    say_first_build();
    ocellus("demo", arguments)
}

/// Compares training steps on CPU and CUDA.
pub fn gpu_check(arguments: &[&str]) -> Outcome {
    say_first_build();
    ocellus("gpu-check", arguments)
}

fn ocellus(verb: &str, arguments: &[&str]) -> Outcome {
    run(program("ocellus")?.arg(verb).args(arguments))
}
