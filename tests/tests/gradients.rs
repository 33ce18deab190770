//! Every gradient rule on ONNX's conformance cases: two engines, three kinds of values, and CUDA's list of kernels.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use ocellus_backend::{Backend, BackendError, open};
use ocellus_graph::DataType;
use ocellus_models::ZooModel;
use ocellus_ops::evaluate;
use ocellus_tests::fetch;
use ocellus_tests::gradients::{GradientCase, Values, cuda_kernels, differentiated, distance};
use ocellus_trainer::{Classification, NetworkBuilder, Objective, StepConfig, TrainingStep};

/// Greatest difference between the engines, relative to the greatest element: float sums in another order.
const BOUND: f64 = 1e-4;

/// Operators that tract has no form for; ONNX Runtime runs the gradients of all.
const TRACT_LACKS: [&str; 2] = ["LpPool", "ReverseSequence"];

fn cases() -> Option<Vec<PathBuf>> {
    let folder = fetch::cases().map_err(|why| eprintln!("skipped: {why}")).ok()?;
    let entries = folder.read_dir().expect("the folder of the cases can be listed");
    let mut cases: Vec<PathBuf> = entries.filter_map(|e| e.ok().map(|e| e.path())).collect();
    cases.sort();
    Some(cases)
}

/// Runs a case on an engine with all three kinds of values.
///
/// # Errors
/// What the engine refuses, and why.
fn agrees(backend: &dyn Backend, name: &str, case: &GradientCase) -> Result<(), BackendError> {
    let mut session = backend.prepare(&case.model)?;
    for values in [Values::Given, Values::Tied, Values::Constant] {
        let inputs = case.inputs(values);
        let found = session.run(&inputs.iter().map(|(n, t)| (n.as_str(), t)).collect::<Vec<_>>())?;
        let owned: Vec<_> = inputs.iter().map(|(n, t)| (n.as_str(), t.clone())).collect();
        let right = evaluate(&case.model, &owned).unwrap_or_else(|e| panic!("{name}: {e}"));
        for (found, &output) in found.iter().zip(&case.model.graph.outputs) {
            let output = &case.model.graph.value(output).name;
            let off = distance(&right[output], found);
            assert!(off <= BOUND, "{name}, {values:?}, {output} on {}: {off}", backend.name());
        }
    }
    Ok(())
}

#[test]
fn engines_agree_on_gradients() {
    let Some(folders) = cases() else { return };
    let mut engines = vec![open("tract", 1).expect("tract is built in")];
    match open("ort-cpu", 1) {
        Ok(engine) => engines.push(engine),
        Err(why) => eprintln!("skipped: {why}"),
    }
    let mut counts: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for folder in folders {
        let Some((op, case)) = differentiated(&folder) else { continue };
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let count = counts.entry(op).or_insert_with(|| vec![0; engines.len() + 1]);
        count[0] += 1;
        for (k, engine) in engines.iter().enumerate() {
            match agrees(engine.as_ref(), &name, &case) {
                Ok(()) => count[k + 1] += 1,
                Err(e) => println!("not run: {name}: {e}"),
            }
        }
    }
    println!(
        "{:<24} cases with a gradient, and those run on {:?}",
        "operator",
        engines.iter().map(|e| e.name()).collect::<Vec<_>>()
    );
    for (op, count) in &counts {
        println!("{op:<24} {count:?}");
    }
    let expected: BTreeSet<&str> = TRACT_LACKS.into_iter().collect();
    let unrun = |k: usize| -> BTreeSet<&str> {
        counts.iter().filter(|(_, count)| count[k + 1] == 0).map(|(op, _)| op.as_str()).collect()
    };
    assert_eq!(unrun(0), expected, "operators whose gradients tract does not run");
    if engines.len() > 1 {
        assert_eq!(unrun(1), BTreeSet::new(), "operators whose gradients ONNX Runtime does not run");
    }
}

#[test]
fn every_emitted_operator_has_a_cuda_kernel() {
    let Some(folders) = cases() else { return };
    let kernels = cuda_kernels();
    let mut missing = BTreeSet::new();
    for folder in folders {
        let Some((op, case)) = differentiated(&folder) else { continue };
        for (emitted, dtype) in &case.emitted {
            if !has_kernel(&kernels, emitted, *dtype) {
                missing.insert(format!("{op} emits {emitted} of {dtype}"));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

fn has_kernel(kernels: &BTreeMap<&str, BTreeSet<&str>>, op: &str, dtype: DataType) -> bool {
    kernels.get(op).is_some_and(|types| types.contains(dtype.to_string().as_str()))
}

/// The training step of a network of the zoo, for small pictures.
fn step(model: &ZooModel) -> TrainingStep {
    let objective = Classification::CrossEntropy { smoothing: 0.1 };
    let recipe = (model.recipe)(1);
    let mut net = NetworkBuilder::training("step");
    let x = net.input("input", DataType::F32, &[4, 1, 28, 28]);
    let target = net.input("target", DataType::I64, &[4]);
    let y = (model.network)(10).build(&mut net, x).expect("the network builds");
    let losses = objective.losses(&mut net, y, target).expect("the loss builds");
    let loss = net.reduce_mean(losses, &[0], false).expect("the mean builds");
    let config =
        StepConfig { optimizer: recipe.optimizer, clipping: recipe.clipping, trainable: &|_| true, factor: &|_| 1.0 };
    TrainingStep::new(net, loss, &[(loss, "loss")], &config).expect("the step builds")
}

#[test]
fn training_steps_stay_on_cuda() {
    let kernels = cuda_kernels();
    for model in ocellus_models::ALL {
        let graph = step(model).model.graph;
        for node in &graph.nodes {
            let dtype =
                node.inputs.iter().flatten().find_map(|&v| graph.value(v).dtype.filter(|t| *t != DataType::Bool));
            assert!(
                has_kernel(&kernels, &node.op, dtype.unwrap_or(DataType::Bool)),
                "{}: {} of {dtype:?} has no CUDA kernel",
                model.name,
                node.op
            );
        }
    }
}
