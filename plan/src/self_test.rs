//! Self-test vectors: inputs that a device makes itself, and the checksums of the right answers.

use crate::Plan;
use crate::read::Section;

/// Bytes of a record.
const RECORD: usize = 8;

/// One test. The inputs follow from the seed (see [`Values`]), so that a test costs eight bytes of the plan.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SelfTest {
    /// What the inputs are made from.
    pub seed: u32,
    /// CRC-32 of the outputs, one behind the other in the model's axis order: logical int8 where they are quantized,
    /// else the little-endian bytes of their values.
    pub crc: u32,
}

impl SelfTest {
    /// Its eight bytes.
    pub fn to_bytes(self) -> [u8; RECORD] {
        let [a, b, c, d] = self.seed.to_le_bytes();
        let [e, f, g, h] = self.crc.to_le_bytes();
        [a, b, c, d, e, f, g, h]
    }

    fn from_bytes([a, b, c, d, e, f, g, h]: [u8; RECORD]) -> Self {
        Self { seed: u32::from_le_bytes([a, b, c, d]), crc: u32::from_le_bytes([e, f, g, h]) }
    }
}

impl<'a> Plan<'a> {
    /// The self-test vectors; none where the plan has floats inside, whose last bits are a CPU's own.
    pub fn self_tests(&self) -> impl Iterator<Item = SelfTest> + 'a {
        self.section(Section::SelfTest).as_chunks().0.iter().map(|&record| SelfTest::from_bytes(record))
    }
}

/// The numbers of one input: xorshift32, started from the test's seed and the input's place.
#[derive(Clone, Copy, Debug)]
pub struct Values(u32);

impl Values {
    /// The numbers of input `input` under `seed`.
    pub fn new(seed: u32, input: u32) -> Self {
        let mixed = seed ^ input.wrapping_add(1).wrapping_mul(0x9E37_79B9);
        Self(if mixed == 0 { 0x9E37_79B9 } else { mixed })
    }

    /// The next number: of a byte the top eight bits are used, of an f32 the top 24 as a number in [-1, 1).
    pub fn draw(&mut self) -> u32 {
        let mut x = self.0;
        x ^= x << 13;
        x ^= x >> 17;
        x ^= x << 5;
        self.0 = x;
        x
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;

    #[test]
    fn records_round_trip() {
        let test = SelfTest { seed: 0x0102_0304, crc: 0xA0B0_C0D0 };
        assert_eq!(SelfTest::from_bytes(test.to_bytes()), test);
    }

    /// xorshift32 from 1 (Marsaglia 2003, triple 13, 17, 5).
    #[test]
    fn values_are_those_of_xorshift() {
        let mut values = Values(1);
        assert_eq!([values.draw(), values.draw(), values.draw()], [270_369, 67_634_689, 2_647_435_461]);
        let all: std::vec::Vec<u32> = (0..4).map(|input| Values::new(7, input).draw()).collect();
        assert!(all.iter().enumerate().all(|(i, a)| !all[..i].contains(a)), "{all:?}");
        assert_ne!(Values::new(0x9E37_79B9, 0).draw(), 0, "a state of zero would stay zero");
    }
}
