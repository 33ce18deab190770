//! Convolutions of fewer channels than the target's vectors have lanes, in as many: f32 ones in groups by several of those, int8
//! ones to few channels by several neighbouring outputs.

use ocellus_kernels::{Level, conv_f32};
use ocellus_ops::lower::{Program, in_wider_groups, of_neighbours};

use crate::Options;

/// Widens the groups of every such convolution.
pub(crate) fn widen(program: &mut Program, options: &Options) {
    let Some(lanes) = conv_f32::lanes(options.level).filter(|_| !options.compact) else { return };
    for index in 0..program.steps.len() {
        let step = program.steps[index].clone();
        if let Some(wide) = in_wider_groups(program, &step, lanes) {
            program.steps[index] = wide;
        }
    }
}

/// Output channels that kernels with AVX-512 and AMX compute together.
const TOGETHER: u32 = 16;

/// Computes several neighbours as one output in every such convolution.
pub(crate) fn join_neighbours(program: &mut Program, options: &Options) {
    if !matches!(options.level, Level::Amx | Level::Avx512Vnni) || options.compact {
        return;
    }
    for index in 0..program.steps.len() {
        let step = program.steps[index].clone();
        if let Some(joined) = of_neighbours(program, &step, TOGETHER) {
            program.steps[index] = joined;
        }
    }
}
