//! Steps that run beside each other: what announces them. [`crate::lanes`] runs them.

use ocellus_plan::args::Lanes;

use super::OpEntry;
use crate::{Check, Operands, StepFault};

/// `lanes`.
pub const LANES: OpEntry = OpEntry::new::<Lanes>(check, run);

fn check(c: &Check<'_>) -> Result<(), StepFault> {
    let args: Lanes = c.args()?;
    c.count(2, 0)?;
    let y = c.step.writes().next().map_or(0, |y| y.len);
    let before_last = args.bands.checked_sub(1).and_then(|n| n.checked_mul(args.piece));
    let pieces = before_last.is_some_and(|start| start < y && y.abs_diff(start) <= args.piece);
    if !pieces || args.memory == 0 || args.memories == 0 || args.steps == 0 {
        return Err(StepFault::Arguments);
    }
    c.write::<u8>(0, Some(y))?;
    c.write::<u8>(1, args.memory.checked_mul(args.memories))
}

/// Nothing: the steps that follow do everything.
fn run(_: &mut Operands<'_>) -> Option<()> {
    Some(())
}
