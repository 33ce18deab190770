//! Tensors into a session and out of it.

use anyhow::{Context, Result, bail};
use ocellus_graph::{Tensor, TensorData};
use ocellus_plan::{HostType, Port};
use ocellus_runtime::{Host, HostMut, Session};

/// An input or output in words: `"input" (f32 [1, 3, 224, 224])`.
pub fn describe(port: &Port<'_>) -> String {
    format!("{:?} ({} {:?})", port.name, port.host.name(), port.shape())
}

/// Sets every input by name.
///
/// # Errors
/// An input that is missing, unknown or given twice, or a tensor of another type or shape; the message says what is
/// expected.
pub fn set_inputs(session: &mut Session<'_>, given: &[(String, Tensor)]) -> Result<()> {
    let ports: Vec<Port<'_>> = session.plan().inputs().collect();
    let known = || ports.iter().map(describe).collect::<Vec<_>>().join(", ");
    for (i, (name, _)) in given.iter().enumerate() {
        if !ports.iter().any(|p| p.name == name) {
            bail!("there is no input {name:?}; the inputs are {}", known());
        }
        if given[..i].iter().any(|(n, _)| n == name) {
            bail!("input {name:?} is given twice");
        }
    }
    for (index, port) in ports.iter().enumerate() {
        let tensor = given.iter().find(|(n, _)| n == port.name);
        let (_, tensor) = tensor.with_context(|| format!("input {} is not given", describe(port)))?;
        set_input(session, index, port, tensor)?;
    }
    Ok(())
}

/// Sets one input.
///
/// # Errors
/// A tensor of another type or shape.
pub fn set_input(session: &mut Session<'_>, index: usize, port: &Port<'_>, tensor: &Tensor) -> Result<()> {
    let shape: Vec<usize> = port.shape().iter().map(|&d| d as usize).collect();
    if tensor.shape() != shape {
        bail!("input {} was given an array of shape {:?}", describe(port), tensor.shape());
    }
    let bools: Vec<u8>;
    let host = match (port.host, tensor.data()) {
        (HostType::F32, TensorData::F32(v)) => Host::F32(v),
        (HostType::I8, TensorData::I8(v)) => Host::I8(v),
        (HostType::U8, TensorData::U8(v)) => Host::U8(v),
        (HostType::I32, TensorData::I32(v)) => Host::I32(v),
        (HostType::I64, TensorData::I64(v)) => Host::I64(v),
        (HostType::Bool, TensorData::Bool(v)) => {
            bools = v.iter().map(|&b| u8::from(b)).collect();
            Host::Bool(&bools)
        }
        _ => bail!("input {} was given an array of {}", describe(port), tensor.dtype()),
    };
    session.set_input(index, host).with_context(|| format!("input {}", describe(port)))
}

/// Takes every output by name.
///
/// # Errors
/// A damaged plan.
pub fn outputs(session: &Session<'_>) -> Result<Vec<(String, Tensor)>> {
    let ports: Vec<Port<'_>> = session.plan().outputs().collect();
    let take = |(index, port): (usize, &Port<'_>)| Ok((port.name.to_owned(), output(session, index, port)?));
    ports.iter().enumerate().map(take).collect()
}

/// Takes one output.
///
/// # Errors
/// A damaged plan.
pub fn output(session: &Session<'_>, index: usize, port: &Port<'_>) -> Result<Tensor> {
    let shape: Vec<usize> = port.shape().iter().map(|&d| d as usize).collect();
    let count = port.elements();
    /// Fills a vector of one type and wraps it as a tensor.
    macro_rules! take {
        ($host:ident, $data:ident, $zero:expr) => {{
            let mut values = vec![$zero; count];
            session.output(index, HostMut::$host(&mut values))?;
            TensorData::$data(values)
        }};
    }
    let data = match port.host {
        HostType::F32 => take!(F32, F32, 0f32),
        HostType::I8 => take!(I8, I8, 0i8),
        HostType::U8 => take!(U8, U8, 0u8),
        HostType::I32 => take!(I32, I32, 0i32),
        HostType::I64 => take!(I64, I64, 0i64),
        HostType::Bool => {
            let mut values = vec![0u8; count];
            session.output(index, HostMut::Bool(&mut values))?;
            TensorData::Bool(values.iter().map(|&b| b != 0).collect())
        }
    };
    Ok(Tensor::new(&shape, data)?)
}
