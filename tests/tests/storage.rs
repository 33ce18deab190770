//! Plans with weights in 16 bits: half the bytes, and what a model with rounded weights computes.

use ocellus_compiler::{CompileError, Options, Processor, Storage, compile, prepare};
use ocellus_graph::{DataType, Model, Tensor};
use ocellus_models::half::{halved, widened};
use ocellus_ops::{Builder, Gemm, Window};
use ocellus_runtime::{Isa, Level};
use ocellus_tests::device::outputs;
use ocellus_tests::networks::random;

fn padded(group: i64) -> Window {
    Window { pads: vec![1; 4], group, ..Window::default() }
}

/// A dense, a depthwise and a 1x1 convolution with a sum around it, and a fully connected layer. Weights of `scale`.
fn network(scale: f32) -> Model {
    let mut b = Builder::new("net");
    let x = b.input("x", DataType::F32, &[1, 3, 12, 10]);
    let weights = |b: &mut Builder, name: &str, shape: &[usize], seed: u64| {
        let values = random(shape, seed).to_f32().iter().map(|v| v * scale).collect();
        b.constant(name, Tensor::of(shape, values))
    };
    let w = weights(&mut b, "dense", &[24, 3, 3, 3], 1);
    let y = b.conv(x, w, None, &padded(1)).unwrap();
    let y = b.relu(y).unwrap();
    let w = weights(&mut b, "depthwise", &[24, 1, 3, 3], 2);
    let z = b.conv(y, w, None, &padded(24)).unwrap();
    let w = weights(&mut b, "pointwise", &[24, 24, 1, 1], 3);
    let z = b.conv(z, w, None, &Window::default()).unwrap();
    let y = b.add(y, z).unwrap();
    let y = b.reshape(y, &[1, -1]).unwrap();
    let w = weights(&mut b, "connected", &[24 * 120, 10], 4);
    let y = b.gemm(y, w, None, &Gemm::default()).unwrap();
    b.output(y, "y");
    b.finish()
}

fn plan(model: Model, level: Level, float: Storage) -> Result<Vec<u8>, CompileError> {
    let options = Options { level, float, ..Options::default() };
    Ok(compile(&prepare(model, &[]).unwrap(), &options)?.bytes)
}

fn run(plan: &[u8], isa: Isa) -> Vec<f32> {
    outputs(plan, isa, &[("x", random(&[1, 3, 12, 10], 5))]).unwrap().remove(0)
}

#[test]
fn sixteen_bits_are_those_of_a_model_with_rounded_weights() {
    let rounded = widened(halved(network(0.2)));
    let want = run(&plan(rounded, Level::Portable, Storage::F32).unwrap(), Isa::PORTABLE);
    let half = plan(network(0.2), Level::Portable, Storage::F16).unwrap();
    assert_eq!(run(&half, Isa::PORTABLE), want);
    let greatest = want.iter().fold(0.0, |m: f32, v| m.max(v.abs()));
    for isa in Isa::available() {
        let native = plan(network(0.2), isa.level(), Storage::F16).unwrap();
        let far = run(&native, isa).iter().zip(&want).any(|(a, b)| (a - b).abs() > 1e-5 * greatest);
        assert!(!far, "{}", isa.level().name());
        // Any other instruction set reads the layouts.
        run(&native, Isa::PORTABLE);
    }
}

#[test]
fn a_plan_is_half_as_large_and_nearly_as_exact() {
    for isa in Isa::available() {
        let f32 = plan(network(0.2), isa.level(), Storage::F32).unwrap();
        let want = run(&f32, isa);
        let greatest = want.iter().fold(0.0, |m: f32, v| m.max(v.abs()));
        for (storage, bound) in [(Storage::F16, 1.0 / 512.0), (Storage::Bf16, 1.0 / 64.0)] {
            let half = plan(network(0.2), isa.level(), storage).unwrap();
            assert!(half.len() * 2 < f32.len() + 4096, "{} of {}", half.len(), f32.len());
            let found = run(&half, isa);
            let apart = want.iter().zip(&found).fold(0.0, |m: f32, (a, b)| m.max((a - b).abs()));
            assert!(apart > 0.0 && apart <= bound * greatest, "{storage:?} {apart} of {greatest}");
        }
    }
}

#[test]
fn a_weight_that_does_not_fit_names_its_layer() {
    let refused = plan(network(1e5), Level::Portable, Storage::F16).unwrap_err();
    let message = refused.to_string();
    assert!(message.contains("conv_f32") && message.contains("65504") && message.contains("bf16"), "{message}");
    assert!(plan(network(1e5), Level::Portable, Storage::Bf16).is_ok());
}

#[test]
fn arithmetic_in_f16_is_near_and_the_same_everywhere() {
    let options = Processor::named("aarch64+fp16").unwrap().options();
    let compiled = compile(&prepare(network(0.2), &[]).unwrap(), &options).unwrap();
    let names: Vec<&str> = compiled.report.steps.iter().filter_map(|s| s.name.split(' ').next()).collect();
    assert_eq!(names.iter().filter(|&&n| n == "conv_f16").count(), 3, "{names:?}");
    let found = run(&compiled.bytes, Isa::PORTABLE);
    let want = run(&plan(network(0.2), Level::Portable, Storage::F16).unwrap(), Isa::PORTABLE);
    let greatest = want.iter().fold(0.0, |m: f32, v| m.max(v.abs()));
    let apart = want.iter().zip(&found).fold(0.0, |m: f32, (a, b)| m.max((a - b).abs()));
    assert!(apart > 0.0 && apart <= greatest / 128.0, "{apart} of {greatest}");
}
