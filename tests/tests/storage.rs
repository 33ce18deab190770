//! Plans with weights in 16 bits: half the bytes, and what a model with rounded weights computes.

use ocellus_compiler::{CompileError, Options, Processor, Storage, compile, prepare};
use ocellus_graph::{DataType, Model, Tensor};
use ocellus_models::half::{halved, widened};
use ocellus_ops::{Builder, Direction, Gemm, Recurrent, RecurrentInputs, Window};
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

/// One of every recurrent layer, one after the other, over 36 steps.
fn recurrent(scale: f32) -> Model {
    let mut b = Builder::new("net");
    let x = b.input("x", DataType::F32, &[1, 3, 12, 10]);
    let weights = |b: &mut Builder, shape: &[usize]| {
        let values = random(shape, shape[1] as u64).to_f32().iter().map(|v| v * scale).collect();
        b.constant("w", Tensor::of(shape, values))
    };
    let x = b.reshape(x, &[36, 1, 10]).unwrap();
    let (w, r) = (weights(&mut b, &[2, 128, 10]), weights(&mut b, &[2, 128, 32]));
    let both = Recurrent { direction: Direction::Bidirectional, ..Recurrent::default() };
    let [y, ..] = b.lstm(x, w, r, &RecurrentInputs::default(), &both).unwrap();
    let x = b.reshape(y, &[36, 1, 64]).unwrap();
    let (w, r) = (weights(&mut b, &[1, 72, 64]), weights(&mut b, &[1, 72, 24]));
    let [y, _] = b.gru(x, w, r, &RecurrentInputs::default(), &Recurrent::default()).unwrap();
    let x = b.reshape(y, &[36, 1, 24]).unwrap();
    let (w, r) = (weights(&mut b, &[1, 20, 24]), weights(&mut b, &[1, 20, 20]));
    let [y, _] = b.rnn(x, w, r, &RecurrentInputs::default(), &Recurrent::default()).unwrap();
    b.output(y, "y");
    b.finish()
}

const NETWORKS: [fn(f32) -> Model; 2] = [network, recurrent];

fn plan(model: Model, level: Level, float: Storage) -> Result<Vec<u8>, CompileError> {
    let options = Options { level, float, ..Options::default() };
    Ok(compile(&prepare(model, &[]).unwrap(), &options)?.bytes)
}

fn run(plan: &[u8], isa: Isa) -> Vec<f32> {
    outputs(plan, isa, &[("x", random(&[1, 3, 12, 10], 5))]).unwrap().remove(0)
}

