//! CRC-32 (IEEE 802.3), the checksum of plans and of reported answers.

/// One table of 16 entries: small enough for a microcontroller, and a plan is checked once.
const TABLE: [u32; 16] = {
    let mut table = [0; 16];
    let mut i = 0;
    while i < 16 {
        let mut c = i as u32;
        let mut bit = 0;
        while bit < 4 {
            c = if c & 1 == 1 { 0xEDB8_8320 ^ (c >> 1) } else { c >> 1 };
            bit += 1;
        }
        #[allow(clippy::indexing_slicing)] // const evaluation: out of range fails the build
        {
            table[i] = c;
        }
        i += 1;
    }
    table
};

fn nibble(c: u32) -> u32 {
    TABLE.get((c & 15) as usize).copied().unwrap_or(0) ^ (c >> 4)
}

/// The CRC-32 of `bytes`, continuing from the CRC of what came before (0 at the start).
pub fn crc32(before: u32, bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!before, |c, &byte| nibble(nibble(c ^ u32::from(byte))))
}

#[cfg(test)]
mod tests {
    #[test]
    fn known_answer() {
        assert_eq!(super::crc32(0, b"123456789"), 0xCBF4_3926);
        assert_eq!(super::crc32(super::crc32(0, b"1234"), b"56789"), 0xCBF4_3926);
    }
}
