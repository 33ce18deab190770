//! LSTM with int8 weights and dynamically quantized inputs.

use ocellus_kernels::lstm::{More, Outputs, Params};
use ocellus_kernels::lstm_dynamic::{self, Inputs, packed_bytes, r_shape, scratch_words, w_shape};
use ocellus_plan::args::LstmDynamic;

use super::{OpEntry, recurrent};
use crate::{Check, Operands, StepFault};

/// `lstm_dynamic`.
pub const LSTM_DYNAMIC: OpEntry = OpEntry::new::<LstmDynamic>(check, run);

fn params(args: &LstmDynamic) -> Option<Params> {
    let sequence = recurrent::sequence([args.steps, args.batch, args.inputs, args.hidden], args.direction)?;
    let (input_forget, activations) = (args.input_forget != 0, recurrent::activations(&args.activations)?);
    Some(Params { sequence, clip: args.clip, input_forget, activations })
}

fn check(c: &Check<'_>) -> Result<(), StepFault> {
    let args: LstmDynamic = c.args()?;
    let p = params(&args).ok_or(StepFault::Arguments)?;
    if args.input_forget > 1 {
        return Err(StepFault::Arguments);
    }
    let s = &p.sequence;
    c.count(4, 8)?;
    c.not_in_place()?;
    c.write::<f32>(0, s.y_len())?;
    c.write::<f32>(1, s.state_len())?;
    c.write::<f32>(2, s.state_len())?;
    c.write::<f32>(3, scratch_words(s))?;
    c.read::<f32>(0, s.x_len())?;
    // The numbers behind the weights are words.
    c.read::<i32>(1, packed_bytes(s, w_shape(s)).map(|n| n / 4))?;
    c.read::<i32>(2, packed_bytes(s, r_shape(s)).map(|n| n / 4))?;
    c.optional::<f32>(3, s.bias_len(4))?;
    c.optional::<i32>(4, Some(s.batch))?;
    c.optional::<f32>(5, s.state_len())?;
    c.optional::<f32>(6, s.state_len())?;
    c.optional::<f32>(7, p.peepholes_len())?;
    Ok(())
}

fn run(o: &mut Operands<'_>) -> Option<()> {
    let p = params(&o.args()?)?;
    let (bias, lengths, h0) = (o.read(3), o.read(4), o.read(5));
    let inputs = Inputs { x: o.read(0)?, w: o.read(1)?, r: o.read(2)?, bias, lengths, h0 };
    let more = More { c0: o.read(6), peepholes: o.read(7) };
    let outputs = Outputs { y: o.write(0)?, y_h: o.write(1)?, y_c: o.write(2)?, scratch: &mut [] };
    lstm_dynamic::run(o.isa, &p, &inputs, &more, outputs, o.write(3)?);
    Some(())
}
