//! f32 convolutions in groups of fewer channels than the target's vectors have lanes, in groups of as many.

use ocellus_kernels::conv_f32;
use ocellus_ops::lower::{Program, in_wider_groups};

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
