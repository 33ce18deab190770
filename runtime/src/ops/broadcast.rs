//! Operands of a plan that meet by broadcasting.

use ocellus_kernels::Pod;
use ocellus_kernels::broadcast::Broadcast;
use ocellus_plan::{Space, args};

use crate::{Check, StepFault};

/// The kernels' form of a plan's broadcasting.
pub(crate) fn of(b: &args::Broadcast) -> Broadcast {
    Broadcast { sizes: b.sizes, a_strides: b.a_strides, b_strides: b.b_strides }
}

/// Checks the operands of an elementwise function of two tensors, of which each may be in place where it has the output's
/// own strides.
pub(crate) fn check<T: Pod>(c: &Check<'_>, b: &Broadcast) -> Result<(), StepFault> {
    c.count(1, 2)?;
    c.write::<T>(0, b.outputs())?;
    c.read::<T>(0, b.a_len())?;
    c.read::<T>(1, b.b_len())?;
    let in_place = |index| c.step.reads().nth(index).is_some_and(|o| o.space == Space::InPlace);
    let allowed = (!in_place(0) || b.a_in_place()) && (!in_place(1) || b.b_in_place());
    if allowed { Ok(()) } else { Err(StepFault::Operand) }
}
