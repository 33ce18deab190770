//! The writer, for the compiler and for tests.

use std::string::String;
use std::vec::Vec;

use crate::read::{ALIGN, CHECKED_FROM, ENTRY, HEADER, MAGIC};
use crate::{Arguments, Axes, DeviceType, HostType, Operand, Plan, Section, SelfTest, VERSION, Word, crc32};

/// One device operation to be written.
#[derive(Clone, Debug, PartialEq)]
pub struct StepSpec {
    /// The operation's number.
    pub code: u16,
    /// Its name in reports, with the node that it comes from.
    pub name: String,
    /// What it writes: outputs, then scratch.
    pub writes: Vec<Operand>,
    /// What it reads.
    pub reads: Vec<Operand>,
    /// Its arguments in words.
    pub args: Vec<u32>,
}

impl StepSpec {
    /// A step of this operation.
    pub fn new<A: Arguments>(name: &str, args: A, writes: Vec<Operand>, reads: Vec<Operand>) -> Self {
        Self { code: A::CODE, name: name.into(), writes, reads, args: to_words(args) }
    }
}

/// The words of any argument value.
pub(crate) fn to_words<W: Word>(value: W) -> Vec<u32> {
    let mut words = Vec::new();
    value.put(&mut |w| words.push(w));
    words
}

/// An input or output to be written; fields as in [`Port`](crate::Port).
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)] // as `Port`
pub struct PortSpec {
    pub name: String,
    pub host: HostType,
    pub device: DeviceType,
    pub axes: Axes,
    pub shape: Vec<u32>,
    pub offset: u32,
    pub len: u32,
    pub scale: f32,
    pub zero_point: i32,
}

/// Collects the parts of a plan and lays them out.
#[derive(Clone, Debug, Default)]
pub struct Writer {
    /// Bytes of arena.
    pub arena_bytes: u32,
    /// Alignment of the arena, a power of two; 0 stands for 1.
    pub arena_align: u32,
    /// Weight layouts that occur, one bit each.
    pub layouts: u32,
    /// The operations, in order.
    pub steps: Vec<StepSpec>,
    /// The inputs.
    pub inputs: Vec<PortSpec>,
    /// The outputs.
    pub outputs: Vec<PortSpec>,
    /// Packed weights.
    pub weights: Vec<u8>,
    /// JSON text.
    pub metadata: String,
}

impl Writer {
    /// An empty plan.
    pub fn new() -> Self {
        Self::default()
    }

    /// The bytes of the plan.
    pub fn finish(&self) -> Vec<u8> {
        let sections = [
            (Section::Steps, self.step_bytes()),
            (Section::Ports, self.port_bytes()),
            (Section::Metadata, self.metadata.clone().into_bytes()),
            (Section::Names, self.name_bytes()),
            (Section::Weights, self.weights.clone()),
        ];
        laid_out(self.header(sections.len() as u32), &sections.map(|(kind, bytes)| (kind as u32, bytes)))
    }

    fn header(&self, sections: u32) -> Vec<u8> {
        let mut out = Vec::from(MAGIC);
        out.extend(VERSION.to_le_bytes());
        out.extend((HEADER as u16).to_le_bytes());
        for word in [0, 0, 0, self.arena_bytes, self.arena_align.max(1), self.layouts, 0, sections] {
            out.extend(word.to_le_bytes());
        }
        out.resize(HEADER, 0);
        out
    }

    fn step_bytes(&self) -> Vec<u8> {
        let mut words = Vec::new();
        for step in &self.steps {
            let operands = step.writes.iter().chain(&step.reads);
            let start = words.len();
            words.push(u32::from(step.code) | (step.writes.len() as u32) << 16 | (step.reads.len() as u32) << 24);
            words.push(0);
            words.extend(operands.flat_map(|o| o.to_words()));
            words.extend(&step.args);
            let total = (words.len() - start) as u32;
            if let Some(slot) = words.get_mut(start + 1) {
                *slot = total;
            }
        }
        words.into_iter().flat_map(u32::to_le_bytes).collect()
    }

