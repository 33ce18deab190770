//! Processors that plans are made for, which need not be the one that compiles.

use ocellus_kernels::Level;
use ocellus_kernels::half::Storage;

use crate::Options;

/// What a plan is compiled for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Processor {
    /// Its name.
    pub name: &'static str,
    /// Whose layouts the weights get.
    pub level: Level,
    /// Alignment in the arena, in bytes.
    pub align: usize,
    /// Whether pairs of steps may run band by band, to save memory.
    pub bands: bool,
    /// What float layers compute in, with weights that are stored so unless something else is asked for.
    pub arithmetic: Storage,
    /// The most bytes of stack that loading and running take, where that is known: `cargo xtask boards` measures them.
    pub stack: Option<usize>,
}

impl Processor {
    /// Processors. Whole cache lines matter on large ones, bytes on small ones.
    pub const ALL: [Self; 11] = [
        Self::large("x86-64-v2", Level::Sse41),
        Self::large("x86-64-v3", Level::Avx2),
        Self::large("x86-64-v3+avxvnni", Level::AvxVnni),
        Self::large("x86-64-v4", Level::Avx512Vnni),
        Self::large("x86-64-v4+amx", Level::Amx),
        Self { arithmetic: Storage::Bf16, ..Self::large("x86-64-v4+bf16", Level::Avx512Vnni) },
        Self::large("aarch64", Level::Neon),
        Self { arithmetic: Storage::F16, ..Self::large("aarch64+fp16", Level::Neon) },
        Self::board("cortex-m4", Level::Dsp),
        Self::board("cortex-m7", Level::Dsp),
        Self::board("cortex-m55", Level::Helium),
    ];

    /// A processor with caches.
    pub const fn large(name: &'static str, level: Level) -> Self {
        Self { name, level, align: 64, bands: false, arithmetic: Storage::F32, stack: None }
    }

    const fn board(name: &'static str, level: Level) -> Self {
        Self { name, level, align: 8, bands: true, arithmetic: Storage::F32, stack: Some(7168) }
    }

    /// The processor of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|p| p.name == name)
    }

    /// The options of a compilation for it.
    pub fn options(&self) -> Options {
        let Self { level, align, bands, arithmetic, .. } = *self;
        Options { level, align, bands, lanes: !bands, float: arithmetic, arithmetic, ..Options::portable() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boards_count_bytes() {
        let board = Processor::named("cortex-m4").unwrap().options();
        assert_eq!((board.level, board.align, board.bands), (Level::Dsp, 8, true));
        let half = Processor::named("aarch64+fp16").unwrap().options();
        assert_eq!((half.level, half.float, half.computes()), (Level::Neon, Storage::F16, Storage::F16));
        let half = Processor::named("x86-64-v4+bf16").unwrap().options();
        assert_eq!((half.level, half.float, half.computes()), (Level::Avx512Vnni, Storage::Bf16, Storage::Bf16));
        assert_eq!(Options { float: Storage::F16, ..half }.computes(), Storage::F32);
        assert!(!Processor::named("aarch64").unwrap().bands && Processor::named("z80").is_none());
    }
}
