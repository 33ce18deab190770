//! ONNX's conformance cases on the device: compiled to a plan and run in the runtime.

use ocellus_compiler::{Compiled, Options, Prepared as Compilable, compile};
use ocellus_graph::{DataType, Shape, Tensor};
use ocellus_runtime::{Host, HostMut, Isa, PortError, Session, with_session};

use crate::conformance::{Column, Outcome, Prepared};

/// The column of compiled plans.
pub const PLAN: Column = Column { name: "plan", run };

/// A case has every operand as an input; where the device needs some as constants (weights), all but the first become
/// constants, which leaves the answer the same.
fn run(case: &Prepared) -> Result<Vec<Tensor>, Outcome> {
    if case.inputs.is_empty() {
        return Err(Outcome::NotSupported("no input is left to run on".to_owned()));
    }
    let mut reason = String::new();
    for constants in [0, 1] {
        let keep = if constants == 0 { case.inputs.len() } else { 1 };
        let mut model = case.model.clone();
        for (name, tensor) in case.inputs.iter().skip(keep) {
            let id = model.graph.find(name).ok_or_else(|| Outcome::Failed(format!("no input {name:?}")))?;
            model.graph.inputs.retain(|&v| v != id);
            model.graph.value_mut(id).shape = Some(Shape::fixed(tensor.shape()));
            model.graph.initializers.insert(id, tensor.clone());
        }
        if constants == 1 {
            // What follows from the constants (shapes, most of all) is known now.
            ocellus_ops::infer(&mut model).map_err(|e| Outcome::NotSupported(e.to_string()))?;
        }
        let refused = match compile(&Compilable { model, assumed: Vec::new() }, &Options::default()) {
            Ok(compiled) => {
                let inputs = &case.inputs[..keep.min(case.inputs.len())];
                return execute(&compiled.bytes, inputs).map_err(|e| with_steps(e, &compiled));
            }
            Err(error) => error.to_string(),
        };
        if reason.is_empty() {
            reason = refused;
        }
    }
    Err(Outcome::NotSupported(reason))
}

/// A failure with the names of the steps, which it counts.
fn with_steps(outcome: Outcome, compiled: &Compiled) -> Outcome {
    match outcome {
        Outcome::Failed(why) => {
            let steps: Vec<_> = compiled.report.steps.iter().map(|s| s.name.as_str()).collect();
            Outcome::Failed(format!("{why}; steps: {}", steps.join(", ")))
        }
        other => other,
    }
}

fn execute(plan: &[u8], inputs: &[(String, Tensor)]) -> Result<Vec<Tensor>, Outcome> {
    let run = |session: &mut Session<'_>| -> Result<Vec<Tensor>, PortError> {
        let names: Vec<String> = session.plan().inputs().map(|p| p.name.to_owned()).collect();
        for (i, name) in names.iter().enumerate() {
            if let Some((_, tensor)) = inputs.iter().find(|(n, _)| n == name) {
                put(session, i, tensor)?;
            }
        }
        session.run();
        let count = session.plan().outputs().count();
        (0..count).map(|i| take(session, i)).collect()
    };
    let done =
        with_session(plan, Isa::best(), run).map_err(|e| Outcome::Failed(format!("the plan does not load: {e}")))?;
    done.map_err(|e| Outcome::Failed(e.to_string()))
}

fn put(session: &mut Session<'_>, index: usize, tensor: &Tensor) -> Result<(), PortError> {
    let bools;
    let host = match tensor.dtype() {
        DataType::I8 => tensor.view().map(Host::I8),
        DataType::U8 => tensor.view().map(Host::U8),
        DataType::I32 => tensor.view().map(Host::I32),
        DataType::I64 => tensor.view().map(Host::I64),
        DataType::Bool => {
            bools = tensor.to_le_bytes().unwrap_or_default();
            Some(Host::Bool(&bools))
        }
        _ => tensor.view().map(Host::F32),
    };
    session.set_input(index, host.ok_or(PortError::NoSuchPort { index })?)
}

fn take(session: &Session<'_>, index: usize) -> Result<Tensor, PortError> {
    use ocellus_plan::HostType;
    let port = session.plan().outputs().nth(index).ok_or(PortError::NoSuchPort { index })?;
    let shape: Vec<usize> = port.shape().iter().map(|&n| n as usize).collect();
    let n = port.elements();
    macro_rules! read {
        ($type:ty, $variant:ident) => {{
            let mut values = vec![<$type>::default(); n];
            session.output(index, HostMut::$variant(&mut values))?;
            Tensor::of(&shape, values)
        }};
    }
    Ok(match port.host {
        HostType::F32 => read!(f32, F32),
        HostType::I8 => read!(i8, I8),
        HostType::U8 => read!(u8, U8),
        HostType::I32 => read!(i32, I32),
        HostType::I64 => read!(i64, I64),
        HostType::Bool => {
            let mut values = vec![0u8; n];
            session.output(index, HostMut::Bool(&mut values))?;
            Tensor::of(&shape, values.into_iter().map(|v| v != 0).collect())
        }
    })
}
