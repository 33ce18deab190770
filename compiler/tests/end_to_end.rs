//! Graph to plan to answers: the compiled plan against the reference interpreter.

use std::collections::BTreeMap;

use ocellus_compiler::{Options, compile, prepare};
use ocellus_graph::{DataType, Model, Tensor, ValueId};
use ocellus_ops::{Builder, Gemm, OpError, Window, check::numbers, evaluate};
use ocellus_runtime::{Host, HostMut, Isa, with_session};

/// Compiles and runs a model whose inputs and outputs are f32, on every instruction set; all have to agree within `bound`
/// of the reference.
fn agree(model: &Model, inputs: &[(&str, Tensor)], bound: f32) -> BTreeMap<String, Tensor> {
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

fn random(shape: &[usize], seed: u64) -> Tensor {
    Tensor::of(shape, numbers(shape.iter().product(), seed).into_iter().map(|v| v as f32).collect::<Vec<f32>>())
}

fn weights(b: &mut Builder, shape: &[usize], seed: u64) -> ValueId {
    b.constant("w", random(shape, seed))
}

fn lenet(b: &mut Builder) -> Result<ValueId, OpError> {
    let x = b.input("x", DataType::F32, &[2, 1, 12, 12]);
    let (w, bias) = (weights(b, &[6, 1, 5, 5], 1), weights(b, &[6], 2));
    let y = b.conv(x, w, Some(bias), &Window::square(5, 1, 2))?;
    let y = b.relu(y)?;
    let y = b.max_pool(y, &Window::square(2, 2, 0))?;
    let w = weights(b, &[8, 6, 3, 3], 3);
    let y = b.conv(y, w, None, &Window::square(3, 1, 1))?;
    let y = b.clip(y, Some(0.0), Some(6.0))?;
    let y = b.average_pool(y, &Window::square(2, 2, 0), false)?;
    let y = b.flatten(y, 1)?;
    let (w, bias) = (weights(b, &[10, 72], 4), weights(b, &[10], 5));
    let y = b.gemm(y, w, Some(bias), &Gemm { trans_b: true, ..Gemm::default() })?;
    b.softmax(y, -1)
}

#[test]
fn a_float_lenet_gives_the_reference_answers() {
    let mut b = Builder::new("lenet");
    let y = lenet(&mut b).unwrap();
    b.output(y, "scores");
    agree(&b.finish(), &[("x", random(&[2, 1, 12, 12], 9))], 1e-5);
}

#[test]
fn residual_blocks_and_movement_give_the_reference_answers() {
    let mut b = Builder::new("block");
    let x = b.input("x", DataType::F32, &[1, 4, 7, 5]);
    let build = |b: &mut Builder| -> Result<ValueId, OpError> {
        let w = weights(b, &[4, 1, 3, 3], 1);
        let y = b.conv(x, w, None, &Window::square(3, 1, 1).grouped(4))?;
        let y = b.add(y, x)?;
        let y = b.relu(y)?;
        let z = b.transpose(y, &[0, 1, 3, 2])?;
        let z = b.transpose(z, &[0, 1, 3, 2])?;
        let y = b.concat(&[y, z], 1)?;
        let parts = b.split(y, &[3, 5], 1)?;
        let y = b.slice(parts[1], &[6], &[-100], &[2], &[-2])?;
        let y = b.pad(y, &[0, 0, 1, 2, 0, 0, 0, 1], "constant", 0.5)?;
        let y = b.sigmoid(y)?;
        b.reduce_mean(y, &[2, 3], true)
    };
    let y = build(&mut b).unwrap();
    b.output(y, "y");
    agree(&b.finish(), &[("x", random(&[1, 4, 7, 5], 3))], 1e-5);
}

/// The names of the steps of a model's plan.
fn steps(model: &Model) -> Vec<String> {
    let prepared = prepare(model.clone(), &[]).expect("prepares");
    let report = compile(&prepared, &Options::default()).expect("compiles").report;
    report.steps.into_iter().map(|s| s.name.split(' ').next().unwrap_or_default().to_owned()).collect()
}

#[test]
fn a_product_with_the_own_sigmoid_is_one_step() {
    for (alpha, beta, shared) in [(0.0, 0.0, false), (1.0 / 6.0, 0.5, false), (0.2, 0.5, false), (0.0, 0.0, true)] {
        let mut b = Builder::new("gated");
        let x = b.input("x", DataType::F32, &[2, 5, 9, 7]);
        let build = |b: &mut Builder| -> Result<[ValueId; 2], OpError> {
            let w = weights(b, &[19, 5, 3, 3], 1);
            let y = b.conv(x, w, None, &Window::square(3, 2, 1))?;
            let gate = if alpha == 0.0 { b.sigmoid(y)? } else { b.hard_sigmoid(y, alpha, beta)? };
            Ok([b.mul(y, gate)?, gate])
        };
        let [y, gate] = build(&mut b).unwrap();
        b.output(y, "y");
        if shared {
            b.output(gate, "gate");
        }
        let model = b.finish();
        agree(&model, &[("x", random(&[2, 5, 9, 7], 3))], 1e-5);
        let want: &[&str] = match (alpha, shared) {
            (0.2, _) => &["conv_f32", "unary", "binary"],
            (_, true) => &["conv_f32", "unary", "unary"],
            _ => &["conv_f32", "unary"],
        };
        assert_eq!(steps(&model), want, "{alpha} {beta} {shared}");
    }
}

/// One operator after the other on one input.
fn one(shape: &[usize], build: impl Fn(&mut Builder, ValueId) -> Result<ValueId, OpError>) {
    let mut b = Builder::new("one");
    let x = b.input("x", DataType::F32, shape);
    let y = build(&mut b, x).unwrap();
    b.output(y, "y");
    agree(&b.finish(), &[("x", random(shape, 3))], 1e-5);
}

#[test]
fn operators_one_by_one() {
    let s = [1, 4, 7, 5];
    one(&s, |b, x| {
        let w = weights(b, &[4, 1, 3, 3], 1);
        b.conv(x, w, None, &Window::square(3, 1, 1).grouped(4))
    });
    one(&s, |b, x| b.transpose(x, &[0, 1, 3, 2]));
    one(&s, |b, x| b.transpose(x, &[3, 1, 0, 2]));
    one(&s, |b, x| b.concat(&[x, x], 1));
    one(&s, |b, x| b.concat(&[x, x], 2));
    one(&s, |b, x| Ok(b.split(x, &[1, 3], 1)?[1]));
    one(&s, |b, x| b.slice(x, &[6], &[-100], &[2], &[-2]));
    one(&s, |b, x| b.slice(x, &[1, 1], &[3, 5], &[1, 3], &[1, 2]));
    for mode in ["constant", "reflect", "edge", "wrap"] {
        one(&s, |b, x| b.pad(x, &[0, 1, 1, 2, 0, 0, 0, 1], mode, 0.5));
    }
    one(&s, |b, x| b.reduce_mean(x, &[2, 3], true));
    one(&s, |b, x| b.reduce_sum(x, &[1], false));
    one(&s, |b, x| b.reshape(x, &[7, 4, 5]));
    one(&s, |b, x| b.reshape(x, &[2, 2, 5, 7]));
    one(&s, |b, x| b.expand(x, &[3, 4, 7, 5]));
    one(&s, |b, x| b.softmax(x, 1));
    one(&s, |b, x| b.sigmoid(x));
    one(&s, |b, x| b.mul(x, x));
    one(&s, |b, x| {
        let c = weights(b, &[4, 1, 1], 5);
        b.add(x, c)
    });
}

#[test]
fn every_unsupported_node_is_named_at_once() {
    let mut b = Builder::new("odd");
    let x = b.input("x", DataType::F32, &[2, 2]);
    let y = b.cum_sum(x, 0, false, false).unwrap();
    let y = b.cum_sum(y, 1, false, false).unwrap();
    b.output(y, "y");
    let prepared = prepare(b.finish(), &[]).unwrap();
    let message = compile(&prepared, &Options::default()).unwrap_err().to_string();
    assert!(message.matches("CumSum").count() >= 2, "{message}");
}

#[test]
fn max_ram_names_the_peak() {
    let mut b = Builder::new("lenet");
    let y = lenet(&mut b).unwrap();
    b.output(y, "scores");
    let prepared = prepare(b.finish(), &[]).unwrap();
    let error = compile(&prepared, &Options { max_ram: Some(1000), ..Options::default() }).unwrap_err().to_string();
    assert!(error.contains("--max-ram") && error.contains("conv_f32"), "{error}");
}
