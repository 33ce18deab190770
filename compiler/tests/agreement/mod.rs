//! A compiled plan beside the reference interpreter.

use std::collections::BTreeMap;

use ocellus_compiler::{Options, compile, prepare};
use ocellus_graph::{DataType, Model, Tensor, ValueId};
use ocellus_ops::{Builder, OpError, check::numbers, evaluate};
use ocellus_runtime::{Host, HostMut, Isa, with_session};

/// Compiles and runs a model whose inputs and outputs are f32, on every instruction set; all have to agree within `bound`
/// of the reference.
pub fn agree(model: &Model, inputs: &[(&str, Tensor)], bound: f32) -> BTreeMap<String, Tensor> {
    let prepared = prepare(model.clone(), &[]).expect("prepares");
    let expected = evaluate(&prepared.model, inputs).expect("evaluates");
    for isa in Isa::available() {
        let compiled = compile(&prepared, &Options { level: isa.level(), ..Options::default() }).expect("compiles");
        let found = run(&compiled.bytes, isa, inputs);
        for ((name, want), got) in expected.iter().zip(outputs_in_order(&prepared.model, &found, &expected)) {
            for (k, (&w, &g)) in want.to_f32().iter().zip(&got).enumerate() {
                let level = isa.level().name();
                assert!((w - g).abs() <= bound * (1.0 + w.abs()), "{name}[{k}] on {level}: reference {w}, plan {g}");
            }
        }
    }
    expected
}

fn outputs_in_order(model: &Model, found: &[Vec<f32>], expected: &BTreeMap<String, Tensor>) -> Vec<Vec<f32>> {
    let place =
        |name: &String| model.graph.outputs.iter().position(|&v| &model.graph.value(v).name == name).expect("output");
    expected.keys().map(|name| found[place(name)].clone()).collect()
}

fn run(bytes: &[u8], isa: Isa, inputs: &[(&str, Tensor)]) -> Vec<Vec<f32>> {
    with_session(bytes, isa, |session| {
        let ports: Vec<String> = session.plan().inputs().map(|p| p.name.to_owned()).collect();
        for (i, port) in ports.iter().enumerate() {
            let (_, tensor) = inputs.iter().find(|(n, _)| n == port).expect("given");
            session.set_input(i, Host::F32(&tensor.to_f32())).expect("fits");
        }
        session.run();
        let sizes: Vec<usize> = session.plan().outputs().map(|p| p.elements()).collect();
        let take = |(i, &n): (usize, &usize)| {
            let mut values = vec![0.0; n];
            session.output(i, HostMut::F32(&mut values)).expect("fits");
            values
        };
        sizes.iter().enumerate().map(take).collect()
    })
    .expect("loads")
}

/// Reproducible f32 numbers in [-1, 1).
pub fn random(shape: &[usize], seed: u64) -> Tensor {
    Tensor::of(shape, numbers(shape.iter().product(), seed).into_iter().map(|v| v as f32).collect::<Vec<f32>>())
}

/// Such numbers as a constant.
pub fn weights(b: &mut Builder, shape: &[usize], seed: u64) -> ValueId {
    b.constant("w", random(shape, seed))
}

/// The names of the steps of a model's plan.
pub fn steps(model: &Model) -> Vec<String> {
    let prepared = prepare(model.clone(), &[]).expect("prepares");
    let report = compile(&prepared, &Options::default()).expect("compiles").report;
    report.steps.into_iter().map(|s| s.name.split(' ').next().unwrap_or_default().to_owned()).collect()
}

/// One operator after the other on one input.
pub fn one(shape: &[usize], build: impl Fn(&mut Builder, ValueId) -> Result<ValueId, OpError>) {
    let mut b = Builder::new("one");
    let x = b.input("x", DataType::F32, shape);
    let y = build(&mut b, x).unwrap();
    b.output(y, "y");
    agree(&b.finish(), &[("x", random(shape, 3))], 1e-5);
}
