//! One value everywhere.

use ocellus_kernels::fill::{self, Params};
use ocellus_plan::args::Fill;

use super::OpEntry;
use crate::{Check, Operands, StepFault};

/// `fill`.
pub const FILL: OpEntry = OpEntry::new::<Fill>(check, run);

fn params(args: &Fill) -> Params {
    Params { element_bytes: args.element_bytes, value: u64::from(args.value_high) << 32 | u64::from(args.value) }
}

fn check(c: &Check<'_>) -> Result<(), StepFault> {
    let args: Fill = c.args()?;
    c.count(1, 0)?;
    if !params(&args).check() {
        return Err(StepFault::Arguments);
    }
    c.write::<u8>(0, args.len.checked_mul(args.element_bytes))
}

fn run(o: &mut Operands<'_>) -> Option<()> {
    let p = params(&o.args()?);
    fill::run(&p, o.write(0)?);
    Some(())
}
