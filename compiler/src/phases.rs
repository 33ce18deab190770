//! Transposed convolutions whose windows overlap as convolutions, where the target's kernels compute those faster.

use ocellus_kernels::{conv_transpose_f32, conv_transpose_i8};
use ocellus_ops::lower::{DeviceStep, Program, as_convolution, transposed};
use ocellus_plan::args::element;

use crate::Options;
use crate::pack::geometry;

/// Replaces every transposed convolution that is better off so.
pub(crate) fn split(program: &mut Program, options: &Options) {
    let mut index = 0;
    while index < program.steps.len() {
        let step = program.steps[index].clone();
        let made = if pays(program, &step, options) { as_convolution(program, &step) } else { None };
        let steps = made.unwrap_or_else(|| vec![step]);
        let count = steps.len();
        program.steps.splice(index..=index, steps);
        index += count;
    }
}

fn pays(program: &Program, step: &DeviceStep, options: &Options) -> bool {
    let Some(g) = transposed(step).map(|g| geometry(&g)) else { return false };
    let float = step.writes.first().is_some_and(|&y| program.tensors[y].element == element::F32);
    if float { conv_transpose_f32::slow(options.level, &g) } else { conv_transpose_i8::slow(options.level, &g) }
}
