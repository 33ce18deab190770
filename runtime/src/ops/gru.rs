//! GRU.

use ocellus_kernels::gru::{self, Outputs, Params};
use ocellus_plan::args::Gru;

use super::{OpEntry, recurrent};
use crate::{Check, Operands, StepFault};

/// `gru`.
pub const GRU: OpEntry = OpEntry::new::<Gru>(check, run);

fn params(args: &Gru) -> Option<Params> {
    let sequence = recurrent::sequence([args.steps, args.batch, args.inputs, args.hidden], args.direction)?;
    let linear_before_reset = args.linear_before_reset != 0;
    let activations = recurrent::activations(&args.activations)?;
    Some(Params { sequence, clip: args.clip, linear_before_reset, activations })
}

fn check(c: &Check<'_>) -> Result<(), StepFault> {
    let args: Gru = c.args()?;
    let p = params(&args).ok_or(StepFault::Arguments)?;
    if args.linear_before_reset > 1 {
        return Err(StepFault::Arguments);
    }
    recurrent::check(c, &p.sequence, 3, 1, 6)
}

fn run(o: &mut Operands<'_>) -> Option<()> {
    let p = params(&o.args()?)?;
    let inputs = recurrent::inputs(o)?;
    let outputs = Outputs { y: o.write(0)?, y_h: o.write(1)?, scratch: o.write(2)? };
    gru::run(o.isa, &p, &inputs, outputs);
    Some(())
}
