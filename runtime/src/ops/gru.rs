//! GRU.

use ocellus_kernels::gru::{self, Outputs, Params};
use ocellus_kernels::half::Storage;
use ocellus_plan::args::Gru;

use super::{OpEntry, recurrent};
use crate::{Check, Operands, StepFault};

/// `gru`.
pub const GRU: OpEntry = OpEntry::new::<Gru>(check, run);

const KIND: recurrent::Kind = recurrent::Kind { gates: 3, states: 1, reads: 6 };

fn params(args: &Gru) -> Option<Params> {
    let sequence = recurrent::sequence([args.steps, args.batch, args.inputs, args.hidden], args.direction)?;
    let linear_before_reset = args.linear_before_reset != 0;
    let activations = recurrent::activations(&args.activations)?;
    Some(Params { sequence, clip: args.clip, linear_before_reset, activations })
}

fn check(c: &Check<'_>) -> Result<(), StepFault> {
    check_as(c, &c.args()?, Storage::F32)
}

/// Checks a layer with weights of this storage.
pub(super) fn check_as(c: &Check<'_>, args: &Gru, storage: Storage) -> Result<(), StepFault> {
    let p = params(args).ok_or(StepFault::Arguments)?;
    if args.linear_before_reset > 1 {
        return Err(StepFault::Arguments);
    }
    recurrent::check(c, &p.sequence, &KIND, storage)
}

fn run(o: &mut Operands<'_>) -> Option<()> {
    let args = o.args()?;
    run_as(o, &args, Storage::F32)
}

/// Runs a layer with weights of this storage.
pub(super) fn run_as(o: &mut Operands<'_>, args: &Gru, storage: Storage) -> Option<()> {
    let (p, inputs) = (params(args)?, recurrent::inputs(o, storage)?);
    let outputs = Outputs { y: o.write(0)?, y_h: o.write(1)?, scratch: o.write(2)? };
    gru::run(o.isa, &p, &inputs, outputs);
    Some(())
}
