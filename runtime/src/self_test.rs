//! The plan's self-test vectors, run on the device.

use core::fmt;

use ocellus_plan::{Axes, DeviceType, HostType, Port, Values, crc32};

use crate::Session;

/// A self-test vector whose answer is not the right one: the CPU, the memory or the plan's weights are not what they
/// were when the plan was made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SelfTestError {
    /// Its place among the plan's vectors.
    pub index: usize,
    /// The checksum of the right answer.
    pub expected: u32,
    /// That of the answer here.
    pub found: u32,
}

impl fmt::Display for SelfTestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { index, expected, found } = self;
        write!(f, "self-test {index} gives {found:08x} where {expected:08x} is right: do not use this plan here")
    }
}

impl core::error::Error for SelfTestError {}

impl Session<'_> {
    /// Runs every self-test vector of the plan and returns how many there are. What the arena held is lost.
    ///
    /// # Errors
    /// The first vector with another answer.
    pub fn self_test(&mut self) -> Result<usize, SelfTestError> {
        let mut count = 0;
        for (index, test) in self.plan().self_tests().enumerate() {
            let found = self.answer(test.seed);
            if found != test.crc {
                return Err(SelfTestError { index, expected: test.crc, found });
            }
            count = index.wrapping_add(1);
        }
        Ok(count)
    }

    /// Fills the inputs from a seed, runs, and returns the checksum of the outputs, as a
    /// [`SelfTest`](ocellus_plan::SelfTest) has them.
    pub fn answer(&mut self, seed: u32) -> u32 {
        self.draw_inputs(seed);
        self.run();
        self.plan()
            .outputs()
            .enumerate()
            .fold(0, |crc, (index, port)| self.output_bytes(index).map_or(crc, |bytes| checksum(crc, &port, bytes)))
    }

    /// Fills the inputs from a seed: floats from -1 to 1, any bytes, integers of 0.
    pub fn draw_inputs(&mut self, seed: u32) {
        for (index, port) in self.plan().inputs().enumerate() {
            if let Ok(bytes) = self.input_bytes(index) {
                fill(&port, Values::new(seed, index as u32), bytes);
            }
        }
    }
}

/// The place in the arena of every element, in the model's axis order.
fn places(port: &Port<'_>) -> impl Iterator<Item = usize> {
    let (batch, channels, pixels) = match (port.axes, port.shape()) {
        (Axes::Nhwc, &[n, c, h, w]) => (n as usize, c as usize, (h as usize).wrapping_mul(w as usize)),
        _ => (1, 1, port.elements()),
    };
    (0..batch).flat_map(move |n| {
        (0..channels).flat_map(move |c| {
            let first = n.wrapping_mul(pixels).wrapping_mul(channels).wrapping_add(c);
            (0..pixels).map(move |p| first.wrapping_add(p.wrapping_mul(channels)))
        })
    })
}

fn fill(port: &Port<'_>, mut values: Values, bytes: &mut [u8]) {
    let size = port.device_size();
    for place in places(port) {
        let draw = values.draw();
        let start = place.wrapping_mul(size);
        let Some(element) = bytes.get_mut(start..start.wrapping_add(size)) else { return };
        let real = ((draw >> 8) as i32).wrapping_sub(1 << 23) as f32 / (1 << 23) as f32;
        let value = match (port.device, port.host) {
            (DeviceType::Quantized, _) | (_, HostType::I8 | HostType::U8) => u64::from(draw >> 24),
            (_, HostType::F32) => u64::from(real.to_bits()),
            (_, HostType::Bool) => u64::from(draw >> 31),
            // Integers may be places in a table, of which only the first is sure to exist.
            (_, HostType::I32 | HostType::I64) => 0,
        };
        for (to, from) in element.iter_mut().zip(value.to_le_bytes()) {
            *to = from;
        }
    }
}

fn checksum(before: u32, port: &Port<'_>, bytes: &[u8]) -> u32 {
    let size = port.device_size();
    places(port).fold(before, |crc, place| {
        let start = place.wrapping_mul(size);
        crc32(crc, bytes.get(start..start.wrapping_add(size)).unwrap_or(&[]))
    })
}
