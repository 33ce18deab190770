//! Which instruction sets this CPU has.

/// Instruction sets for which kernels have a file, ordered: a CPU with a later one runs the kernels of the earlier
/// ones of its family, but for AVX-VNNI's on AVX-512, which has instructions of its own.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Level {
    /// No more than the language.
    Portable,
    /// x86-64 SSE4.1 and SSSE3.
    Sse41,
    /// x86-64 AVX2, FMA and F16C.
    Avx2,
    /// x86-64 AVX2 with AVX-VNNI.
    AvxVnni,
    /// x86-64 AVX-512 F, BW, VL and VNNI.
    Avx512Vnni,
    /// x86-64 AVX-512 VNNI with AMX's tiles of bytes, where the operating system lets them be used.
    Amx,
    /// aarch64 NEON, which every such CPU has.
    Neon,
    /// aarch64 NEON with SDOT.
    Dotprod,
    /// aarch64 NEON with SDOT and SMMLA.
    I8mm,
    /// The SIMD instructions of Cortex-M4 and M7, and floating point.
    Dsp,
    /// The vector instructions of Cortex-M55 and M85.
    Helium,
}

impl Level {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Portable,
        Self::Sse41,
        Self::Avx2,
        Self::AvxVnni,
        Self::Avx512Vnni,
        Self::Amx,
        Self::Neon,
        Self::Dotprod,
        Self::I8mm,
        Self::Dsp,
        Self::Helium,
    ];

    /// Its name on the command line and in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Portable => "portable",
            Self::Sse41 => "sse41",
            Self::Avx2 => "avx2",
            Self::AvxVnni => "avxvnni",
            Self::Avx512Vnni => "avx512vnni",
            Self::Amx => "amx",
            Self::Neon => "neon",
            Self::Dotprod => "dotprod",
            Self::I8mm => "i8mm",
            Self::Dsp => "dsp",
            Self::Helium => "helium",
        }
    }

    /// Whether this CPU has it: asked at run time where there is an operating system to ask, else known when compiling.
    fn is_here(self) -> bool {
        match self {
            Self::Portable => true,
            #[cfg(all(target_arch = "x86_64", feature = "std"))]
            Self::Sse41 => {
                std::arch::is_x86_feature_detected!("sse4.1") && std::arch::is_x86_feature_detected!("ssse3")
            }
            #[cfg(all(target_arch = "x86_64", feature = "std"))]
            Self::Avx2 => {
                std::arch::is_x86_feature_detected!("avx2")
                    && std::arch::is_x86_feature_detected!("fma")
                    && std::arch::is_x86_feature_detected!("f16c")
            }
            #[cfg(all(target_arch = "x86_64", feature = "emulated"))]
            Self::AvxVnni | Self::Avx512Vnni | Self::Amx => Self::Avx2.is_here(),
            #[cfg(all(target_arch = "x86_64", feature = "std", not(feature = "emulated")))]
            Self::AvxVnni => Self::Avx2.is_here() && std::arch::is_x86_feature_detected!("avxvnni"),
            #[cfg(all(target_arch = "x86_64", feature = "std", not(feature = "emulated")))]
            Self::Avx512Vnni => {
                Self::Avx2.is_here()
                    && std::arch::is_x86_feature_detected!("avx512f")
                    && std::arch::is_x86_feature_detected!("avx512bw")
                    && std::arch::is_x86_feature_detected!("avx512vl")
                    && std::arch::is_x86_feature_detected!("avx512vnni")
            }
            #[cfg(all(target_arch = "x86_64", feature = "std", not(feature = "emulated")))]
            Self::Amx => Self::Avx512Vnni.is_here() && crate::amx::allowed(),
            Self::Neon => cfg!(all(target_arch = "aarch64", target_feature = "neon")),
            #[cfg(all(target_arch = "aarch64", feature = "std"))]
            Self::Dotprod => std::arch::is_aarch64_feature_detected!("dotprod"),
            #[cfg(all(target_arch = "aarch64", feature = "std"))]
            Self::I8mm => Self::Dotprod.is_here() && std::arch::is_aarch64_feature_detected!("i8mm"),
            Self::Dsp => cfg!(all(target_arch = "arm", feature = "dsp")),
            Self::Helium => cfg!(all(target_arch = "arm", feature = "helium")),
            #[cfg(not(all(target_arch = "x86_64", feature = "std")))]
            Self::Sse41 | Self::Avx2 | Self::AvxVnni | Self::Avx512Vnni | Self::Amx => false,
            #[cfg(not(all(target_arch = "aarch64", feature = "std")))]
            Self::Dotprod | Self::I8mm => false,
        }
    }
}

