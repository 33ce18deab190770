//! What the recurrent operations share: their common operands.

use ocellus_kernels::recurrent::{Direction, Inputs, Sequence};
use ocellus_kernels::unary;
use ocellus_plan::args::Activation;

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

/// Checks y, the states, the scratch behind them, x, w, r, and the optional bias, lengths and h0: reads 0 to 5.
pub(super) fn check(
    c: &Check<'_>,
    s: &Sequence,
    gates: u32,
    states: usize,
    most_reads: usize,
) -> Result<(), StepFault> {
    let (writes, reads) = (c.step.writes().count(), c.step.reads().count());
    if writes != states + 2 || reads < 3 || reads > most_reads {
        return Err(StepFault::Operand);
    }
    c.not_in_place()?;
    c.write::<f32>(0, s.y_len())?;
    for state in 1..=states {
        c.write::<f32>(state, s.state_len())?;
    }
    c.write::<f32>(states + 1, s.scratch_len(gates))?;
    c.read::<f32>(0, s.x_len())?;
    c.read::<f32>(1, s.w_len(gates))?;
    c.read::<f32>(2, s.r_len(gates))?;
    c.optional::<f32>(3, s.bias_len(gates))?;
    c.optional::<i32>(4, Some(s.batch))?;
    c.optional::<f32>(5, s.state_len())?;
    Ok(())
}

/// Reads 0 to 5.
pub(super) fn inputs<'a>(o: &Operands<'a>) -> Option<Inputs<'a>> {
    Some(Inputs { x: o.read(0)?, w: o.read(1)?, r: o.read(2)?, bias: o.read(3), lengths: o.read(4), h0: o.read(5) })
}
