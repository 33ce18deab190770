//! RNN with weights of 16 bits.

use ocellus_plan::args::RnnHalf;

use super::{OpEntry, recurrent, rnn};
use crate::{Check, Operands, StepFault};

/// `rnn_half`.
pub const RNN_HALF: OpEntry = OpEntry::new::<RnnHalf>(check, run);

fn check(c: &Check<'_>) -> Result<(), StepFault> {
    let RnnHalf { layer, layout } = c.args()?;
    rnn::check_as(c, &layer, recurrent::stored(layout)?)
}

fn run(o: &mut Operands<'_>) -> Option<()> {
    let RnnHalf { layer, layout } = o.args()?;
    rnn::run_as(o, &layer, recurrent::stored(layout).ok()?)
}
