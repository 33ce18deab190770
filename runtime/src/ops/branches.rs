//! Steps that do not depend on each other: what announces them. [`crate::branches`] runs them.

use ocellus_plan::args::Branches;

use super::OpEntry;
use crate::{Check, Operands, StepFault};

/// `branches`.
pub const BRANCHES: OpEntry = OpEntry::new::<Branches>(check, run);

fn check(c: &Check<'_>) -> Result<(), StepFault> {
    let args: Branches = c.args()?;
    if args.first == 0 || args.second == 0 {
        return Err(StepFault::Arguments);
    }
    c.count(0, 0)
}

/// Nothing: the steps that follow do everything.
fn run(_: &mut Operands<'_>) -> Option<()> {
    Some(())
}
