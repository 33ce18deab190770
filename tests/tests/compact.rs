//! Plans whose weights keep their own size: the same bits in integers, the same numbers within float bounds.

use ocellus_compiler::{Options, compile, prepare};
use ocellus_graph::{DataType, Model, Tensor, ValueId};
use ocellus_ops::{Builder, Window};
use ocellus_runtime::{Isa, Level};
use ocellus_tests::device::outputs;
use ocellus_tests::networks::random;

/// A 3x3 kernel over 16 channels, in int8 between two quantizations or in floats.
fn network(int8: bool) -> Model {
    let mut b = Builder::new("net");
    let x = b.input("x", DataType::F32, &[1, 16, 14, 10]);
    let window = Window { pads: vec![1; 4], ..Window::default() };
    let y = if int8 {
        let x = quantized(&mut b, x);
        let values: Vec<i8> = random(&[16, 16, 3, 3], 2).to_f32().iter().map(|v| (v * 127.0) as i8).collect();
        let w = b.constant("w", Tensor::of(&[16, 16, 3, 3], values));
        let (scales, zeros) = (vec![0.01f32; 16], vec![0i8; 16]);
        let (scales, zeros) = (b.constant("s", Tensor::of(&[16], scales)), b.constant("z", Tensor::of(&[16], zeros)));
        let w = b.dequantize_linear(w, scales, Some(zeros), Some(0)).unwrap();
        let y = b.conv(x, w, None, &window).unwrap();
        quantized(&mut b, y)
    } else {
        let w = b.constant("w", random(&[16, 16, 3, 3], 2));
        b.conv(x, w, None, &window).unwrap()
    };
    b.output(y, "y");
    b.finish()
}

fn quantized(b: &mut Builder, x: ValueId) -> ValueId {
    let (s, z) = (b.constant("scale", Tensor::scalar(0.05f32)), b.constant("zero", Tensor::scalar(128u8)));
    let q = b.quantize_linear(x, s, z, None).unwrap();
    b.dequantize_linear(q, s, Some(z), None).unwrap()
}

#[test]
fn weights_keep_their_size() {
    for (int8, weights) in [(true, 16 * 144), (false, 16 * 144 * 4)] {
        let prepared = prepare(network(int8), &[]).unwrap();
        let inputs = [("x", random(&[1, 16, 14, 10], 5))];
        for isa in Isa::available() {
            let plan = |compact| {
                let options = Options { level: isa.level(), compact, ..Options::default() };
                compile(&prepared, &options).unwrap()
            };
            let (fast, compact) = (plan(false), plan(true));
            let bound = weights + 16 * 3 * 4 + 64 * 3;
            assert!(compact.report.weights_bytes <= bound, "{} bytes", compact.report.weights_bytes);
            let transformed =
                matches!(isa.level(), Level::Sse41 | Level::Avx2) || !int8 && isa.level() != Level::Portable;
            assert_eq!(fast.report.weights_bytes > bound, transformed, "{}", isa.level().name());
            let [one, other] = [fast, compact].map(|c| outputs(&c.bytes, isa, &inputs).unwrap().remove(0));
            let greatest = one.iter().fold(0.0, |m: f32, v| m.max(v.abs()));
            let bound = if int8 { 0.0 } else { 1e-4 * greatest };
            assert!(one.iter().zip(&other).all(|(a, b)| (a - b).abs() <= bound), "{}", isa.level().name());
        }
    }
}
