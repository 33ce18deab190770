//! Places in the arena.

use ocellus_plan::Operand;

/// Bytes of the arena.
#[derive(Clone, Copy, Default)]
pub(crate) struct Place {
    pub(crate) start: usize,
    pub(crate) end: usize,
}

impl Place {
    pub(crate) fn of(o: Operand) -> Option<Self> {
        Some(Self { start: o.offset as usize, end: o.end()? as usize })
    }

    pub(crate) fn holds(self, other: Self) -> bool {
        self.start <= other.start && other.end <= self.end
    }

    pub(crate) fn meets(self, other: Self) -> bool {
        self.start < other.end && other.start < self.end
    }
}
