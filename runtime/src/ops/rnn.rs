//! RNN.

use ocellus_kernels::rnn::{self, Outputs, Params};
use ocellus_plan::args::Rnn;

use super::{OpEntry, recurrent};
use crate::{Check, Operands, StepFault};

/// `rnn`.
pub const RNN: OpEntry = OpEntry::new::<Rnn>(check, run);

fn params(args: &Rnn) -> Option<Params> {
    let sequence = recurrent::sequence([args.steps, args.batch, args.inputs, args.hidden], args.direction)?;
    Some(Params { sequence, clip: args.clip, activations: recurrent::activations(&args.activations)? })
}

fn check(c: &Check<'_>) -> Result<(), StepFault> {
    let p = params(&c.args()?).ok_or(StepFault::Arguments)?;
    recurrent::check(c, &p.sequence, 1, 1, 6)
}

fn run(o: &mut Operands<'_>) -> Option<()> {
    let p = params(&o.args()?)?;
    let inputs = recurrent::inputs(o)?;
    let outputs = Outputs { y: o.write(0)?, y_h: o.write(1)?, scratch: o.write(2)? };
    rnn::run(o.isa, &p, &inputs, outputs);
    Some(())
}
