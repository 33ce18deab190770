use std::collections::BTreeMap;
use std::sync::Arc;

use ocellus_backend::{Backend, open};
use ocellus_graph::{DataType, Tensor, ValueId};
use ocellus_ops::{OpError, check::numbers, evaluate};

use super::network;
use crate::checkpoint::Store;
use crate::optimizers::{Adam, AdamW, Clipping, Optimizer, RmsProp, Sgd};
use crate::{Classification, NetworkBuilder, Objective, StepConfig, TrainingStep};

fn step(optimizer: Arc<dyn Optimizer>, clipping: Option<Clipping>) -> TrainingStep {
    step_of(&network, optimizer, clipping)
}

fn step_of(
    network: &dyn Fn(&mut NetworkBuilder, ValueId) -> Result<ValueId, OpError>,
    optimizer: Arc<dyn Optimizer>,
    clipping: Option<Clipping>,
) -> TrainingStep {
    let objective = Classification::CrossEntropy { smoothing: 0.1 };
    let mut net = NetworkBuilder::training("step");
    let x = net.input("input", DataType::F32, &[4, 1, 8, 8]);
    let target = net.input("target", DataType::I64, &[4]);
    let y = network(&mut net, x).unwrap();
    let losses = objective.losses(&mut net, y, target).unwrap();
    let loss = net.reduce_mean(losses, &[0], false).unwrap();
    let correct = objective.correct(&mut net, y, target).unwrap().unwrap();
    let config = StepConfig { optimizer, clipping, trainable: &|_| true, factor: &|_| 1.0 };
    TrainingStep::new(net, loss, &[(loss, "loss"), (correct, "correct")], &config).unwrap()
}

fn pictures() -> (Tensor, Tensor) {
    let values = numbers(256, 3).into_iter().map(|v| v as f32).collect();
    (Tensor::of(&[4, 1, 8, 8], values), Tensor::vector(&[0i64, 1, 2, 1]))
}

/// Three steps on a backend and in the reference interpreter, and what differs most.
fn compare(backend: &dyn Backend, step: &TrainingStep) -> f64 {
    let (images, labels) = pictures();
    let mut state = step.initial_state(1, &Store::new()).unwrap();
    let mut session = backend.prepare_with_feedback(&step.model, &step.feedback).unwrap();
    step.write_state(session.as_mut(), &state).unwrap();
    let mut worst: f64 = 0.0;
    for t in 1..=3 {
        let extra = step.inputs(t, 0.01, 1);
        let mut given = vec![("input", &images), ("target", &labels)];
        given.extend(extra.iter().map(|(n, v)| (n.as_str(), v)));
        let outputs = session.run(&given).unwrap();
        let mut all: Vec<(&str, Tensor)> = given.iter().map(|(n, v)| (*n, (*v).clone())).collect();
        all.extend(state.iter().map(|(n, v)| (n.as_str(), v.clone())));
        let reference: BTreeMap<String, Tensor> = evaluate(&step.model, &all).unwrap();
        for (output, name) in outputs.iter().zip(["loss", "correct"]) {
            worst = worst.max(difference(output, &reference[name]));
        }
        let found = step.read_state(session.as_ref()).unwrap();
        for (output, input) in &step.feedback {
            let d = difference(&found[input], &reference[output]);
            assert!(d < 1e-4, "step {t}: {input} differs by {d}");
            worst = worst.max(d);
        }
        // Both go on from the same state: differences do not add up.
        state = found;
    }
    worst
}

/// The greatest difference, relative to the greatest size of the tensor or 1.
fn difference(a: &Tensor, b: &Tensor) -> f64 {
    assert_eq!(a.shape(), b.shape());
    let (a, b) = (a.to_f64(), b.to_f64());
    let size = b.iter().fold(1.0, |m: f64, v| m.max(v.abs()));
    a.iter().zip(&b).map(|(x, y)| (x - y).abs() / size).fold(0.0, f64::max)
}

