//! What the shares of a turn write, and the check that no two of them meet: on it rests that threads may have them at the same
//! time.

/// A part of the memory that a share writes: so many bytes of some rows.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Claim {
    /// The share.
    pub share: u32,
    /// The first byte of the first row.
    pub start: u32,
    /// Bytes of every row.
    pub width: u32,
    /// Rows.
    pub rows: u32,
    /// Bytes from row to row.
    pub pitch: u32,
}

impl Claim {
    /// Bytes one behind the other.
    pub fn bytes(share: u32, start: u32, len: u32) -> Self {
        Self { share, start, width: len, rows: 1, pitch: len }
    }

    /// One byte past the last row.
    fn end(&self) -> Option<usize> {
        let last = (self.rows.checked_sub(1)? as usize).checked_mul(self.pitch as usize)?;
        (self.start as usize).checked_add(last)?.checked_add(self.width as usize)
    }

    /// Whether it is columns of the same matrix.
    fn beside(&self, other: &Self) -> bool {
        self.rows > 1 && (self.rows, self.pitch) == (other.rows, other.pitch)
    }
}

/// Matrices that shares write, from the claims in order: where each begins and ends. `None` in their place where claims meet,
/// or are out of order.
pub(super) struct Matrices<'t> {
    claims: &'t [Claim],
    /// Where the last one ended.
    end: usize,
}

impl<'t> Matrices<'t> {
    pub(super) fn new(claims: &'t [Claim]) -> Self {
        Self { claims, end: 0 }
    }
}

impl Iterator for Matrices<'_> {
    type Item = Option<(usize, usize)>;

    fn next(&mut self) -> Option<Self::Item> {
        let (first, mut rest) = self.claims.split_first()?;
        let start = first.start as usize;
        let mut matrix = || {
            let mut end = first.end()?;
            if start < self.end || first.width == 0 || first.pitch < first.width {
                return None;
            }
            let limit = start.checked_add(first.pitch as usize)?;
            let mut free = start.checked_add(first.width as usize)?;
            while let Some((next, others)) = rest.split_first().filter(|(next, _)| next.beside(first)) {
                if next.start as usize >= limit {
                    break;
                }
                if next.width == 0 || (next.start as usize) < free {
                    return None;
                }
                free = (next.start as usize).checked_add(next.width as usize).filter(|&free| free <= limit)?;
                end = end.max(next.end()?);
                rest = others;
            }
            Some((start, end))
        };
        let found = matrix();
        (self.claims, self.end) = (rest, found.map_or(usize::MAX, |(_, end)| end));
        Some(found)
    }
}
