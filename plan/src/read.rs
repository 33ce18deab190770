//! The checked reader.

use core::fmt;

use crate::{Axes, DeviceType, HostType, Port, Steps, VERSION, crc32};

/// First bytes of every plan.
pub(crate) const MAGIC: [u8; 8] = *b"OCELLUS\0";
/// Bytes of the fixed header.
pub(crate) const HEADER: usize = 64;
/// Bytes of an entry of the section table.
pub(crate) const ENTRY: usize = 16;
/// First byte that the checksum covers.
pub(crate) const CHECKED_FROM: usize = 20;
/// Bytes of a port record before its name.
pub(crate) const PORT: usize = 60;
/// Alignment of every section in bytes.
pub(crate) const ALIGN: usize = 64;

/// Parts of a plan. Numbers are stable; readers skip those that they do not know.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum Section {
    /// The step table, in words.
    Steps = 1,
    /// Inputs and outputs.
    Ports = 2,
    /// Packed weights, tables and constants.
    Weights = 3,
    /// JSON text: model name, preprocessing, decoding, figures.
    Metadata = 4,
    /// Reserved: a signature over all other sections.
    Signature = 5,
    /// Self-test vectors: seeds of inputs and CRCs of the answers.
    SelfTest = 6,
    /// Names of the steps, each a length word and UTF-8 padded to words; for profiles only.
    Names = 7,
}

/// Why bytes are not a plan.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PlanError {
    /// Shorter than its own header says, or than any plan.
    Truncated,
    /// It does not begin as a plan does.
    NotAPlan,
    /// A format version that this reader does not know.
    Version(u16),
    /// The checksum does not fit the content.
    Checksum,
    /// A section lies outside the file, is not aligned, or overlaps another one.
    Sections,
    /// A port's record is damaged.
    Ports,
    /// The step table is not in whole words.
    Steps,
}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated => f.write_str("the plan is truncated: copy it again, or compile it again"),
            Self::NotAPlan => f.write_str("this is not a plan: make one with `ocellus compile`"),
            Self::Version(v) => {
                write!(f, "plan format {v} is not known here (format {VERSION} is): compile the model again")
            }
            Self::Checksum => f.write_str("the plan's checksum is wrong: it was damaged on the way; copy it again"),
            Self::Sections => f.write_str("the plan's section table is damaged: compile the model again"),
            Self::Ports => f.write_str("the plan's inputs and outputs are damaged: compile the model again"),
            Self::Steps => f.write_str("the plan's step table is damaged: compile the model again"),
        }
    }
}

impl core::error::Error for PlanError {}

/// A plan whose header, checksum, sections and ports have been checked.
#[derive(Clone, Copy, Debug)]
pub struct Plan<'a> {
    bytes: &'a [u8],
    arena_bytes: u32,
    arena_align: u32,
    layouts: u32,
    sections: u32,
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let four = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_le_bytes(four.try_into().ok()?))
}

