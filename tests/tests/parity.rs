//! Integer plans: identical between the portable and every SIMD variant, and within one step of ONNX's own meaning.

use ocellus_compiler::{compile, prepare, Options};
use ocellus_ops::evaluate;
use ocellus_runtime::Isa;
use ocellus_tests::device::{output_bytes, outputs};
use ocellus_tests::networks::{integer_network, random, Activations};

#[test]
fn every_variant_gives_the_portable_bytes() {
    for kind in [Activations::Unsigned, Activations::Signed] {
        let prepared = prepare(integer_network(kind).unwrap(), &[]).unwrap();
        let portable = compile(&prepared, &Options { isa: Isa::PORTABLE, ..Options::default() }).unwrap();
        for seed in 0..5 {
            let inputs = [("x", random(&[2, 3, 17, 13], seed))];
            let expected = output_bytes(&portable.bytes, Isa::PORTABLE, &inputs).unwrap();
            for isa in Isa::available() {
                let compiled = compile(&prepared, &Options { isa, ..Options::default() }).unwrap();
                let found = output_bytes(&compiled.bytes, isa, &inputs).unwrap();
                assert_eq!(found, expected, "{kind:?}, {}", isa.level().name());
                // A plan packed for one instruction set runs on the portable kernels too.
                assert_eq!(output_bytes(&compiled.bytes, Isa::PORTABLE, &inputs).unwrap(), expected, "{kind:?}");
            }
        }
    }
}

/// The plan against ONNX's float meaning of the same quantized graph, where differences of one step may add up over the
/// layers: nearly all values are equal, none is far off.
#[test]
fn integer_plans_follow_the_quantized_graph() {
    for kind in [Activations::Unsigned, Activations::Signed] {
        let prepared = prepare(integer_network(kind).unwrap(), &[]).unwrap();
        let compiled = compile(&prepared, &Options::default()).unwrap();
        let integer_steps = compiled.report.steps.iter().filter(|s| s.name.contains("_i8")).count();
        assert!(integer_steps >= 14, "the network runs in integers: {:#?}", compiled.report.steps);
        let inputs = [("x", random(&[2, 3, 17, 13], 3))];
        let expected = evaluate(&prepared.model, &inputs).unwrap();
        let found = outputs(&compiled.bytes, Isa::best(), &inputs).unwrap();
        for ((name, steps), found) in [("scores", 0.05), ("features", 0.011), ("map", 0.02)].into_iter().zip(found) {
            let expected = expected[name].to_f32();
            let off = |(a, b): (&f32, &f32)| ((a - b) / steps).abs().round() as i32;
            let errors: Vec<i32> = expected.iter().zip(&found).map(off).collect();
            let equal = errors.iter().filter(|&&e| e == 0).count();
            assert!(equal * 100 >= errors.len() * 98, "{kind:?} {name}: {equal} of {} equal", errors.len());
            assert!(errors.iter().all(|&e| e <= 2), "{kind:?} {name}: {:?} steps off", errors.iter().max());
        }
    }
}
