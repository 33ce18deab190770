//! Transposed convolutions that are compiled to convolutions of all their phases give the same answers.

use ocellus_compiler::{Options, compile, prepare};
use ocellus_graph::{DataType, Model, Tensor};
use ocellus_ops::{Builder, OpError, Window};
use ocellus_runtime::Isa;
use ocellus_tests::device::outputs;
use ocellus_tests::networks::random;

/// Kernel, stride, padding at the begin of both axes, output padding.
const WINDOWS: [([i64; 2], [i64; 2], [i64; 2], i64); 7] = [
    ([4, 4], [2, 2], [1, 1], 0),
    ([3, 3], [2, 2], [1, 1], 1),
    ([3, 3], [2, 2], [1, 1], 0),
    ([5, 2], [3, 1], [0, 1], 0),
    ([3, 4], [1, 2], [2, 3], 0),
    ([2, 3], [4, 5], [0, 0], 0),
    ([16, 16], [8, 8], [4, 4], 0),
];

/// One transposed convolution of 3 to 5 channels, in f32 or int8.
fn network(index: usize, quantized: bool) -> Result<Model, OpError> {
    let (kernel, strides, begin, output_padding) = WINDOWS[index];
    let mut b = Builder::new("net");
    let x = b.input("x", DataType::F32, &[2, 3, 5, 4]);
    let window = Window {
        strides: strides.to_vec(),
        pads: begin.iter().chain(&begin).copied().collect(),
        kernel: kernel.to_vec(),
        ..Window::default()
    };
    let shape = [3, 5, kernel[0] as usize, kernel[1] as usize];
    let values = random(&shape, index as u64);
    let bias = b.constant("b", Tensor::vector(&[0.5f32, -0.25, 0.0, 1.0, 0.125]));
    let padding = [output_padding; 2];
    let y = if quantized {
        let (s, z) = (b.constant("s", Tensor::scalar(0.01f32)), b.constant("z", Tensor::scalar(7i8)));
        let (ws, wz) = (b.constant("ws", Tensor::scalar(0.005f32)), b.constant("wz", Tensor::scalar(0i8)));
        let q = b.quantize_linear(x, s, z, None)?;
        let x = b.dequantize_linear(q, s, Some(z), None)?;
        let w = b.constant("w", Tensor::of::<i8>(&shape, values.to_f32().iter().map(|v| (v * 127.0) as i8).collect()));
        let w = b.dequantize_linear(w, ws, Some(wz), None)?;
        let y = b.conv_transpose(x, w, Some(bias), &window, &padding)?;
        let q = b.quantize_linear(y, s, z, None)?;
        b.dequantize_linear(q, s, Some(z), None)?
    } else {
        let w = b.constant("w", values);
        b.conv_transpose(x, w, Some(bias), &window, &padding)?
    };
    b.output(y, "y");
    Ok(b.finish())
}

#[test]
fn phases_are_the_transposed_convolution() {
    let inputs = [("x", random(&[2, 3, 5, 4], 5))];
    let mut converted = 0;
    for (index, quantized) in (0..WINDOWS.len()).flat_map(|k| [(k, false), (k, true)]) {
        let prepared = prepare(network(index, quantized).unwrap(), &[]).unwrap();
        let answer = |isa: Isa| {
            let compiled = compile(&prepared, &Options { level: isa.level(), ..Options::default() }).unwrap();
            let whole = compiled.report.steps.iter().any(|step| step.name.starts_with("conv_transpose"));
            (outputs(&compiled.bytes, isa, &inputs).unwrap().remove(0), whole)
        };
        let (expected, whole) = answer(Isa::PORTABLE);
        assert!(whole, "the portable reference is the operation itself");
        for isa in Isa::available() {
            let (found, whole) = answer(isa);
            converted += usize::from(!whole);
            let name = isa.level().name();
            if quantized {
                assert_eq!(found, expected, "{:?} on {name}", WINDOWS[index]);
            } else {
                let near = found.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-5);
                assert!(near && found.len() == expected.len(), "{:?} on {name}", WINDOWS[index]);
            }
        }
    }
    assert!(converted > 0 || Isa::available().count() == 1, "no instruction set has phases");
}