impl<'a> Plan<'a> {
    /// Checks `bytes` and gives access to its parts.
    ///
    /// # Errors
    /// [`PlanError`], naming what is damaged. Steps are checked by the runtime's loader, which knows the operations.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, PlanError> {
        let magic = bytes.get(..8).ok_or(PlanError::Truncated)?;
        if magic != MAGIC {
            return Err(PlanError::NotAPlan);
        }
        let at = |place| word(bytes, place).ok_or(PlanError::Truncated);
        let version = at(8)? as u16;
        if version != VERSION {
            return Err(PlanError::Version(version));
        }
        let bytes = bytes.get(..at(12)? as usize).ok_or(PlanError::Truncated)?;
        let content = bytes.get(CHECKED_FROM..).ok_or(PlanError::Truncated)?;
        if crc32(0, content) != at(16)? {
            return Err(PlanError::Checksum);
        }
        let plan = Self { bytes, arena_bytes: at(24)?, arena_align: at(28)?, layouts: at(32)?, sections: at(40)? };
        plan.check_sections()?;
        if !plan.section(Section::Steps).len().is_multiple_of(4) {
            return Err(PlanError::Steps);
        }
        plan.check_ports()?;
        Ok(plan)
    }

    fn entry(&self, index: u32) -> Option<(u32, usize, usize)> {
        let at = (index as usize).checked_mul(ENTRY)?.checked_add(HEADER)?;
        let part = |k| word(self.bytes, at + k);
        Some((part(0)?, part(4)? as usize, part(8)? as usize))
    }

    fn check_sections(&self) -> Result<(), PlanError> {
        let table = (self.sections as usize).checked_mul(ENTRY).and_then(|n| n.checked_add(HEADER));
        let mut end = table.ok_or(PlanError::Sections)?;
        for index in 0..self.sections {
            let (_, offset, len) = self.entry(index).ok_or(PlanError::Sections)?;
            let next = offset.checked_add(len).ok_or(PlanError::Sections)?;
            // In file order, so that none overlaps another or the table.
            if offset < end || offset % ALIGN != 0 || next > self.bytes.len() {
                return Err(PlanError::Sections);
            }
            end = next;
        }
        let ok = self.arena_align.is_power_of_two() && self.arena_align <= 4096;
        if ok { Ok(()) } else { Err(PlanError::Sections) }
    }

    fn check_ports(&self) -> Result<(), PlanError> {
        let mut rest = self.section(Section::Ports);
        while !rest.is_empty() {
            let (_, port, next) = read_port(rest).ok_or(PlanError::Ports)?;
            let elements = port.shape().iter().try_fold(1u32, |n, &d| n.checked_mul(d)).ok_or(PlanError::Ports)?;
            let bytes = elements.checked_mul(port.device_size() as u32).ok_or(PlanError::Ports)?;
            let end = port.offset.checked_add(port.len).ok_or(PlanError::Ports)?;
            let scaled = port.device == DeviceType::Same || (port.scale.is_normal() && port.scale > 0.0);
            let ranked = port.axes == Axes::Plain || port.rank == 4;
            let convertible =
                port.device == DeviceType::Same || matches!(port.host, HostType::F32 | HostType::I8 | HostType::U8);
            if bytes != port.len || end > self.arena_bytes || !scaled || !ranked || !convertible {
                return Err(PlanError::Ports);
            }
            rest = next;
        }
        Ok(())
    }

    /// The bytes of a section; empty where it is not there.
    pub fn section(&self, section: Section) -> &'a [u8] {
        self.sections().find(|(kind, _)| *kind == section as u32).map_or(&[], |(_, bytes)| bytes)
    }

    /// Kind and bytes of every section, in file order.
    pub fn sections(&self) -> impl Iterator<Item = (u32, &'a [u8])> + '_ {
        let entries = (0..self.sections).filter_map(|i| self.entry(i));
        entries.filter_map(|(kind, offset, len)| Some((kind, self.bytes.get(offset..offset.checked_add(len)?)?)))
    }

    /// Every byte of the plan.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Bytes of arena that a run needs.
    pub fn arena_bytes(&self) -> usize {
        self.arena_bytes as usize
    }

    /// Alignment of the arena in bytes, a power of two.
    pub fn arena_align(&self) -> usize {
        self.arena_align as usize
    }

    /// The weight layouts that occur, one bit each (see [`args`](crate::args)).
    pub fn layouts(&self) -> u32 {
        self.layouts
    }

    /// Words that the step table takes in the caller's memory.
    pub fn step_words(&self) -> usize {
        self.section(Section::Steps).len() / 4
    }

    /// Copies the step table; `None` where `words` is shorter than [`Plan::step_words`]. Returns the part that was filled.
    pub fn copy_steps<'w>(&self, words: &'w mut [u32]) -> Option<&'w mut [u32]> {
        let words = words.get_mut(..self.step_words())?;
        for (slot, four) in words.iter_mut().zip(self.section(Section::Steps).as_chunks().0) {
            *slot = u32::from_le_bytes(*four);
        }
        Some(words)
    }

    /// The weights.
    pub fn weights(&self) -> &'a [u8] {
        self.section(Section::Weights)
    }

    /// The metadata as JSON text; empty where there is none or it is not UTF-8.
    pub fn metadata(&self) -> &'a str {
        core::str::from_utf8(self.section(Section::Metadata)).unwrap_or("")
    }

    /// The inputs, in the model's order.
    pub fn inputs(&self) -> impl Iterator<Item = Port<'a>> + Clone + 'a {
        Ports { rest: self.section(Section::Ports) }.filter(|(output, _)| !output).map(|(_, port)| port)
    }

    /// The outputs, in the model's order.
    pub fn outputs(&self) -> impl Iterator<Item = Port<'a>> + Clone + 'a {
        Ports { rest: self.section(Section::Ports) }.filter(|(output, _)| *output).map(|(_, port)| port)
    }

    /// The names of the steps, in order; for profiles.
    pub fn step_names(&self) -> impl Iterator<Item = &'a str> + 'a {
        let mut rest = self.section(Section::Names);
        core::iter::from_fn(move || {
            let len = word(rest, 0)? as usize;
            let name = rest.get(4..len.checked_add(4)?)?;
            rest = rest.get(len.checked_add(7)? / 4 * 4..).unwrap_or(&[]);
            core::str::from_utf8(name).ok()
        })
    }
}

#[derive(Clone)]
struct Ports<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Ports<'a> {
    type Item = (bool, Port<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let (output, port, rest) = read_port(self.rest)?;
        self.rest = rest;
        Some((output, port))
    }
}

fn read_port(bytes: &[u8]) -> Option<(bool, Port<'_>, &[u8])> {
    let &[output, host, device, axes, rank, ..] = bytes else { return None };
    let mut sizes = [0; 8];
    for (i, slot) in sizes.iter_mut().enumerate() {
        *slot = word(bytes, 8 + 4 * i)?;
    }
    let name_len = word(bytes, 56)? as usize;
    let name = core::str::from_utf8(bytes.get(PORT..PORT.checked_add(name_len)?)?).ok()?;
    let port = Port {
        name,
        host: HostType::from_number(host)?,
        device: match device {
            0 => DeviceType::Same,
            1 => DeviceType::Quantized,
            _ => return None,
        },
        axes: match axes {
            0 => Axes::Plain,
            1 => Axes::Nhwc,
            _ => return None,
        },
        rank: if rank <= 8 { rank } else { return None },
        sizes,
        offset: word(bytes, 40)?,
        len: word(bytes, 44)?,
        scale: f32::from_bits(word(bytes, 48)?),
        zero_point: word(bytes, 52)?.cast_signed(),
    };
    let rest = bytes.get(PORT + name_len.checked_next_multiple_of(4)?..)?;
    Some((output == 1, port, rest))
}

/// The step table's words as the runtime keeps them.
impl<'a> From<&'a [u32]> for Steps<'a> {
    fn from(words: &'a [u32]) -> Self {
        Self::new(words)
    }
}
