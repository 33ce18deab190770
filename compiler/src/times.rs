//! How long steps take on one core, more or less: enough to weigh one way of sharing them against another.

use ocellus_kernels::Level;
use ocellus_ops::lower::{Constant, DeviceStep, Program};

/// Nanoseconds that two threads lose where they meet.
pub(crate) const MEETING: u64 = 1_000;

/// Nanoseconds for so many bytes that two threads write half each: what the other one has touched last, of those two fifths,
/// costs several for each 64 bytes.
pub(crate) fn crossing(bytes: usize) -> u64 {
    bytes as u64 / 64
}

/// Nanoseconds for so many bytes that the other thread has written.
pub(crate) fn fetched(bytes: usize) -> u64 {
    bytes as u64 / 64 * 3
}

/// Nanoseconds of a copy of so many bytes, one by one, on one core.
pub(crate) fn copied(bytes: usize) -> u64 {
    300 + bytes as u64 / 15
}

/// Nanoseconds that are lost where two threads share such a copy, or one thread does it.
pub(crate) fn lost_copied(bytes: usize) -> u64 {
    (copied(bytes) / 2).min(MEETING + crossing(bytes))
}

/// Nanoseconds that are lost where two threads share a step by itself, or one thread does it.
pub(crate) fn lost_alone(program: &Program, step: &DeviceStep, level: Level) -> u64 {
    let bytes = program.tensors[step.writes[0]].bytes();
    (nanoseconds(program, step, level) / 2).min(MEETING + crossing(bytes))
}

/// Multiply-accumulates in a nanosecond where an output takes many.
fn rate(level: Level) -> u64 {
    match level {
        Level::Amx => 1300,
        Level::Avx512Vnni => 300,
        Level::AvxVnni => 150,
        Level::Avx2 => 70,
        _ => 20,
    }
}

/// Multiply-accumulates of an output that are few.
const FEW: u64 = 32;

/// Nanoseconds of an int8 step whose rows are all made twice, the second time.
pub(crate) fn nanoseconds_again(program: &Program, step: &DeviceStep, level: Level) -> u64 {
    let tiles = level == Level::Amx && step.macs >= FEW * program.tensors[step.writes[0]].len() as u64;
    // A few rows more fill few of the rows of tiles that they take.
    nanoseconds(program, step, level) * if tiles { 2 } else { 1 }
}

/// Nanoseconds of an int8 step on one core of this level.
pub(crate) fn nanoseconds(program: &Program, step: &DeviceStep, level: Level) -> u64 {
    /// Outputs and, where they take few, multiply-accumulates in a nanosecond.
    const SLOW: (u64, u64) = (15, 60);
    /// Outputs that AMX's sums become in a nanosecond, and bytes of weights that come from the third-level cache.
    const AMX: (u64, u64) = (6, 30);
    /// What every step takes.
    const STEP: u64 = 300;
    /// Channels that AMX computes together.
    const TOGETHER: u32 = 32;
    let y = &program.tensors[step.writes[0]];
    let outputs = y.len() as u64;
    if step.macs < FEW * outputs {
        return STEP + step.macs / SLOW.1 + outputs / SLOW.0;
    }
    if level != Level::Amx {
        return STEP + step.macs / rate(level) + outputs / SLOW.0;
    }
    let constants = step.reads.iter().flatten().filter_map(|&t| program.tensors[t].constant.as_ref());
    let mut weights = constants.filter_map(|constant| match constant {
        Constant::ConvI8(weights, geometry) => Some((weights.len() as u64, geometry.out_channels)),
        _ => None,
    });
    let (weights, channels) = weights.next().unwrap_or((0, TOGETHER));
    let padded = step.macs * u64::from(channels.next_multiple_of(TOGETHER)) / u64::from(channels.max(1));
    // Sums become outputs while others are added.
    STEP + (padded / rate(level)).max(outputs / AMX.0) + weights / AMX.1
}
