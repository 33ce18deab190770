//! Plans on generated inputs.

use ocellus_plan::crc32;
use ocellus_runtime::Session;

use crate::Draw;

/// The checksum of all outputs, as they lie on the device.
pub fn checksum(session: &mut Session<'_>) -> u32 {
    let (mut crc, mut index) = (0, 0);
    while let Ok(output) = session.output_bytes(index) {
        crc = crc32(crc, output);
        index += 1;
    }
    crc
}

/// Fills every input with drawn bytes, runs, and returns the checksum of all outputs, as they lie on the device.
///
/// The bytes of an input spread around one of their own, both drawn: noise of the whole range, always, makes some networks
/// as sure of one class as int8 can say, whatever the noise is.
///
/// Meant for plans whose inputs are integers on the device: any byte is a value.
pub fn answer(session: &mut Session<'_>, draw: &mut Draw) -> u32 {
    let mut index = 0;
    while let Ok(input) = session.input_bytes(index) {
        let spread = draw.between(8, 256);
        let least = draw.between(-128, 128 - spread);
        for eight in input.chunks_mut(8) {
            for (to, bits) in eight.iter_mut().zip(draw.bits().to_le_bytes()) {
                *to = (least + ((i32::from(bits) * spread) >> 8)) as u8;
            }
        }
        index += 1;
    }
    session.run();
    checksum(session)
}
