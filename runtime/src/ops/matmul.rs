//! Products of two activations.

use ocellus_kernels::matmul::{self, Params};
use ocellus_plan::args::MatMul;

use super::OpEntry;
use crate::{Check, Operands, StepFault};

/// `matmul`.
pub const MATMUL: OpEntry = OpEntry::new::<MatMul>(check, run);

fn params(args: &MatMul) -> Params {
    Params {
        batch: args.batch,
        a_strides: args.a_strides,
        b_strides: args.b_strides,
        rows: args.rows,
        inner: args.inner,
        columns: args.columns,
        b_transposed: args.b_transposed != 0,
    }
}

fn check(c: &Check<'_>) -> Result<(), StepFault> {
    let args: MatMul = c.args()?;
    let p = params(&args);
    if args.b_transposed > 1 {
        return Err(StepFault::Arguments);
    }
    c.count(1, 2)?;
    c.not_in_place()?;
    c.write::<f32>(0, p.y_len())?;
    c.read::<f32>(0, p.a_len())?;
    c.read::<f32>(1, p.b_len())
}

fn run(o: &mut Operands<'_>) -> Option<()> {
    let p = params(&o.args()?);
    matmul::run(o.isa, &p, o.read(0)?, o.read(1)?, o.write(0)?);
    Some(())
}