    fn port_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let ports = self.inputs.iter().map(|p| (0, p)).chain(self.outputs.iter().map(|p| (1, p)));
        for (output, port) in ports {
            out.extend([output, port.host as u8, port.device as u8, port.axes as u8, port.shape.len() as u8, 0, 0, 0]);
            let mut sizes = port.shape.clone();
            sizes.resize(8, 0);
            sizes.extend([
                port.offset,
                port.len,
                port.scale.to_bits(),
                port.zero_point.cast_unsigned(),
                port.name.len() as u32,
            ]);
            out.extend(sizes.into_iter().flat_map(u32::to_le_bytes));
            out.extend(port.name.as_bytes());
            out.resize(out.len().next_multiple_of(4), 0);
        }
        out
    }

    fn name_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for step in &self.steps {
            out.extend((step.name.len() as u32).to_le_bytes());
            out.extend(step.name.as_bytes());
            out.resize(out.len().next_multiple_of(4), 0);
        }
        out
    }
}

/// Header, section table and sections, with length and checksum.
fn laid_out(mut out: Vec<u8>, sections: &[(u32, Vec<u8>)]) -> Vec<u8> {
    let mut offset = (HEADER + sections.len() * ENTRY).next_multiple_of(ALIGN);
    for (kind, bytes) in sections {
        for word in [*kind, offset as u32, bytes.len() as u32, 0] {
            out.extend(word.to_le_bytes());
        }
        offset = (offset + bytes.len()).next_multiple_of(ALIGN);
    }
    for (_, bytes) in sections {
        out.resize(out.len().next_multiple_of(ALIGN), 0);
        out.extend(bytes);
    }
    seal(&mut out);
    out
}

/// A plan with these self-test vectors in place of any that it had.
pub fn with_self_tests(plan: &Plan<'_>, tests: &[SelfTest]) -> Vec<u8> {
    let vectors = (Section::SelfTest as u32, tests.iter().flat_map(|t| t.to_bytes()).collect());
    let kept = plan.sections().filter(|(kind, _)| *kind != vectors.0).map(|(kind, bytes)| (kind, bytes.to_vec()));
    let sections: Vec<(u32, Vec<u8>)> = core::iter::once(vectors.clone()).chain(kept).collect();
    let mut header = plan.bytes().get(..HEADER).unwrap_or(&[]).to_vec();
    if let Some(slot) = header.get_mut(40..44) {
        slot.copy_from_slice(&(sections.len() as u32).to_le_bytes());
    }
    laid_out(header, &sections)
}

