//! A plan file mapped into memory, so that its weights are read in place.
//!
//! The one `unsafe` of this crate: a mapped file can be changed by somebody else while it is mapped. The runtime is made
//! for that: it copies the step table when it loads a plan, checks it there, and afterwards reads nothing but weight bytes
//! from the map, so that a file which changes can change answers, never safety. A file that is made shorter ends the
//! process with a signal, as for every program that maps files.
#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::path::Path;

use memmap2::Mmap;

/// Maps a file.
///
/// # Errors
/// What the system says.
pub fn map_file(path: &Path) -> io::Result<Mmap> {
    let file = File::open(path)?;
    // SAFETY: the bytes are untrusted and only read as bytes; see the top of this file for a file that changes.
    unsafe { Mmap::map(&file) }
}
