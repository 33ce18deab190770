//! Values on the command line.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use ocellus_compiler::{Options, Processor, Storage};
use ocellus_runtime::{Isa, Level};

use crate::output::Usage;

/// `NAME=1,3,224,224`: the sizes of an input. Split at the last `=`.
pub fn named_shape(text: &str) -> Result<(String, Vec<usize>), String> {
    let (name, sizes) = text.rsplit_once('=').ok_or("expected NAME=1,3,224,224")?;
    let size = |s: &str| {
        let size = s.trim().parse::<usize>().map_err(|_| format!("{s:?} is not a size; expected NAME=1,3,224,224"))?;
        if size == 0 { Err(format!("a size of 0 in {text:?}")) } else { Ok(size) }
    };
    if name.is_empty() {
        return Err("the name before `=` is missing; expected NAME=1,3,224,224".to_owned());
    }
    Ok((name.to_owned(), sizes.split(',').map(size).collect::<Result<_, _>>()?))
}

/// `NAME=FILE`. Split at the last `=`, since names of tensors may hold one.
pub fn named_file(text: &str) -> Result<(String, PathBuf), String> {
    let (name, file) = text.rsplit_once('=').ok_or("expected NAME=FILE.npy")?;
    if name.is_empty() || file.is_empty() {
        return Err("expected NAME=FILE.npy, with both parts".to_owned());
    }
    Ok((name.to_owned(), PathBuf::from(file)))
}

/// A number of bytes: `65536`, `64k`, `1M`, `2G` (1024 each).
pub fn bytes(text: &str) -> Result<usize, String> {
    let (digits, factor) = match text.char_indices().next_back() {
        Some((at, 'k' | 'K')) => (&text[..at], 1usize << 10),
        Some((at, 'm' | 'M')) => (&text[..at], 1 << 20),
        Some((at, 'g' | 'G')) => (&text[..at], 1 << 30),
        _ => (text, 1),
    };
    let number: usize =
        digits.parse().map_err(|_| format!("{text:?} is not a number of bytes like 65536, 64k or 1M"))?;
    number.checked_mul(factor).ok_or_else(|| format!("{text} is more than this machine can address"))
}

/// The instruction set that a target stands for.
pub fn target(name: &str) -> Result<Isa, String> {
    let level = match name {
        "native" => return Ok(Isa::best()),
        "portable" => Level::Portable,
        "sse41" => Level::Sse41,
        "avx2" => Level::Avx2,
        "avxvnni" => Level::AvxVnni,
        "avx512vnni" => Level::Avx512Vnni,
        "amx" => Level::Amx,
        _ => {
            return Err(format!(
                "no target is called {name:?}; the targets are native, portable, sse41, avx2, avxvnni, avx512vnni, amx"
            ));
        }
    };
    Isa::of(level).ok_or_else(|| format!("this CPU has no {name}; portable runs everywhere"))
}

/// The processor of this name, which need not be the one of this machine, or an instruction set of it.
pub fn processor(name: &str) -> Result<Processor, String> {
    if let Some(found) = Processor::named(name) {
        return Ok(found);
    }
    let names = Processor::ALL.map(|p| p.name);
    let isa = target(name).map_err(|e| format!("{e}; processors are {}", names.join(", ")))?;
    Ok(Processor::large(isa.level().name(), isa.level()))
}

/// The options of every verb that compiles a model.
#[derive(Args, Debug)]
pub struct CompileArgs {
    /// Sizes of an input, such as input=1,3,224,224; symbolic sizes without it are 1.
    #[arg(long = "shape", value_name = "NAME=SIZES", value_parser = named_shape)]
    pub shapes: Vec<(String, Vec<usize>)>,
    /// What the weights are packed for, and what runs: native, portable, sse41, avx2, avxvnni, avx512vnni, amx.
    #[arg(long, default_value = "native", value_parser = target)]
    pub target: Isa,
    /// What the weights of float layers are stored in: f32, f16 or bf16.
    #[arg(long, value_name = "TYPE", default_value = "f32", value_parser = storage)]
    pub float: Storage,
    /// With `--float f16`: also compute in f16 where an operation does, as for the target aarch64+fp16.
    #[arg(long)]
    pub f16_arithmetic: bool,
    /// With `--float bf16`: also compute in bf16 where an operation does, as for the target x86-64-v4+bf16.
    #[arg(long)]
    pub bf16_arithmetic: bool,
    /// Keep weights in their own size: 3x3 kernels are not stored as Winograd's transform, which is larger and faster.
    #[arg(long)]
    pub compact: bool,
}

