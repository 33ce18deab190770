//! Product of byte matrices in int32.

use ocellus_kernels::matmul_integer::{self, Params};
use ocellus_kernels::product_i8::Shape;
use ocellus_plan::args::MatMulInteger;

use super::OpEntry;
use crate::{Check, Operands, StepFault};

/// `matmul_integer`.
pub const MATMUL_INTEGER: OpEntry = OpEntry::new::<MatMulInteger>(check, run);

fn params(args: &MatMulInteger) -> Params {
    let shape = Shape { inputs: args.inputs, outputs: args.outputs };
    Params { rows: args.rows, shape, signed: args.signed != 0 }
}

fn check(c: &Check<'_>) -> Result<(), StepFault> {
    let args: MatMulInteger = c.args()?;
    let p = params(&args);
    c.count(2, 3)?;
    c.not_in_place()?;
    if args.signed > 1 {
        return Err(StepFault::Arguments);
    }
    c.write::<i32>(0, p.y_len())?;
    c.write::<u8>(1, p.scratch_bytes())?;
    c.read::<u8>(0, p.a_len())?;
    // The numbers behind the weights are words.
    c.read::<i32>(1, p.shape.packed_bytes().map(|n| n / 4))?;
    c.optional::<u8>(2, Some(1))?;
    Ok(())
}

fn run(o: &mut Operands<'_>) -> Option<()> {
    let p = params(&o.args()?);
    let a_zero = o.read::<u8>(2).and_then(|zero| zero.first().copied()).unwrap_or(0);
    let (y, scratch) = (o.write(0)?, o.write(1)?);
    matmul_integer::run(o.isa, &p, o.read(0)?, a_zero, o.read(1)?, y, scratch);
    Some(())
}
