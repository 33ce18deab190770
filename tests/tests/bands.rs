//! Steps that run band by band: the same answers in less memory.

use std::path::Path;

use ocellus_compiler::{Options, compile, prepare};
use ocellus_graph::Model;
use ocellus_runtime::{Isa, Level, with_session};

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
