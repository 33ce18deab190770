//! Layers quantized as they run, as ONNX Runtime's dynamic quantization writes them, give the reference answers, one step for
//! each layer.

mod agreement;

use agreement::{agree, one, random, steps, weights};
use ocellus_graph::{DataType, Tensor, ValueId};
use ocellus_ops::{Builder, OpError, Window};

/// Bytes without sign, reproducible.
fn bytes(b: &mut Builder, shape: &[usize], seed: u64) -> ValueId {
    let levels: Vec<u8> = random(shape, seed).to_f32().iter().map(|v| (v * 127.0 + 128.0) as u8).collect();
    b.constant("w", Tensor::of(shape, levels))
}

/// From the sums of a layer to floats: times both scales, plus a bias.
fn real(b: &mut Builder, sums: ValueId, scale: ValueId, bias: &[usize]) -> Result<ValueId, OpError> {
    let y = b.cast(sums, DataType::F32)?;
    let weight_scale = b.constant("scale", Tensor::scalar(0.004f32));
    let scale = b.mul(scale, weight_scale)?;
    let y = b.mul(y, scale)?;
    let bias = weights(b, bias, 7);
    b.add(y, bias)
}

/// A convolution to `outputs` channels with weights whose zero is 120.
fn conv(b: &mut Builder, x: ValueId, outputs: usize, stride: i64, groups: usize) -> Result<ValueId, OpError> {
    let inputs = b.shape(x)?[1];
    let window = Window::square(3, stride, 1).grouped(groups as i64);
    let [levels, scale, zero] = b.dynamic_quantize_linear(x)?;
    let w = bytes(b, &[outputs, inputs / groups, 3, 3], outputs as u64);
    let w_zero = b.constant("zero", Tensor::scalar(120u8));
    let sums = b.conv_integer(levels, w, Some(zero), Some(w_zero), &window)?;
    let y = real(b, sums, scale, &[1, outputs, 1, 1])?;
    b.relu(y)
}

/// Convolutions with all kinds of groups, and a fully connected layer.
fn network(b: &mut Builder) -> Result<ValueId, OpError> {
    let x = b.input("x", DataType::F32, &[1, 3, 13, 11]);
    let y = conv(b, x, 20, 2, 1)?;
    let y = conv(b, y, 20, 1, 20)?;
    let y = conv(b, y, 40, 1, 10)?;
    let y = conv(b, y, 70, 2, 2)?;
    let y = b.reduce_mean(y, &[2, 3], false)?;
    let [levels, scale, zero] = b.dynamic_quantize_linear(y)?;
    let w = bytes(b, &[70, 9], 3);
    let w_zero = b.constant("zero", Tensor::scalar(131u8));
    let sums = b.matmul_integer(levels, w, Some(zero), Some(w_zero))?;
    real(b, sums, scale, &[9])
}

#[test]
fn a_network_gives_the_reference_answers() {
    let mut b = Builder::new("dynamic");
    let y = network(&mut b).unwrap();
    b.output(y, "y");
    let model = b.finish();
    agree(&model, &[("x", random(&[1, 3, 13, 11], 3))], 1e-6);
    let steps = steps(&model);
    let count = |name: &str| steps.iter().filter(|step| *step == name).count();
    assert_eq!((count("quantize_dynamic"), count("conv_dynamic")), (5, 5), "{steps:?}");
    // One product of scales for each layer is all that is left between them.
    assert_eq!((count("cast"), count("binary")), (0, 5), "{steps:?}");
}

#[test]
fn layers_one_by_one() {
    // Channels in and out, and groups: groups that share a matrix, prime ones, and channels by themselves.
    for (inputs, outputs, groups) in [(3, 16, 1), (8, 8, 8), (17, 17, 17), (13, 26, 13), (24, 12, 6), (34, 17, 17)] {
        one(&[2, inputs, 9, 7], |b, x| conv(b, x, outputs, 2, groups));
    }
}

#[test]
fn sums_that_are_read_as_integers_stay_integers() {
    let mut b = Builder::new("integers");
    let x = b.input("x", DataType::F32, &[1, 4, 6, 5]);
    let [levels, scale, zero] = b.dynamic_quantize_linear(x).unwrap();
    let w = bytes(&mut b, &[8, 4, 3, 3], 5);
    let sums = b.conv_integer(levels, w, Some(zero), None, &Window::square(3, 1, 1)).unwrap();
    let y = real(&mut b, sums, scale, &[1, 8, 1, 1]).unwrap();
    let same = b.cast(sums, DataType::F32).unwrap();
    b.output(y, "y");
    b.output(same, "sums");
    let model = b.finish();
    agree(&model, &[("x", random(&[1, 4, 6, 5], 3))], 1e-6);
    let steps = steps(&model);
    assert!(steps.iter().any(|step| step == "conv_integer"), "{steps:?}");
}
