//! Integer plans: identical between the portable and every SIMD variant, and within one step of ONNX's own meaning.

use ocellus_compiler::{Options, compile, prepare};
use ocellus_graph::{DataType, Tensor, ValueId};
use ocellus_ops::{Builder, evaluate};
use ocellus_runtime::{Isa, Level};
use ocellus_tests::device::{output_bytes, outputs};
use ocellus_tests::networks::{Activations, INTEGER_LAYERS, integer_layer, integer_network, random};

#[test]
fn every_variant_gives_the_portable_bytes() {
    for kind in [Activations::Unsigned, Activations::Signed] {
        let prepared = prepare(integer_network(kind).unwrap(), &[]).unwrap();
        let portable = compile(&prepared, &Options { level: Level::Portable, ..Options::default() }).unwrap();
        for seed in 0..5 {
            let inputs = [("x", random(&[2, 3, 17, 13], seed))];
            let expected = output_bytes(&portable.bytes, Isa::PORTABLE, &inputs).unwrap();
            for isa in Isa::available() {
                let compiled = compile(&prepared, &Options { level: isa.level(), ..Options::default() }).unwrap();
                let found = output_bytes(&compiled.bytes, isa, &inputs).unwrap();
                assert_eq!(found, expected, "{kind:?}, {}", isa.level().name());
                // A plan packed for one instruction set runs on the portable kernels too.
                assert_eq!(output_bytes(&compiled.bytes, Isa::PORTABLE, &inputs).unwrap(), expected, "{kind:?}");
            }
        }
    }
}

/// Every layer by itself against ONNX's float meaning of the same quantized layer, fed the same integers: within one
/// step, and equal on more than 99 % (movement and tables: on all) of the values.
#[test]
fn every_integer_layer_follows_the_contract() {
    for kind in [Activations::Unsigned, Activations::Signed] {
        for &(name, layer) in INTEGER_LAYERS {
            let prepared = prepare(integer_layer(layer, kind).unwrap(), &[]).unwrap();
            let inputs = [("x", random(&[2, 12, 9, 7], 3))];
            let expected = evaluate(&prepared.model, &inputs).unwrap()["y"].to_f32();
            for isa in Isa::available() {
                let compiled = compile(&prepared, &Options { level: isa.level(), ..Options::default() }).unwrap();
                let found = outputs(&compiled.bytes, isa, &inputs).unwrap().remove(0);
                let off = |(a, b): (&f32, &f32)| ((a - b) / 0.05).abs().round() as i32;
                let errors: Vec<i32> = expected.iter().zip(&found).map(off).collect();
                let wrong = errors.iter().filter(|&&e| e != 0).count();
                let level = isa.level().name();
                assert!(errors.iter().all(|&e| e <= 1), "{kind:?} {name} on {level}: more than a step off");
                assert!(wrong * 100 <= errors.len(), "{kind:?} {name} on {level}: {wrong} of {} differ", errors.len());
            }
        }
    }
}

#[test]
fn the_whole_network_runs_in_integers() {
    let prepared = prepare(integer_network(Activations::Unsigned).unwrap(), &[]).unwrap();
    let compiled = compile(&prepared, &Options::default()).unwrap();
    let float = ["_f32", "unary", "binary", "dequantize", "quantize"];
    let steps = compiled.report.steps;
    assert!(steps.len() >= 12 && !steps.iter().any(|s| float.iter().any(|f| s.name.starts_with(f))), "{steps:#?}");
}

/// `x * sigmoid(x)` between quantizations: one table, and the 256 values as ONNX has them.
#[test]
fn gates_become_one_table() {
    let mut b = Builder::new("gate");
    let x = b.input("x", DataType::F32, &[1, 256]);
    let requantized = |b: &mut Builder, x: ValueId, scale: f32, zero: u8| {
        let (s, z) = (b.constant("s", Tensor::scalar(scale)), b.constant("z", Tensor::scalar(zero)));
        let q = b.quantize_linear(x, s, z, None).unwrap();
        b.dequantize_linear(q, s, Some(z), None).unwrap()
    };
    let x = requantized(&mut b, x, 0.05, 120);
    let gate = b.sigmoid(x).unwrap();
    let gate = requantized(&mut b, gate, 1.0 / 256.0, 0);
    let y = b.mul(x, gate).unwrap();
    let y = requantized(&mut b, y, 0.03, 9);
    b.output(y, "y");
    let prepared = prepare(b.finish(), &[]).unwrap();
    let values = (0..256).map(|q| 0.05 * (q - 120) as f32).collect::<Vec<f32>>();
    let inputs = [("x", Tensor::of(&[1, 256], values))];
    let expected = evaluate(&prepared.model, &inputs).unwrap()["y"].to_f32();
    for isa in Isa::available() {
        let compiled = compile(&prepared, &Options { level: isa.level(), ..Options::default() }).unwrap();
        let names: Vec<_> = compiled.report.steps.iter().map(|s| s.name.split(' ').next().unwrap_or("")).collect();
        assert_eq!(names, ["table_i8"]);
        let found = outputs(&compiled.bytes, isa, &inputs).unwrap().remove(0);
        let steps = expected.iter().zip(&found).map(|(a, b)| ((a - b) / 0.03).abs().round() as u32);
        let (most, sum) = steps.fold((0, 0), |(most, sum), n| (most.max(n), sum + n));
        assert!(most <= 1 && sum <= 2, "{sum} of 256 differ, by {most} at most");
    }
}