#[test]
fn sixteen_bits_are_those_of_a_model_with_rounded_weights() {
    for network in NETWORKS {
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
}

#[test]
fn a_plan_is_half_as_large_and_nearly_as_exact() {
    for (network, isa) in NETWORKS.into_iter().flat_map(|n| Isa::available().map(move |isa| (n, isa))) {
        let f32 = plan(network(0.2), isa.level(), Storage::F32).unwrap();
        let want = run(&f32, isa);
        let greatest = want.iter().fold(0.0, |m: f32, v| m.max(v.abs()));
        for (storage, bound) in [(Storage::F16, 1.0 / 512.0), (Storage::Bf16, 1.0 / 64.0)] {
            let half = plan(network(0.2), isa.level(), storage).unwrap();
            assert!(half.len() * 2 < f32.len() + 6144, "{} of {}", half.len(), f32.len());
            let found = run(&half, isa);
            let apart = want.iter().zip(&found).fold(0.0, |m: f32, (a, b)| m.max((a - b).abs()));
            assert!(apart > 0.0 && apart <= bound * greatest, "{storage:?} {apart} of {greatest}");
        }
    }
}

#[test]
fn weights_of_recurrent_layers_that_are_computed_keep_32_bits() {
    let mut b = Builder::new("net");
    let x = b.input("x", DataType::F32, &[1, 3, 12, 10]);
    let r = b.slice(x, &[0; 3], &[1, 8, 8], &[1, 2, 3], &[1; 3]).unwrap();
    let (x, r) = (b.reshape(x, &[36, 1, 10]).unwrap(), b.reshape(r, &[1, 8, 8]).unwrap());
    let w = b.constant("w", random(&[1, 8, 10], 1));
    let [y, _] = b.rnn(x, w, r, &RecurrentInputs::default(), &Recurrent::default()).unwrap();
    b.output(y, "y");
    let model = b.finish();
    let [f32, f16] = [Storage::F32, Storage::F16].map(|s| plan(model.clone(), Level::Portable, s).unwrap());
    assert_eq!(f32, f16);
}

#[test]
fn a_weight_that_does_not_fit_names_its_layer() {
    for (network, name) in NETWORKS.into_iter().zip(["conv_f32", "lstm_half"]) {
        let refused = plan(network(1e5), Level::Portable, Storage::F16).unwrap_err();
        let message = refused.to_string();
        assert!(message.contains(name) && message.contains("65504") && message.contains("bf16"), "{message}");
        assert!(plan(network(1e5), Level::Portable, Storage::Bf16).is_ok());
    }
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

#[test]
fn arithmetic_in_bf16_is_near_and_the_same_everywhere() {
    let options = Processor::named("x86-64-v4+bf16").unwrap().options();
    let compiled = compile(&prepare(network(0.2), &[]).unwrap(), &options).unwrap();
    let names: Vec<&str> = compiled.report.steps.iter().filter_map(|s| s.name.split(' ').next()).collect();
    assert_eq!(names.iter().filter(|&&n| n == "conv_bf16").count(), 3, "{names:?}");
    let want = run(&plan(network(0.2), Level::Portable, Storage::Bf16).unwrap(), Isa::PORTABLE);
    let greatest = want.iter().fold(0.0, |m: f32, v| m.max(v.abs()));
    for isa in Isa::available() {
        // The processor is another one, perhaps, whose plan says what is computed.
        let found = run(&compiled.bytes, isa);
        let apart = want.iter().zip(&found).fold(0.0, |m: f32, (a, b)| m.max((a - b).abs()));
        assert!(apart > 0.0 && apart <= greatest / 64.0, "{} {apart} of {greatest}", isa.level().name());
    }
}

/// The layers around it have sums of their own on every instruction set; these have not.
#[test]
fn layers_in_bf16_give_the_same_bits_on_every_instruction_set() {
    let mut b = Builder::new("net");
    let x = b.input("x", DataType::F32, &[1, 3, 12, 10]);
    let w = b.constant("stem", random(&[24, 3, 3, 3], 1));
    let y = b.conv(x, w, None, &padded(1)).unwrap();
    let y = b.relu(y).unwrap();
    let w = b.constant("middle", random(&[40, 24, 3, 3], 2));
    let y = b.conv(y, w, None, &Window { strides: vec![2, 2], ..padded(1) }).unwrap();
    let y = b.reshape(y, &[1, -1]).unwrap();
    let w = b.constant("connected", random(&[40 * 30, 10], 4));
    let y = b.gemm(y, w, None, &Gemm::default()).unwrap();
    b.output(y, "y");
    let model = b.finish();
    let made = |level| {
        let options = Options { level, float: Storage::Bf16, arithmetic: Storage::Bf16, ..Options::default() };
        compile(&prepare(model.clone(), &[]).unwrap(), &options).unwrap().bytes
    };
    let want = run(&made(Level::Portable), Isa::PORTABLE);
    for isa in Isa::available() {
        assert_eq!(run(&made(isa.level()), isa), want, "{}", isa.level().name());
    }
}

#[test]
fn a_weight_that_bf16_does_not_hold_names_its_layer() {
    let options = Processor::named("x86-64-v4+bf16").unwrap().options();
    let refused = compile(&prepare(network(3.4e38), &[]).unwrap(), &options);
    assert!(refused.is_err_and(|e| e.to_string().contains("conv_bf16")));
}
