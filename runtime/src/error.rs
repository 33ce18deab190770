//! Errors of loading and of the ports.

use core::fmt;

use ocellus_plan::{HostType, PlanError, StepError};

/// What is wrong with one step.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StepFault {
    /// Its record cannot be read.
    Record(StepError),
    /// Its operation is not in the list that the caller gave.
    UnknownOperation(u16),
    /// Its arguments are too few, too many, or contradict each other.
    Arguments,
    /// An operand is missing, or has another length than the arguments ask for.
    Operand,
    /// An operand lies outside its memory.
    Bounds,
    /// An operand's address is not a multiple of its element size.
    Alignment,
    /// Two operands that are written overlap, or one that is written overlaps one that is read.
    Overlap,
    /// Its weights have a layout that no variant of this CPU reads.
    Layout(u32),
}

/// Why a plan cannot be run here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LoadError {
    /// The bytes are not a plan.
    Plan(PlanError),
    /// The memory for the step table is too small.
    StepMemory {
        /// Words that the plan needs.
        needed: usize,
        /// Words that were given.
        given: usize,
    },
    /// The arena is too small.
    ArenaTooSmall {
        /// Bytes that the plan needs.
        needed: usize,
        /// Bytes that were given.
        given: usize,
    },
    /// The arena's address is not a multiple of the plan's alignment.
    ArenaMisaligned {
        /// The alignment in bytes.
        needed: usize,
    },
    /// The plan's own address is not a multiple of 8, so that its weights cannot be used in place.
    PlanMisaligned,
    /// A step is damaged or cannot be run here.
    Step {
        /// Its index.
        index: usize,
        /// What is wrong with it.
        fault: StepFault,
    },
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plan(error) => error.fmt(f),
            Self::StepMemory { needed, given } => {
                write!(f, "the step table needs {needed} words, {given} were given")
            }
            Self::ArenaTooSmall { needed, given } => write!(f, "the arena needs {needed} bytes, {given} were given"),
            Self::ArenaMisaligned { needed } => write!(f, "the arena has to be aligned to {needed} bytes"),
            Self::PlanMisaligned => f.write_str("the plan has to be aligned to 8 bytes or more (64 for speed)"),
            Self::Step { index, fault: StepFault::UnknownOperation(code) } => {
                write!(f, "step {index} needs operation {code}, which this build does not have")
            }
            Self::Step { index, fault: StepFault::Layout(layout) } => {
                write!(
                    f,
                    "step {index} has weights in layout {layout}, which this CPU cannot read: compile for this target"
                )
            }
            Self::Step { index, fault } => write!(f, "step {index} is damaged ({fault:?}): compile the model again"),
        }
    }
}

impl core::error::Error for LoadError {}

impl From<PlanError> for LoadError {
    fn from(error: PlanError) -> Self {
        Self::Plan(error)
    }
}

/// Why values cannot be put into an input or taken from an output.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PortError {
    /// There is no port of this number.
    NoSuchPort {
        /// The number.
        index: usize,
    },
    /// The port has another element type.
    Type {
        /// The port's type.
        expected: HostType,
        /// The type that was given.
        found: HostType,
    },
    /// The port has another number of elements.
    Length {
        /// The port's elements.
        expected: usize,
        /// The elements that were given.
        found: usize,
    },
    /// A value of a float input is not a number, which no int8 of the device stands for.
    NotANumber {
        /// Its place among the values.
        place: usize,
    },
}

impl fmt::Display for PortError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchPort { index } => write!(f, "the plan has no port {index}"),
            Self::Type { expected, found } => {
                write!(f, "the port holds {}, {} was given", expected.name(), found.name())
            }
            Self::Length { expected, found } => write!(f, "the port holds {expected} elements, {found} were given"),
            Self::NotANumber { place } => write!(f, "value {place} is not a number, and the port holds int8"),
        }
    }
}

impl core::error::Error for PortError {}
