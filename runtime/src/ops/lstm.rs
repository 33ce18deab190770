//! LSTM.

use ocellus_kernels::half::Storage;
use ocellus_kernels::lstm::{self, More, Outputs, Params};
use ocellus_plan::args::Lstm;

use super::{OpEntry, recurrent};
use crate::{Check, Operands, StepFault};

/// `lstm`.
pub const LSTM: OpEntry = OpEntry::new::<Lstm>(check, run);

const KIND: recurrent::Kind = recurrent::Kind { gates: 4, states: 2, reads: 8 };

fn params(args: &Lstm) -> Option<Params> {
    let sequence = recurrent::sequence([args.steps, args.batch, args.inputs, args.hidden], args.direction)?;
    let (input_forget, activations) = (args.input_forget != 0, recurrent::activations(&args.activations)?);
    Some(Params { sequence, clip: args.clip, input_forget, activations })
}

fn check(c: &Check<'_>) -> Result<(), StepFault> {
    check_as(c, &c.args()?, Storage::F32)
}

/// Checks a layer with weights of this storage.
pub(super) fn check_as(c: &Check<'_>, args: &Lstm, storage: Storage) -> Result<(), StepFault> {
    let p = params(args).ok_or(StepFault::Arguments)?;
    if args.input_forget > 1 {
        return Err(StepFault::Arguments);
    }
    recurrent::check(c, &p.sequence, &KIND, storage)?;
    c.optional::<f32>(6, p.sequence.state_len())?;
    c.optional::<f32>(7, p.peepholes_len())?;
    Ok(())
}

fn run(o: &mut Operands<'_>) -> Option<()> {
    let args = o.args()?;
    run_as(o, &args, Storage::F32)
}

/// Runs a layer with weights of this storage.
pub(super) fn run_as(o: &mut Operands<'_>, args: &Lstm, storage: Storage) -> Option<()> {
    let p = params(args)?;
    let (inputs, more) = (recurrent::inputs(o, storage)?, More { c0: o.read(6), peepholes: o.read(7) });
    let outputs = Outputs { y: o.write(0)?, y_h: o.write(1)?, y_c: o.write(2)?, scratch: o.write(3)? };
    lstm::run(o.isa, &p, &inputs, &more, outputs);
    Some(())
}