impl CompileArgs {
    /// For this instruction set, as the model is.
    pub fn of(target: Isa) -> Self {
        let (f16_arithmetic, bf16_arithmetic) = (false, false);
        Self { shapes: Vec::new(), target, float: Storage::F32, f16_arithmetic, bf16_arithmetic, compact: false }
    }

    /// The compiler's options.
    pub fn options(&self) -> Options {
        let Self { target, float, compact, .. } = *self;
        Options { level: target.level(), float, arithmetic: self.arithmetic(), compact, ..Options::default() }
    }

    /// What float layers compute in.
    pub fn arithmetic(&self) -> Storage {
        match self.float {
            Storage::F16 if self.f16_arithmetic => Storage::F16,
            Storage::Bf16 if self.bf16_arithmetic => Storage::Bf16,
            _ => Storage::F32,
        }
    }
}

/// What weights are stored in, by name.
pub fn storage(name: &str) -> Result<Storage, String> {
    match name {
        "f32" => Ok(Storage::F32),
        "f16" => Ok(Storage::F16),
        "bf16" => Ok(Storage::Bf16),
        _ => Err(format!("weights are stored in f32, f16 or bf16, not in {name:?}")),
    }
}

/// Refuses what a parser cannot see: status 2.
pub fn usage<T>(message: impl Into<String>) -> Result<T> {
    Err(Usage(message.into()).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_and_files_split_at_the_last_equals() {
        assert_eq!(named_shape("a=b=1,2"), Ok(("a=b".to_owned(), vec![1, 2])));
        assert_eq!(named_file("x:0=y=/tmp/z.npy"), Ok(("x:0=y".to_owned(), PathBuf::from("/tmp/z.npy"))));
        for bad in ["x", "=1", "x=1,", "x=1,-2", "x=0", "x=1.5"] {
            assert!(named_shape(bad).is_err(), "{bad}");
        }
        for bad in ["x", "=f", "x="] {
            assert!(named_file(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn sizes_in_bytes() {
        assert_eq!(
            (bytes("100"), bytes("64k"), bytes("1M"), bytes("2G")),
            (Ok(100), Ok(65536), Ok(1 << 20), Ok(2 << 30))
        );
        for bad in ["", "k", "1.5M", "64kb", "-1", "99999999999G"] {
            assert!(bytes(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn processors_are_those_of_boards_too() {
        assert_eq!(processor("cortex-m4").map(|p| (p.level, p.align, p.bands)), Ok((Level::Dsp, 8, true)));
        assert_eq!(processor("x86-64-v2").map(|p| (p.level, p.align, p.bands)), Ok((Level::Sse41, 64, false)));
        assert_eq!(processor("portable").map(|p| (p.level, p.align, p.bands)), Ok((Level::Portable, 64, false)));
        assert!(processor("z80").unwrap_err().contains("cortex-m55"));
    }

    #[test]
    fn storages() {
        assert_eq!(["f32", "f16", "bf16"].map(storage), [Ok(Storage::F32), Ok(Storage::F16), Ok(Storage::Bf16)]);
        assert!(storage("f8").unwrap_err().contains("bf16"));
    }

    #[test]
    fn targets() {
        assert_eq!(target("portable"), Ok(Isa::PORTABLE));
        assert_eq!(target("native"), Ok(Isa::best()));
        assert_eq!(target("sse41").ok(), Isa::of(Level::Sse41));
        assert!(target("z80").unwrap_err().contains("avx512vnni"));
    }
}
