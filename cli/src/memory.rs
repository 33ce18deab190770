//! Memory of a run in large pages where Linux gives them: weights pass by once in a run, and a core that looks up where every
//! 4 KiB of them lie is up to 6 % slower.

use std::io;

use anyhow::{Context, Result};
use memmap2::{MmapMut, MmapOptions};
use ocellus_plan::Plan;
use ocellus_runtime::{Isa, Session, with_plan_in};

/// Bytes of a large page.
const LARGE: usize = 2 << 20;

/// Bytes that begin at a page, a large one where they fill any.
pub struct Memory {
    map: MmapMut,
    start: usize,
    len: usize,
}

impl Memory {
    /// So many zero bytes. What they fill of large pages is asked for as such.
    ///
    /// # Errors
    /// What the system says where there are not as many.
    pub fn new(len: usize) -> io::Result<Self> {
        let filled = len - len % LARGE;
        let room = if filled > 0 { len + LARGE } else { len.max(1) };
        let map = MmapOptions::new().len(room).map_anon()?;
        let start = if filled > 0 { map.as_ptr().align_offset(LARGE) } else { 0 };
        #[cfg(target_os = "linux")]
        if filled > 0 {
            // A kernel without large pages refuses: then they are small.
            let _ = map.advise_range(memmap2::Advice::HugePage, start, filled);
        }
        Ok(Self { map, start, len })
    }

    /// A copy of these bytes.
    ///
    /// # Errors
    /// As [`Memory::new`].
    pub fn copy_of(content: &[u8]) -> io::Result<Self> {
        let mut all = Self::new(content.len())?;
        all.as_mut().copy_from_slice(content);
        Ok(all)
    }
}

impl AsRef<[u8]> for Memory {
    fn as_ref(&self) -> &[u8] {
        &self.map[self.start..self.start + self.len]
    }
}

impl AsMut<[u8]> for Memory {
    fn as_mut(&mut self) -> &mut [u8] {
        &mut self.map[self.start..self.start + self.len]
    }
}

/// Loads a plan with an arena in such memory and gives its session to `f`.
///
/// # Errors
/// No memory, or a plan that cannot be loaded.
pub fn with_plan<R>(plan: Plan<'_>, isa: Isa, f: impl FnOnce(&mut Session<'_>) -> R) -> Result<R> {
    let bytes = plan.arena_bytes();
    let mut arena = Memory::new(bytes).with_context(|| format!("there is no memory for an arena of {bytes} bytes"))?;
    Ok(with_plan_in(plan, isa, arena.as_mut(), f)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_all_there_and_large_ones_begin_at_a_large_page() {
        for len in [0, 1, 4096, LARGE - 1, LARGE, 2 * LARGE + 5] {
            let content: Vec<u8> = (0..len).map(|k| (k % 251) as u8).collect();
            let memory = Memory::copy_of(&content).unwrap();
            assert_eq!(memory.as_ref(), content);
            let page = if len >= LARGE { LARGE } else { 4096 };
            assert_eq!(memory.as_ref().as_ptr().addr() % page, 0, "{len}");
            assert!(Memory::new(len).unwrap().as_ref().iter().all(|&byte| byte == 0));
        }
    }

    #[test]
    fn too_much_is_an_error() {
        assert!(Memory::new(usize::MAX / 2).is_err());
    }
}