/// An instruction set that this CPU is known to have: it can only be made by asking.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Isa(Level);

impl Isa {
    /// What every CPU has.
    pub const PORTABLE: Self = Self(Level::Portable);

    /// The best that this CPU has.
    pub fn best() -> Self {
        Self::available().last().unwrap_or(Self::PORTABLE)
    }

    /// This instruction set, where the CPU has it.
    pub fn of(level: Level) -> Option<Self> {
        level.is_here().then_some(Self(level))
    }

    /// Every instruction set that this CPU has, portable first, the best last.
    pub fn available() -> impl Iterator<Item = Self> {
        Level::ALL.into_iter().filter_map(Self::of)
    }

    /// Whether it multiplies vectors of f16 (FEAT_FP16 of aarch64), which CPUs with and without SDOT may or may not do.
    pub fn has_fp16(self) -> bool {
        #[cfg(all(target_arch = "aarch64", feature = "std"))]
        let here = std::arch::is_aarch64_feature_detected!("fp16");
        #[cfg(not(all(target_arch = "aarch64", feature = "std")))]
        let here = cfg!(all(target_arch = "aarch64", target_feature = "fp16"));
        here && matches!(self.0, Level::Neon | Level::Dotprod | Level::I8mm)
    }

    /// Whether it has products of bf16 (AVX512_BF16), which not every CPU with AVX-512 VNNI does.
    #[cfg(target_arch = "x86_64")]
    pub(crate) fn has_bf16(self) -> bool {
        #[cfg(all(feature = "std", not(feature = "emulated")))]
        let here = std::arch::is_x86_feature_detected!("avx512bf16");
        #[cfg(any(not(feature = "std"), feature = "emulated"))]
        let here = cfg!(feature = "emulated");
        here && self.has_avx512()
    }

    /// Whether products of bf16 are faster than those of f32. On Intel's CPUs they are not: Sapphire Rapids does half as
    /// many in a cycle. AMD's are the ones with SSE4a.
    #[cfg(target_arch = "x86_64")]
    pub(crate) fn prefers_bf16(self) -> bool {
        #[cfg(all(feature = "std", not(feature = "emulated")))]
        let here = std::arch::is_x86_feature_detected!("sse4a");
        #[cfg(any(not(feature = "std"), feature = "emulated"))]
        let here = cfg!(feature = "emulated");
        here && self.has_bf16()
    }

    /// Whether it looks bytes up in vectors (AVX-512 VBMI), which not every CPU with AVX-512 VNNI does.
    #[cfg(target_arch = "x86_64")]
    pub(crate) fn has_vbmi(self) -> bool {
        #[cfg(all(feature = "std", not(feature = "emulated")))]
        let here = std::arch::is_x86_feature_detected!("avx512vbmi");
        #[cfg(any(not(feature = "std"), feature = "emulated"))]
        let here = cfg!(feature = "emulated");
        here && self.has_avx512()
    }

    /// Whether it runs the variants for AVX-512 VNNI.
    #[cfg(target_arch = "x86_64")]
    pub(crate) const fn has_avx512(self) -> bool {
        matches!(self.0, Level::Avx512Vnni | Level::Amx)
    }

    /// Which one it is.
    pub const fn level(self) -> Level {
        self.0
    }
}
