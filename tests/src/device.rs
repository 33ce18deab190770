//! Runs plans on this machine as a device would.

use ocellus_graph::Tensor;
use ocellus_runtime::{Host, HostMut, Isa, LoadError, with_session};

/// Device bytes of every output of a plan, for f32 inputs by name.
///
/// # Errors
/// Where the plan cannot be loaded.
///
/// # Panics
/// Where an input is not given or does not fit: a mistake of the test.
pub fn output_bytes(plan: &[u8], isa: Isa, inputs: &[(&str, Tensor)]) -> Result<Vec<Vec<u8>>, LoadError> {
    with_session(plan, isa, |session| {
        set_inputs(session, inputs);
        session.run();
        let count = session.plan().outputs().count();
        (0..count).map(|i| session.output_bytes(i).expect("an output").to_vec()).collect()
    })
}

/// Every f32 output of a plan, for f32 inputs by name.
///
/// # Errors
/// Where the plan cannot be loaded.
///
/// # Panics
/// As [`output_bytes`].
pub fn outputs(plan: &[u8], isa: Isa, inputs: &[(&str, Tensor)]) -> Result<Vec<Vec<f32>>, LoadError> {
    with_session(plan, isa, |session| {
        set_inputs(session, inputs);
        session.run();
        let sizes: Vec<usize> = session.plan().outputs().map(|p| p.elements()).collect();
        let take = |(i, n): (usize, usize)| {
            let mut values = vec![0.0; n];
            session.output(i, HostMut::F32(&mut values)).expect("an f32 output");
            values
        };
        sizes.into_iter().enumerate().map(take).collect()
    })
}

fn set_inputs(session: &mut ocellus_runtime::Session<'_>, inputs: &[(&str, Tensor)]) {
    let names: Vec<String> = session.plan().inputs().map(|p| p.name.to_owned()).collect();
    for (i, name) in names.iter().enumerate() {
        let (_, tensor) = inputs.iter().find(|(n, _)| n == name).expect("the input is given");
        session.set_input(i, Host::F32(&tensor.to_f32())).expect("the input fits");
    }
}
