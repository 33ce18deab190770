//! Float to bytes with the scale of their own range.

use ocellus_kernels::quantize_dynamic;
use ocellus_plan::args::QuantizeDynamic;

use super::OpEntry;
use crate::{Check, Operands, StepFault};

/// `quantize_dynamic`.
pub const QUANTIZE_DYNAMIC: OpEntry = OpEntry::new::<QuantizeDynamic>(check, run);

fn check(c: &Check<'_>) -> Result<(), StepFault> {
    let args: QuantizeDynamic = c.args()?;
    c.count(3, 1)?;
    c.not_in_place()?;
    c.write::<u8>(0, Some(args.len))?;
    c.write::<f32>(1, Some(1))?;
    c.write::<u8>(2, Some(1))?;
    c.read::<f32>(0, Some(args.len))
}

fn run(o: &mut Operands<'_>) -> Option<()> {
    let found = quantize_dynamic::run(o.isa, o.read(0)?, o.write(0)?);
    *o.write::<f32>(1)?.first_mut()? = found.scale;
    *o.write::<u8>(2)?.first_mut()? = found.zero_point;
    Some(())
}