fn check(backend: &dyn Backend) {
    let optimizers: [(Arc<dyn Optimizer>, Option<Clipping>); 5] = [
        (Arc::new(Sgd { nesterov: true, weight_decay: 1e-4, ..Sgd::default() }), None),
        (Arc::new(Sgd { momentum: 0.0, ..Sgd::default() }), Some(Clipping::GlobalNorm(0.5))),
        (Arc::new(RmsProp { momentum: 0.5, epsilon: 1e-3, ..RmsProp::default() }), Some(Clipping::Value(0.1))),
        (Arc::new(Adam { epsilon: 1e-3, ..Adam::default() }), None),
        (Arc::new(AdamW { epsilon: 1e-3, ..AdamW::default() }), None),
    ];
    for (optimizer, clipping) in optimizers {
        let name = optimizer.describe();
        let worst = compare(backend, &step(optimizer, clipping));
        assert!(worst < 1e-5, "{}: {name}: {worst}", backend.name());
    }
    let pools = |net: &mut NetworkBuilder, x: ValueId| {
        let x = net.relu(x)?;
        let x = net.fractional_max_pool_layer("f", x, [6, 6], true)?;
        let conv = crate::ConvLayer::new(4, ocellus_ops::Window::square(3, 1, 1));
        let x = net.conv_layer("conv", x, &conv)?;
        let x = net.relu(x)?;
        let x = net.stochastic_pool_layer("s", x, 2, 2)?;
        let x = net.lp_pool_layer(x, &ocellus_ops::Window::square(2, 1, 0), 2)?;
        let x = net.flatten(x, 1)?;
        net.dense_layer("dense", x, 3)
    };
    let worst = compare(backend, &step_of(&pools, Arc::new(Sgd::default()), None));
    assert!(worst < 1e-5, "{}: pools: {worst}", backend.name());
    let residual = |net: &mut NetworkBuilder, x: ValueId| {
        let conv = |channels, size, stride| {
            let window = ocellus_ops::Window::square(size, stride, size / 2);
            crate::ConvLayer::new(channels, window).without_bias()
        };
        let mut x = net.conv_layer("stem", x, &conv(4, 3, 1))?;
        for (i, (channels, stride)) in [(4, 1), (8, 2), (8, 1)].into_iter().enumerate() {
            let y = net.conv_layer(&format!("{i}.conv1"), x, &conv(channels, 3, stride))?;
            let y = net.batch_norm_layer(&format!("{i}.bn1"), y)?;
            let y = net.relu(y)?;
            let y = net.conv_layer(&format!("{i}.conv2"), y, &conv(channels, 3, 1))?;
            let y = net.batch_norm_layer(&format!("{i}.bn2"), y)?;
            let short = if stride == 1 { x } else { net.conv_layer(&format!("{i}.short"), x, &conv(channels, 1, 2))? };
            let sum = net.add(y, short)?;
            x = net.relu(sum)?;
        }
        let x = net.global_average_pool(x)?;
        let x = net.flatten(x, 1)?;
        net.dense_layer("scores", x, 3)
    };
    let adam = Arc::new(Adam { epsilon: 1e-2, ..Adam::default() });
    let worst = compare(backend, &step_of(&residual, adam, None));
    assert!(worst < 3e-5, "{}: residual: {worst}", backend.name());
}

#[test]
fn steps_on_tract_agree_with_the_reference() {
    check(open("tract", 1).unwrap().as_ref());
}

#[test]
fn steps_on_onnx_runtime_agree_with_the_reference() {
    match open("ort-cpu", 1) {
        Ok(backend) => check(backend.as_ref()),
        Err(e) => eprintln!("skipped: {e}"),
    }
}

#[test]
fn the_graph_holds_no_weights_and_few_copies() {
    let step = step(Arc::new(Adam::default()), None);
    let graph = &step.model.graph;
    for p in &step.parameters {
        let id = graph.inputs.iter().copied().find(|&v| graph.value(v).name == p.name).expect("an input");
        assert!(!graph.initializers.contains_key(&id));
    }
    let copies = graph.nodes.iter().filter(|n| n.op == "Identity").count();
    assert_eq!(copies, 0, "producers carry the outputs' names");
    assert_eq!(step.feedback.len(), step.parameters.len() * 3 + 2);
}

#[test]
fn steps_share_what_a_store_holds() {
    let step = step(Arc::new(Sgd::default()), None);
    let mut store = Store::new();
    store.insert("dense2.bias".to_owned(), Tensor::vector(&[1.0f32, 2.0, 3.0]));
    let state = step.initial_state(1, &store).unwrap();
    assert_eq!(state["dense2.bias"], store["dense2.bias"]);
    assert_eq!(state["bn1.variance"], Tensor::full(DataType::F32, &[6], 1.0));
    assert_ne!(state["conv1.weight"], step.initial_state(2, &store).unwrap()["conv1.weight"]);
}
