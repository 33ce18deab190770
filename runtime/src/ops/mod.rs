//! One file per device operation: its check at loading and its call of the kernel.

use crate::{Check, Operands, StepFault};

/// A device operation: how its steps are checked and run.
#[derive(Clone, Copy)]
pub struct OpEntry {
    /// Its number in plans.
    pub code: u16,
    /// Its name in reports.
    pub name: &'static str,
    /// Checks a step completely, so that `run` finds every operand as it expects it.
    pub check: fn(&Check<'_>) -> Result<(), StepFault>,
    /// Runs a checked step. `None` only where the step was not checked.
    pub run: fn(&mut Operands<'_>) -> Option<()>,
}

impl OpEntry {
    /// The entry of the operation with these arguments.
    pub const fn new<A: ocellus_plan::Arguments>(
        check: fn(&Check<'_>) -> Result<(), StepFault>,
        run: fn(&mut Operands<'_>) -> Option<()>,
    ) -> Self {
        Self { code: A::CODE, name: A::NAME, check, run }
    }
}

/// The product of sizes, where it fits.
pub(crate) fn product(sizes: &[u32]) -> Option<u32> {
    sizes.iter().try_fold(1u32, |n, &d| n.checked_mul(d))
}

mod geometry;
mod table_i8;

pub use table_i8::TABLE_I8;

/// Every operation.
pub static ALL: &[OpEntry] = &[TABLE_I8];
