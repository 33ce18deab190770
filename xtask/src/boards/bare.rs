//! What is linked into the least program that runs a network.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::process::read;

/// Bytes of flash beside the plan: code, tables and interrupt vectors.
///
/// # Errors
/// The file cannot be read, or is no 32-bit program.
pub fn code_bytes(program: &Path, plan: &Path) -> Result<usize, String> {
    let said = |e: std::io::Error| format!("{}: {e}", program.display());
    let elf = fs::read(program).map_err(said)?;
    let plan = fs::metadata(plan).map_err(said)?.len() as usize;
    let flash = loaded(&elf).ok_or_else(|| format!("{} is no 32-bit program", program.display()))?;
    Ok(flash.saturating_sub(plan))
}

/// Bytes of the segments that are loaded, of a little-endian ELF of 32 bits.
fn loaded(elf: &[u8]) -> Option<usize> {
    let half = |at: usize| Some(usize::from(u16::from_le_bytes(*elf.get(at..)?.first_chunk()?)));
    let word = |at: usize| Some(u32::from_le_bytes(*elf.get(at..)?.first_chunk()?) as usize);
    if !elf.starts_with(b"\x7fELF\x01\x01") {
        return None;
    }
    let (table, size, count) = (word(28)?, half(42)?, half(44)?);
    let mut bytes = 0;
    for entry in (0..count).map(|k| table + k * size) {
        // A segment that is loaded: its type is 1.
        if word(entry)? == 1 {
            bytes += word(entry + 16)?;
        }
    }
    Some(bytes)
}

/// Symbols of panics and allocators.
///
/// # Errors
/// There is no `nm`, or it cannot read the program.
pub fn forbidden(program: &Path) -> Result<Vec<String>, String> {
    let text = read(Command::new("nm").arg("-C").arg(program))?;
    Ok(found(&text))
}

fn found(symbols: &str) -> Vec<String> {
    const NAMES: [&str; 4] = ["core::panicking", "panic_", "__rust_alloc", "malloc"];
    symbols.lines().filter(|line| NAMES.iter().any(|name| line.contains(name))).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loaded_segments_are_summed() {
        let mut elf = vec![0; 52 + 3 * 32];
        elf[..6].copy_from_slice(b"\x7fELF\x01\x01");
        elf[28] = 52;
        (elf[42], elf[44]) = (32, 3);
        for (k, (kind, bytes)) in [(1, 100), (2, 50), (1, 7)].into_iter().enumerate() {
            (elf[52 + 32 * k], elf[52 + 32 * k + 16]) = (kind, bytes);
        }
        assert_eq!((loaded(&elf), loaded(&elf[..90]), loaded(b"text")), (Some(107), None, None));
    }

    #[test]
    fn panics_and_allocators_are_found() {
        let text = "00000001 t core::panicking::panic_fmt\n00000002 T main\n         U malloc\n00000003 t my_mallow";
        assert_eq!(found(text).len(), 2);
        assert!(found("00000400 T Reset\n00000010 t ocellus_runtime::session::Session::run").is_empty());
    }
}
