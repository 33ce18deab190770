//! LSTM with weights of 16 bits.

use ocellus_plan::args::LstmHalf;

use super::{OpEntry, lstm, recurrent};
use crate::{Check, Operands, StepFault};

/// `lstm_half`.
pub const LSTM_HALF: OpEntry = OpEntry::new::<LstmHalf>(check, run);

fn check(c: &Check<'_>) -> Result<(), StepFault> {
    let LstmHalf { layer, layout } = c.args()?;
    lstm::check_as(c, &layer, recurrent::stored(layout)?)
}

fn run(o: &mut Operands<'_>) -> Option<()> {
    let LstmHalf { layer, layout } = o.args()?;
    lstm::run_as(o, &layer, recurrent::stored(layout).ok()?)
}
