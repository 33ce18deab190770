//! Memory for hosts that can allocate (feature `std`): the runtime itself never does.

use std::vec::Vec;

use ocellus_kernels::Isa;
use ocellus_plan::Plan;

use crate::{LoadError, Session, ops};

/// Bytes that begin at a multiple of an alignment.
pub struct AlignedBytes {
    bytes: Vec<u8>,
    start: usize,
    len: usize,
}

impl AlignedBytes {
    /// `len` zero bytes aligned to `align`, a power of two.
    pub fn new(len: usize, align: usize) -> Self {
        let bytes = std::vec![0; len.saturating_add(align)];
        let start = bytes.as_ptr().align_offset(align).min(align);
        Self { bytes, start, len }
    }

    /// A copy of `content` aligned to `align`.
    pub fn copy_of(content: &[u8], align: usize) -> Self {
        let mut all = Self::new(content.len(), align);
        for (to, &from) in all.as_mut().iter_mut().zip(content) {
            *to = from;
        }
        all
    }
}

impl AsRef<[u8]> for AlignedBytes {
    fn as_ref(&self) -> &[u8] {
        self.bytes.get(self.start..).and_then(|b| b.get(..self.len)).unwrap_or(&[])
    }
}

impl AsMut<[u8]> for AlignedBytes {
    fn as_mut(&mut self) -> &mut [u8] {
        self.bytes.get_mut(self.start..).and_then(|b| b.get_mut(..self.len)).unwrap_or(&mut [])
    }
}

/// Loads a plan with freshly allocated memory and gives its session to `f`. Bytes that are not aligned to 64 are copied.
///
/// # Errors
/// As [`Plan::parse`] and [`Session::load`].
pub fn with_session<R>(bytes: &[u8], isa: Isa, f: impl FnOnce(&mut Session<'_>) -> R) -> Result<R, LoadError> {
    let copy;
    let bytes = if bytes.as_ptr().addr().is_multiple_of(64) {
        bytes
    } else {
        copy = AlignedBytes::copy_of(bytes, 64);
        copy.as_ref()
    };
    with_plan(Plan::parse(bytes)?, isa, f)
}

/// As [`with_session`], of a plan that has been parsed already, in place.
///
/// # Errors
/// As [`Session::load`].
pub fn with_plan<R>(plan: Plan<'_>, isa: Isa, f: impl FnOnce(&mut Session<'_>) -> R) -> Result<R, LoadError> {
    let mut arena = AlignedBytes::new(plan.arena_bytes(), plan.arena_align());
    with_plan_in(plan, isa, arena.as_mut(), f)
}

/// As [`with_plan`], with an arena of the caller.
///
/// # Errors
/// As [`Session::load`].
pub fn with_plan_in<R>(
    plan: Plan<'_>,
    isa: Isa,
    arena: &mut [u8],
    f: impl FnOnce(&mut Session<'_>) -> R,
) -> Result<R, LoadError> {
    let mut steps = std::vec![0; plan.step_words()];
    let mut session = Session::load(plan, ops::ALL, isa, &mut steps, arena)?;
    Ok(f(&mut session))
}
