//! The step table: one record per device operation.
//!
//! A record is `[code | writes << 16 | reads << 24, words of the whole record, operands…, arguments…]`; an operand is
//! `[space | name << 8, offset, length]`. Writes come first. All in words, offsets and lengths in bytes.

/// Most operands that an operation writes (outputs and scratch).
pub const MAX_WRITES: usize = 4;
/// Most operands that an operation reads.
pub const MAX_READS: usize = 8;

/// Where an operand lies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Space {
    /// In the arena.
    Arena,
    /// In the plan's weights; read only.
    Weights,
    /// It is write 0: the operation works in place.
    InPlace,
    /// Not given.
    Absent,
}

/// Where an operand lies and how long it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Operand {
    /// Where it lies.
    pub space: Space,
    /// First byte within the space.
    pub offset: u32,
    /// Length in bytes.
    pub len: u32,
}

impl Operand {
    const WORDS: usize = 3;

    /// An operand that is not given.
    pub const ABSENT: Self = Self { space: Space::Absent, offset: 0, len: 0 };

    /// The words of this operand.
    pub fn to_words(self) -> [u32; 3] {
        [self.space as u32, self.offset, self.len]
    }

    fn from_words(words: &[u32]) -> Option<Self> {
        let [space, offset, len] = *words else { return None };
        let space = match space {
            0 => Space::Arena,
            1 => Space::Weights,
            2 => Space::InPlace,
            3 => Space::Absent,
            _ => return None,
        };
        Some(Self { space, offset, len })
    }

    /// One byte past the operand, where that does not overflow.
    pub fn end(self) -> Option<u32> {
        self.offset.checked_add(self.len)
    }
}

/// A step record that cannot be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StepError {
    /// The record ends before its operands or arguments do.
    Truncated,
    /// More operands than [`MAX_WRITES`] or [`MAX_READS`].
    Operands,
    /// An operand's space is none of the four.
    Space,
}

/// One record.
#[derive(Clone, Copy, Debug)]
pub struct Step<'a> {
    /// The number of the operation.
    pub code: u16,
    writes: usize,
    operands: &'a [u32],
    /// Its arguments.
    pub args: &'a [u32],
}

impl<'a> Step<'a> {
    #[inline]
    fn split(words: &'a [u32]) -> Result<(Self, &'a [u32]), StepError> {
        let [head, total, ..] = *words else { return Err(StepError::Truncated) };
        let (writes, reads) = ((head >> 16 & 255) as usize, (head >> 24) as usize);
        if writes > MAX_WRITES || reads > MAX_READS {
            return Err(StepError::Operands);
        }
        let (record, rest) = words.split_at_checked(total as usize).ok_or(StepError::Truncated)?;
        let body = record.get(2..).ok_or(StepError::Truncated)?;
        let (operands, args) = body.split_at_checked((writes + reads) * Operand::WORDS).ok_or(StepError::Truncated)?;
        Ok((Step { code: head as u16, writes, operands, args }, rest))
    }

    fn all(self) -> impl Iterator<Item = Option<Operand>> + 'a {
        // Chunks of a constant size: no division by a size that could be zero, whatever the optimiser does.
        self.operands.as_chunks::<{ Operand::WORDS }>().0.iter().map(|words| Operand::from_words(words))
    }

    /// What it writes: outputs, then scratch.
    pub fn writes(self) -> impl Iterator<Item = Operand> + 'a {
        self.all().flatten().take(self.writes)
    }

    /// What it reads.
    pub fn reads(self) -> impl Iterator<Item = Operand> + 'a {
        self.all().flatten().skip(self.writes)
    }
}

/// Walks a step table. After an error nothing more comes.
#[derive(Clone, Copy, Debug)]
pub struct Steps<'a> {
    words: &'a [u32],
    checked: bool,
}

impl<'a> Steps<'a> {
    /// A walk over these words.
    pub fn new(words: &'a [u32]) -> Self {
        Self { words, checked: false }
    }

    /// A walk over words of which [`Steps::new`] gave no error: operands are not looked at.
    pub fn checked(words: &'a [u32]) -> Self {
        Self { words, checked: true }
    }

    /// The words that are left.
    pub fn words(&self) -> &'a [u32] {
        self.words
    }
}

impl<'a> Iterator for Steps<'a> {
    type Item = Result<Step<'a>, StepError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.words.is_empty() {
            return None;
        }
        match Step::split(self.words) {
            Ok((step, _)) if !self.checked && step.all().any(|o| o.is_none()) => {
                self.words = &[];
                Some(Err(StepError::Space))
            }
            Ok((step, rest)) => {
                self.words = rest;
                Some(Ok(step))
            }
            Err(error) => {
                self.words = &[];
                Some(Err(error))
            }
        }
    }
}
