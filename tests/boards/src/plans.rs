//! Plans on generated inputs.

use ocellus_plan::crc32;
use ocellus_runtime::Session;

use crate::Draw;

/// The checksum of an output's bytes.
pub fn checksum(bytes: &[u8]) -> u32 {
    crc32(0, bytes)
}

/// Fills every input with drawn bytes, runs, and returns the checksum of all outputs, as they lie on the device.
///
/// Meant for plans whose inputs are integers on the device: any byte is a value.
pub fn answer(session: &mut Session<'_>, draw: &mut Draw) -> u32 {
    let mut index = 0;
    while let Ok(input) = session.input_bytes(index) {
        for eight in input.chunks_mut(8) {
            let bits = draw.bits().to_le_bytes();
            eight.copy_from_slice(&bits[..eight.len()]);
        }
        index += 1;
    }
    session.run();
    let (mut crc, mut index) = (0, 0);
    while let Ok(output) = session.output_bytes(index) {
        crc = crc32(crc, output);
        index += 1;
    }
    crc
}
