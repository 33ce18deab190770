//! Between element types.

use ocellus_kernels::cast::{self, Element};
use ocellus_plan::args::Cast;

use super::OpEntry;
use crate::{Check, Operands, StepFault};

/// `cast`.
pub const CAST: OpEntry = OpEntry::new::<Cast>(check, run);

fn elements(args: &Cast) -> Option<(Element, Element)> {
    Some((Element::from_number(args.from)?, Element::from_number(args.to)?))
}

fn check(c: &Check<'_>) -> Result<(), StepFault> {
    let args: Cast = c.args()?;
    let (from, to) = elements(&args).ok_or(StepFault::Arguments)?;
    c.count(1, 1)?;
    c.not_in_place()?;
    let len = Some(args.len);
    match to.size() {
        1 => c.write::<u8>(0, len)?,
        4 => c.write::<u32>(0, len)?,
        _ => c.write::<u64>(0, len)?,
    }
    match from.size() {
        1 => c.read::<u8>(0, len),
        4 => c.read::<u32>(0, len),
        _ => c.read::<u64>(0, len),
    }
}

fn run(o: &mut Operands<'_>) -> Option<()> {
    let (from, to) = elements(&o.args()?)?;
    cast::run(o.isa, (from, o.read(0)?), (to, o.write(0)?));
    Some(())
}
