//! GRU with weights of 16 bits.

use ocellus_plan::args::GruHalf;

use super::{OpEntry, gru, recurrent};
use crate::{Check, Operands, StepFault};

/// `gru_half`.
pub const GRU_HALF: OpEntry = OpEntry::new::<GruHalf>(check, run);

fn check(c: &Check<'_>) -> Result<(), StepFault> {
    let GruHalf { layer, layout } = c.args()?;
    gru::check_as(c, &layer, recurrent::stored(layout)?)
}

fn run(o: &mut Operands<'_>) -> Option<()> {
    let GruHalf { layer, layout } = o.args()?;
    gru::run_as(o, &layer, recurrent::stored(layout).ok()?)
}
