//! A choice between two operands.

use ocellus_kernels::select::{self, Params};
use ocellus_plan::args::Select;

use super::OpEntry;
use crate::{Check, Operands, StepFault};

/// `select`.
pub const SELECT: OpEntry = OpEntry::new::<Select>(check, run);

fn params(args: &Select) -> Params {
    Params {
        element_bytes: args.element_bytes,
        sizes: args.sizes,
        condition_strides: args.condition_strides,
        a_strides: args.a_strides,
        b_strides: args.b_strides,
    }
}

fn check(c: &Check<'_>) -> Result<(), StepFault> {
    let p = params(&c.args()?);
    c.count(1, 3)?;
    c.not_in_place()?;
    // Elements move as bytes: alignment is not bound to them.
    c.write::<u8>(0, p.y_bytes())?;
    c.read::<u8>(0, p.condition_len())?;
    c.read::<u8>(1, p.a_bytes())?;
    c.read::<u8>(2, p.b_bytes())
}

fn run(o: &mut Operands<'_>) -> Option<()> {
    let p = params(&o.args()?);
    let y = o.write(0)?;
    select::run(o.isa, &p, o.read(0)?, o.read(1)?, o.read(2)?, y);
    Some(())
}
