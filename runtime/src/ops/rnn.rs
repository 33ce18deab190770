//! RNN.

use ocellus_kernels::half::Storage;
use ocellus_kernels::rnn::{self, Outputs, Params};
use ocellus_plan::args::Rnn;

use super::{OpEntry, recurrent};
use crate::{Check, Operands, StepFault};

/// `rnn`.
pub const RNN: OpEntry = OpEntry::new::<Rnn>(check, run);

const KIND: recurrent::Kind = recurrent::Kind { gates: 1, states: 1, reads: 6 };

fn params(args: &Rnn) -> Option<Params> {
    let sequence = recurrent::sequence([args.steps, args.batch, args.inputs, args.hidden], args.direction)?;
    Some(Params { sequence, clip: args.clip, activations: recurrent::activations(&args.activations)? })
}

fn check(c: &Check<'_>) -> Result<(), StepFault> {
    check_as(c, &c.args()?, Storage::F32)
}

/// Checks a layer with weights of this storage.
pub(super) fn check_as(c: &Check<'_>, args: &Rnn, storage: Storage) -> Result<(), StepFault> {
    let p = params(args).ok_or(StepFault::Arguments)?;
    recurrent::check(c, &p.sequence, &KIND, storage)
}

fn run(o: &mut Operands<'_>) -> Option<()> {
    let args = o.args()?;
    run_as(o, &args, Storage::F32)
}

/// Runs a layer with weights of this storage.
pub(super) fn run_as(o: &mut Operands<'_>, args: &Rnn, storage: Storage) -> Option<()> {
    let (p, inputs) = (params(args)?, recurrent::inputs(o, storage)?);
    let outputs = Outputs { y: o.write(0)?, y_h: o.write(1)?, scratch: o.write(2)? };
    rnn::run(o.isa, &p, &inputs, outputs);
    Some(())
}
