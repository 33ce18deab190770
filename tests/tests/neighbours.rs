//! int8 convolutions to few channels, which the compiler computes several neighbouring outputs at a time: the same bits.

use ocellus_compiler::{Options, compile, prepare};
use ocellus_graph::{DataType, Model};
use ocellus_ops::{Builder, Window};
use ocellus_runtime::{Host, Isa, Level, Pool, with_session};
use ocellus_tests::networks::{activated, random, rounded};

/// A convolution to three channels, and its activation, which is a table.
fn network(stride: i64) -> Model {
    let mut b = Builder::new("net");
    let x = b.input("x", DataType::F32, &[1, 5, 13, 24]);
    let x = rounded(&mut b, x, 0.01).unwrap();
    let y = activated(&mut b, x, &[3, 5, 5, 5], &Window::square(5, stride, 2), 0.03).unwrap();
    b.output(y, "y");
    b.finish()
}

#[test]
fn few_channels_give_the_same_bits() {
    let input = random(&[1, 5, 13, 24], 7).to_f32();
    for (stride, isa) in [1, 2].into_iter().flat_map(|stride| Isa::available().map(move |isa| (stride, isa))) {
        let prepared = prepare(network(stride), &[]).unwrap();
        let options = Options { level: isa.level(), ..Options::default() };
        let plain = compile(&prepared, &Options { compact: true, ..options }).unwrap();
        let joined = compile(&prepared, &options).unwrap();
        let answer = |bytes: &[u8], threads: usize| {
            let pool = Pool::new(threads).unwrap();
            with_session(bytes, isa, |session| {
                session.set_input(0, Host::F32(&input)).unwrap();
                session.run_on(&pool);
                session.output_bytes(0).unwrap().to_vec()
            })
            .unwrap()
        };
        let expected = answer(&plain.bytes, 1);
        assert!(expected.iter().any(|&byte| byte != expected[0]), "every output is the same");
        for threads in [1, 2, 3] {
            assert_eq!(answer(&joined.bytes, threads), expected, "{:?}, stride {stride}", isa.level());
        }
        if matches!(isa.level(), Level::Amx | Level::Avx512Vnni) {
            assert!(joined.report.weights_bytes > plain.report.weights_bytes, "{:?}: nothing was joined", isa.level());
            assert_eq!(joined.report.arena_bytes, plain.report.arena_bytes);
            assert_eq!(joined.report.macs, plain.report.macs);
        }
    }
}
