//! What `ocellus run` of a plan takes, as the system counts it, on MobileNetV2 in 8 bits with drawn weights.

mod common;

use common::*;
use ocellus_graph::{DataType, Model, Tensor};
use ocellus_ops::check::numbers;
use ocellus_quantizer::{Recipe, requantize};
use ocellus_trainer::checkpoint::Store;
use ocellus_trainer::{NetworkBuilder, inference_model};

const MIB: u64 = 1 << 20;

/// The network of the zoo in 8 bits: values do not matter here, sizes do.
fn mobilenet() -> Model {
    let network = (ocellus_models::find("mobilenet_v2").expect("is in the zoo").network)(1000);
    let mut net = NetworkBuilder::training("mobilenet");
    let x = net.input("input", DataType::F32, &[2, 3, 64, 64]);
    network.build(&mut net, x).expect("a graph");
    let graph = net.graph();
    let draw = |(seed, &id): (usize, _)| {
        let value = graph.value(id);
        let shape = value.shape.as_ref().and_then(|s| s.known()).expect("known sizes");
        let (offset, spread) = if value.name.ends_with(".variance") { (1.0, 0.0) } else { (0.0, 0.1) };
        let drawn = numbers(shape.iter().product(), seed as u64);
        let values: Vec<f32> = drawn.iter().map(|&v| (offset + v * spread) as f32).collect();
        (value.name.clone(), Tensor::of(&shape, values))
    };
    let store: Store = graph.inputs.iter().enumerate().skip(1).map(draw).collect();
    let float = inference_model(network.as_ref(), "mobilenet", &store, &[1, 3, 224, 224]).expect("a model");
    let scales = float.graph.values.iter().map(|v| (v.name.clone(), (0.05, 0))).collect();
    requantize(&float, &Recipe { scales, ..Recipe::default() }).expect("an 8-bit model")
}

#[test]
fn a_run_of_mobilenet_takes_less_than_15_mib_and_loads_about_as_fast_as_it_runs() {
    if cfg!(debug_assertions) || cfg!(not(target_os = "linux")) {
        println!("skipped: needs a release build on Linux");
        return;
    }
    let dir = folder();
    let (model, plan, picture) = (at(&dir, "m.onnx"), at(&dir, "m.plan"), at(&dir, "x.npy"));
    save(&mobilenet(), &model);
    let values: Vec<f32> = numbers(3 * 224 * 224, 1).into_iter().map(|v| v as f32).collect();
    write_npy(&picture, "<f4", "(1, 3, 224, 224)", &f32_bytes(&values));
    let input = format!("input={}", picture.display());
    let compiled = ocellus(&arguments!["compile", &model, "-o", &plan, "--json"]).ends(0).json();
    let own = compiled["arena_bytes"].as_u64().unwrap() + compiled["weights_bytes"].as_u64().unwrap();
    assert!((4 * MIB..6 * MIB).contains(&own), "{compiled}");
    let run = || ocellus(&arguments!["run", &plan, "--input", &input, "--output-dir", dir.path(), "--json"]);
    let runs: Vec<_> = (0..10).map(|_| run().ends(0).json()).collect();
    let least = |key: &str| runs.iter().filter_map(|r| r[key].as_f64()).fold(f64::INFINITY, f64::min);
    let peak = runs.iter().filter_map(|r| r["peak_bytes"].as_u64()).max().expect("Linux counts it");
    println!("peak {peak} bytes, load {:.3} ms, first run {:.3} ms", least("load_ms"), least("first_run_ms"));
    assert!(peak > own && peak < 15 * MIB, "{peak} bytes with {own} in arena and weights");
    // Without vectors a run takes longer, not loading.
    assert!(least("load_ms") < 2.0 * least("first_run_ms"), "{runs:?}");
}
