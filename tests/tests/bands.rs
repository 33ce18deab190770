//! Steps that run band by band: the same answers in less memory.

use std::path::Path;

use ocellus_compiler::{Options, compile, prepare};
use ocellus_graph::{DataType, Model};
use ocellus_ops::{Builder, Window};
use ocellus_runtime::{Isa, Level, with_session};
use ocellus_tests::device::outputs;
use ocellus_tests::networks::random;

/// The network of MLPerf Tiny that needs most memory for its size.
fn visual_wake_words() -> Model {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("boards/models/visual_wake_words.int8.onnx");
    Model::load(&path).expect("the model is read")
}

/// The output for an input of drawn bytes.
fn answer(plan: &[u8]) -> Vec<u8> {
    with_session(plan, Isa::PORTABLE, |session| {
        for (k, byte) in session.input_bytes(0).expect("an input").iter_mut().enumerate() {
            *byte = (k * 7919 % 251) as u8;
        }
        session.run();
        session.output_bytes(0).expect("an output").to_vec()
    })
    .expect("the plan loads")
}

#[test]
fn bands_change_the_memory_and_not_the_answer() {
    let prepared = prepare(visual_wake_words(), &[]).unwrap();
    let options = Options { level: Level::Dsp, align: 8, ..Options::default() };
    let whole = compile(&prepared, &options).unwrap();
    let bands = compile(&prepared, &Options { bands: true, ..options }).unwrap();
    assert_eq!((whole.report.arena_bytes, bands.report.arena_bytes), (55_296, 46_080));
    assert!(bands.report.macs <= whole.report.macs + whole.report.macs / 16);
    assert_eq!(answer(&bands.bytes), answer(&whole.bytes));
}

/// A float picture that is large between two layers, and small before and behind them.
#[test]
fn bands_of_floats_take_their_own_bytes() {
    let mut b = Builder::new("net");
    let x = b.input("x", DataType::F32, &[1, 4, 24, 10]);
    let w = b.constant("w", random(&[32, 4, 1, 1], 1));
    let wide = b.conv(x, w, None, &Window::square(1, 1, 0)).unwrap();
    let w = b.constant("w", random(&[32, 1, 3, 3], 2));
    let deep = b.conv(wide, w, None, &Window::square(3, 2, 1).grouped(32)).unwrap();
    let w = b.constant("w", random(&[4, 32, 1, 1], 3));
    let y = b.conv(deep, w, None, &Window::square(1, 1, 0)).unwrap();
    b.output(y, "y");
    let prepared = prepare(b.finish(), &[]).unwrap();
    let options = Options { level: Level::Dsp, align: 8, ..Options::default() };
    let whole = compile(&prepared, &options).unwrap();
    let bands = compile(&prepared, &Options { bands: true, ..options }).unwrap();
    // The widest picture has 24 rows of 10 pixels of 32 floats; a band of it needs a part of that.
    let picture = 24 * 10 * 32 * 4;
    assert!(whole.report.arena_bytes > picture);
    assert!(bands.report.arena_bytes < picture * 4 / 5, "{}", bands.report.arena_bytes);
    let inputs = [("x", random(&[1, 4, 24, 10], 5))];
    let answer = |plan: &[u8]| outputs(plan, Isa::PORTABLE, &inputs).unwrap();
    assert_eq!(answer(&bands.bytes), answer(&whole.bytes));
}
