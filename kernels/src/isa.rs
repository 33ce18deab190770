//! Which instruction sets this CPU has.

/// Instruction sets for which kernels have a file, ordered: a CPU with a later one has the earlier ones of its family.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Level {
    /// No more than the language.
    Portable,
    /// x86-64 AVX2 and FMA.
    Avx2,
    /// x86-64 AVX-512 F, BW, VL and VNNI.
    Avx512Vnni,
}

impl Level {
    /// Its name on the command line and in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Portable => "portable",
            Self::Avx2 => "avx2",
            Self::Avx512Vnni => "avx512vnni",
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
        [Level::Avx512Vnni, Level::Avx2].into_iter().find_map(Self::of).unwrap_or(Self::PORTABLE)
    }

    /// This instruction set, where the CPU has it.
    pub fn of(level: Level) -> Option<Self> {
        let has = match level {
            Level::Portable => true,
            #[cfg(all(target_arch = "x86_64", feature = "std"))]
            Level::Avx2 => std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma"),
            #[cfg(all(target_arch = "x86_64", feature = "std"))]
            Level::Avx512Vnni => {
                Self::of(Level::Avx2).is_some()
                    && std::arch::is_x86_feature_detected!("avx512f")
                    && std::arch::is_x86_feature_detected!("avx512bw")
                    && std::arch::is_x86_feature_detected!("avx512vl")
                    && std::arch::is_x86_feature_detected!("avx512vnni")
            }
            #[cfg(not(all(target_arch = "x86_64", feature = "std")))]
            Level::Avx2 | Level::Avx512Vnni => false,
        };
        has.then_some(Self(level))
    }

    /// Whether AVX-512 VBMI, which not all CPUs with VNNI have, comes with it.
    #[cfg(target_arch = "x86_64")]
    pub(crate) fn has_vbmi(self) -> bool {
        #[cfg(feature = "std")]
        let has = std::arch::is_x86_feature_detected!("avx512vbmi");
        #[cfg(not(feature = "std"))]
        let has = false;
        has && self.0 == Level::Avx512Vnni
    }

    /// Every instruction set that this CPU has, portable first.
    pub fn available() -> impl Iterator<Item = Self> {
        [Level::Portable, Level::Avx2, Level::Avx512Vnni].into_iter().filter_map(Self::of)
    }

    /// Which one it is.
    pub const fn level(self) -> Level {
        self.0
    }
}
