//! Plans: whatever the bytes are, the reader returns, and what it accepts can be looked at without a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ocellus_plan::{Operand, Plan, Steps, crc32};

/// Where the checksum is, and where what it covers begins (`docs/plan-format.md`).
const CHECKSUM: std::ops::Range<usize> = 16..20;

fuzz_target!(|bytes: &[u8]| {
    look(bytes);
    // With a right magic, length and checksum, which a fuzzer does not guess, the damage reaches the checks behind them.
    let mut whole = bytes.to_vec();
    if let Ok(length) = u32::try_from(whole.len())
        && whole.len() >= CHECKSUM.end
    {
        whole[..8].copy_from_slice(b"OCELLUS\0");
        whole[8..12].copy_from_slice(&u32::from(ocellus_plan::VERSION).to_le_bytes());
        whole[12..16].copy_from_slice(&length.to_le_bytes());
        let checksum = crc32(0, &whole[CHECKSUM.end..]);
        whole[CHECKSUM].copy_from_slice(&checksum.to_le_bytes());
        look(&whole);
    }
});

/// Everything that a reader of a plan may ask.
fn look(bytes: &[u8]) {
    let Ok(plan) = Plan::parse(bytes) else { return };
    let _ = (plan.bytes(), plan.arena_bytes(), plan.arena_align(), plan.layouts(), plan.weights(), plan.metadata());
    for port in plan.inputs().chain(plan.outputs()) {
        let _ = (port.shape(), port.elements(), port.device_size());
    }
    let _ = plan.step_names().count();
    let mut words = vec![0; plan.step_words()];
    for step in Steps::new(plan.copy_steps(&mut words).unwrap_or_default()).flatten() {
        let _ = step.reads().chain(step.writes()).filter_map(Operand::end).count();
    }
}
