//! ONNX files: whatever the bytes are, reading returns; what is read can be written, and read again to the same bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ocellus_graph::Model;

fuzz_target!(|bytes: &[u8]| {
    let Ok(model) = Model::from_bytes(bytes, None) else { return };
    let written = model.to_bytes().expect("what was read can be written");
    let again = Model::from_bytes(&written, None).expect("what was written can be read");
    // Bytes and not models are compared: a NaN is not equal to itself.
    assert_eq!(again.to_bytes().expect("a second time"), written);
});
