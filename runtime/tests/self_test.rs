//! Self-test vectors: the right answers pass, wrong ones are named.

mod cases;

use cases::Aligned;
use ocellus_plan::args::TableI8;
use ocellus_plan::{
    Axes, DeviceType, HostType, Operand, Plan, PortSpec, SelfTest, Space, StepSpec, Values, Writer, crc32,
    with_self_tests,
};
use ocellus_runtime::{Isa, SelfTestError, Session, ops};

/// A picture `[1, 2, 1, 3]` that a table negates.
fn plan() -> Vec<u8> {
    let port = |name: &str, offset| PortSpec {
        name: name.into(),
        host: HostType::F32,
        device: DeviceType::Quantized,
        axes: Axes::Nhwc,
        shape: vec![1, 2, 1, 3],
        offset,
        len: 6,
        scale: 0.5,
        zero_point: 0,
    };
    let operand = |space, offset, len| Operand { space, offset, len };
    let reads = vec![operand(Space::Arena, 0, 6), operand(Space::Weights, 0, 256)];
    let step = StepSpec::new("table", TableI8 { len: 6 }, vec![operand(Space::Arena, 64, 6)], reads);
    // Entry k belongs to the byte k - 128.
    let weights = (0..256).map(|k| (128 - k).min(127) as i8 as u8).collect();
    let (inputs, outputs) = (vec![port("x", 0)], vec![port("y", 64)]);
    Writer { arena_bytes: 128, arena_align: 64, weights, steps: vec![step], inputs, outputs, ..Writer::new() }.finish()
}

/// The checksum by the description: numbers in the model's order, negated.
fn right(seed: u32) -> u32 {
    let mut values = Values::new(seed, 0);
    let bytes: Vec<u8> = (0..6)
        .map(|_| ((values.draw() >> 24) as u8).cast_signed())
        .map(|q| q.saturating_neg().cast_unsigned())
        .collect();
    crc32(0, &bytes)
}

fn tested(tests: &[SelfTest]) -> Result<usize, SelfTestError> {
    let bytes = plan();
    let bytes = with_self_tests(&Plan::parse(&bytes).unwrap(), tests);
    let mut file = Aligned([0; 32768]);
    file.0[..bytes.len()].copy_from_slice(&bytes);
    let plan = Plan::parse(&file.0[..bytes.len()]).unwrap();
    let (mut steps, mut arena) = ([0; 64], Aligned([0; 32768]));
    Session::load(plan, ops::ALL, Isa::best(), &mut steps, &mut arena.0).unwrap().self_test()
}

#[test]
fn right_answers_pass() {
    assert_eq!(tested(&[]), Ok(0));
    assert_eq!(tested(&[1, 2, 0xFFFF_FFFF].map(|seed| SelfTest { seed, crc: right(seed) })), Ok(3));
}

#[test]
fn a_wrong_answer_is_named() {
    let (good, bad) = (SelfTest { seed: 5, crc: right(5) }, SelfTest { seed: 6, crc: right(6) ^ 1 });
    let error = tested(&[good, bad]).unwrap_err();
    assert_eq!(error, SelfTestError { index: 1, expected: right(6) ^ 1, found: right(6) });
    assert!(error.to_string().contains("self-test 1"));
}
