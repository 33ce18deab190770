//! What the recurrent operations share: their common operands.

use ocellus_kernels::half::Storage;
use ocellus_kernels::recurrent::{Direction, Inputs, Sequence};
use ocellus_kernels::unary;
use ocellus_plan::args::{Activation, FloatLayout};

use super::storage;
use crate::{Check, Operands, StepFault};

/// T, B, I, H and the direction's number, as plans have them.
pub(super) fn sequence(sizes: [u32; 4], direction: u32) -> Option<Sequence> {
    let [steps, batch, inputs, hidden] = sizes;
    Some(Sequence { steps, batch, inputs, hidden, direction: Direction::from_number(direction)? })
}

/// The activations of the gates; `None` where a function is not known.
pub(super) fn activations<const N: usize>(given: &[Activation; N]) -> Option<[unary::Params; N]> {
    let mut all = [unary::Params { function: unary::Function::Relu, alpha: 0.0, beta: 0.0 }; N];
    for (to, from) in all.iter_mut().zip(given) {
        let function = unary::Function::from_number(from.function)?;
        *to = unary::Params { function, alpha: from.alpha, beta: from.beta };
    }
    Some(all)
}

/// What weights of 16 bits are stored in, by the number of their layout.
pub(super) fn stored(layout: u32) -> Result<Storage, StepFault> {
    match layout {
        FloatLayout::ROWS_F16 => Ok(Storage::F16),
        FloatLayout::ROWS_BF16 => Ok(Storage::Bf16),
        _ => Err(StepFault::Layout(layout)),
    }
}

/// What tells the layers apart.
pub(super) struct Kind {
    /// Gates.
    pub gates: u32,
    /// States that are written.
    pub states: usize,
    /// Operands that are read, at most.
    pub reads: usize,
}

/// Checks y, the states, the scratch behind them, x, w, r, and the optional bias, lengths and h0: reads 0 to 5.
pub(super) fn check(c: &Check<'_>, s: &Sequence, kind: &Kind, storage: Storage) -> Result<(), StepFault> {
    let (writes, reads) = (c.step.writes().count(), c.step.reads().count());
    if writes != kind.states + 2 || reads < 3 || reads > kind.reads {
        return Err(StepFault::Operand);
    }
    c.not_in_place()?;
    c.write::<f32>(0, s.y_len())?;
    for state in 1..=kind.states {
        c.write::<f32>(state, s.state_len())?;
    }
    c.write::<f32>(kind.states + 1, s.scratch_len(kind.gates))?;
    c.read::<f32>(0, s.x_len())?;
    storage::check(c, 1, storage, s.w_len(kind.gates))?;
    storage::check(c, 2, storage, s.r_len(kind.gates))?;
    c.optional::<f32>(3, s.bias_len(kind.gates))?;
    c.optional::<i32>(4, Some(s.batch))?;
    c.optional::<f32>(5, s.state_len())?;
    Ok(())
}

/// Reads 0 to 5, weights of this storage.
pub(super) fn inputs<'a>(o: &Operands<'a>, storage: Storage) -> Option<Inputs<'a>> {
    let (w, r) = (storage::read(o, 1, storage)?, storage::read(o, 2, storage)?);
    Some(Inputs { x: o.read(0)?, w, r, bias: o.read(3), lengths: o.read(4), h0: o.read(5) })
}