/// Writes length and checksum into a finished plan.
fn seal(out: &mut [u8]) {
    let len = (out.len() as u32).to_le_bytes();
    if let Some(slot) = out.get_mut(12..16) {
        slot.copy_from_slice(&len);
    }
    let crc = crc32(0, out.get(CHECKED_FROM..).unwrap_or(&[])).to_le_bytes();
    if let Some(slot) = out.get_mut(16..20) {
        slot.copy_from_slice(&crc);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::TableI8;
    use crate::{PlanError, Space, Steps};

    fn sample() -> Vec<u8> {
        let port = |name: &str, offset| PortSpec {
            name: name.into(),
            host: HostType::F32,
            device: DeviceType::Quantized,
            axes: Axes::Nhwc,
            shape: std::vec![1, 2, 2, 1],
            offset,
            len: 4,
            scale: 0.5,
            zero_point: -3,
        };
        let operand = |space, offset, len| Operand { space, offset, len };
        let writer = Writer {
            arena_bytes: 8,
            arena_align: 4,
            layouts: 0,
            steps: std::vec![StepSpec::new(
                "table of relu",
                TableI8 { len: 4 },
                std::vec![operand(Space::Arena, 4, 4)],
                std::vec![operand(Space::Arena, 0, 4), operand(Space::Weights, 0, 256)],
            )],
            inputs: std::vec![port("x", 0)],
            outputs: std::vec![port("y", 4)],
            weights: std::vec![7; 256],
            metadata: "{\"name\":\"sample\"}".into(),
        };
        writer.finish()
    }

    #[test]
    fn every_step_keeps_its_name() {
        let step = |name: &str| StepSpec::new(name, TableI8 { len: 4 }, std::vec![], std::vec![]);
        let names = ["", "a", "ab", "abc", "abcd", "abcde", "last"];
        let writer = Writer { arena_align: 4, steps: names.map(step).to_vec(), ..Writer::default() };
        let bytes = writer.finish();
        assert_eq!(Plan::parse(&bytes).unwrap().step_names().collect::<Vec<_>>(), names);
    }

    #[test]
    fn round_trip() {
        let bytes = sample();
        let plan = Plan::parse(&bytes).unwrap();
        assert_eq!((plan.arena_bytes(), plan.arena_align(), plan.weights().len()), (8, 4, 256));
        assert_eq!(plan.inputs().map(|p| p.name).collect::<Vec<_>>(), ["x"]);
        let y = plan.outputs().next().unwrap();
        assert_eq!((y.name, y.shape(), y.offset, y.scale, y.zero_point), ("y", &[1, 2, 2, 1][..], 4, 0.5, -3));
        assert_eq!(plan.step_names().collect::<Vec<_>>(), ["table of relu"]);
        let mut words = std::vec![0; plan.step_words()];
        let words = plan.copy_steps(&mut words).unwrap();
        let steps: Vec<_> = Steps::new(words).collect::<Result<_, _>>().unwrap();
        assert_eq!(steps.len(), 1);
        assert_eq!((steps[0].code, steps[0].args), (TableI8::CODE, &[4][..]));
        assert_eq!(steps[0].reads().map(|o| o.len).collect::<Vec<_>>(), [4, 256]);
    }

    #[test]
    fn truncation_at_every_byte_is_an_error() {
        let bytes = sample();
        for n in 0..bytes.len() {
            assert!(Plan::parse(&bytes[..n]).is_err(), "{n} bytes");
        }
    }

    #[test]
    fn every_flipped_bit_is_an_error() {
        let bytes = sample();
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            let header_gap = (10..12).contains(&(bit / 8)); // header size: informative, not read
            assert!(header_gap || Plan::parse(&damaged).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn a_resealed_plan_with_wild_offsets_is_an_error_not_a_panic() {
        let bytes = sample();
        for place in (20..bytes.len() - 4).step_by(4) {
            for value in [0u32, 1, 63, 0x7FFF_FFFF, u32::MAX] {
                let mut damaged = bytes.clone();
                damaged[place..place + 4].copy_from_slice(&value.to_le_bytes());
                seal(&mut damaged);
                if let Ok(plan) = Plan::parse(&damaged) {
                    let mut words = std::vec![0; plan.step_words()];
                    let _ = plan.copy_steps(&mut words).map(|w| Steps::new(w).count());
                    let _ = (plan.inputs().count(), plan.outputs().count(), plan.step_names().count());
                }
            }
        }
    }

    #[test]
    fn another_version_is_named() {
        let mut bytes = sample();
        bytes[8] = 9;
        assert_eq!(Plan::parse(&bytes).unwrap_err(), PlanError::Version(9));
    }

    #[test]
    fn self_tests_are_added_and_replaced() {
        let plain = sample();
        let plan = Plan::parse(&plain).unwrap();
        assert_eq!(plan.self_tests().count(), 0);
        let tests = [SelfTest { seed: 1, crc: 2 }, SelfTest { seed: 3, crc: 4 }];
        let tested = with_self_tests(&plan, &tests);
        let found = Plan::parse(&tested).unwrap();
        assert!(found.self_tests().eq(tests));
        assert_eq!((found.weights(), found.step_words()), (plan.weights(), plan.step_words()));
        let again = with_self_tests(&found, &tests[1..]);
        assert!(Plan::parse(&again).unwrap().self_tests().eq([tests[1]]));
        assert_eq!(again.len(), tested.len());
    }
}
