//! AMX: eight tiles of at most 16 rows of 64 bytes, and products of whole tiles.
//!
//! Rust has no stable intrinsics for it yet, so that every instruction is a line of assembly. Compilers never use tiles of
//! their own accord: what an instruction leaves in one is there for the next.
#![allow(unsafe_code)] // Instructions, which load and store.

#[cfg(feature = "emulated")]
pub(crate) use crate::intrinsics::Tiles;
#[cfg(not(feature = "emulated"))]
pub(crate) use instructions::{Tiles, allowed};

/// How large the tiles are: 0 to 3 hold `rows` of 16 sums, 4 and 5 `rows` of `fours` times four inputs, 6 and 7 `fours` rows
/// of four weights for each of 16 channels.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shape {
    /// 1 to 16.
    pub(crate) rows: u8,
    /// 1 to 16.
    pub(crate) fours: u8,
}

#[cfg(not(feature = "emulated"))]
mod instructions {
    use core::arch::asm;
    use core::arch::x86_64::{__cpuid, __cpuid_count};

    use super::Shape;

    /// Whether the CPU has AMX for bytes, and the operating system lets this process use it, for which it is asked.
    pub(crate) fn allowed() -> bool {
        /// Tiles and their configuration, in XCR0.
        const STATE: u64 = 3 << 17;
        /// `AMX-TILE` and `AMX-INT8`, in leaf 7.
        const FEATURES: u32 = 3 << 24;
        /// `OSXSAVE`, in leaf 1.
        const XSAVE: u32 = 1 << 27;
        if __cpuid(0).eax < 7 || __cpuid(1).ecx & XSAVE == 0 || __cpuid_count(7, 0).edx & FEATURES != FEATURES {
            return false;
        }
        let (low, high): (u32, u32);
        // SAFETY: a CPU with OSXSAVE has the instruction, and register 0.
        unsafe {
            asm!("xgetbv", in("ecx") 0, out("eax") low, out("edx") high, options(nomem, nostack, preserves_flags))
        };
        (u64::from(high) << 32 | u64::from(low)) & STATE == STATE && asked()
    }

    /// Asks Linux for the tiles, on behalf of all threads of the process; as often as one likes.
    #[cfg(target_os = "linux")]
    fn asked() -> bool {
        const ARCH_PRCTL: i64 = 158;
        const ARCH_REQ_XCOMP_PERM: u64 = 0x1023;
        const TILE_DATA: u64 = 18;
        let result: i64;
        // SAFETY: the call touches no memory of the process; it refuses what it does not know.
        unsafe {
            asm!(
                "syscall",
                inlateout("rax") ARCH_PRCTL => result,
                in("rdi") ARCH_REQ_XCOMP_PERM,
                in("rsi") TILE_DATA,
                lateout("rcx") _,
                lateout("r11") _,
                options(nostack)
            );
        }
        result == 0
    }

    /// Other systems have other ways, which nobody has tried.
    #[cfg(not(target_os = "linux"))]
    fn asked() -> bool {
        false
    }

    /// The tiles of a thread, while this value lives; there is one at a time.
    pub(crate) struct Tiles(Shape);

    impl Tiles {
        /// Tiles of this shape.
        ///
        /// # Safety
        /// The CPU has AMX, and the process may use it.
        pub(crate) unsafe fn new(shape: Shape) -> Self {
            let mut tiles = Self(shape);
            tiles.configure(shape);
            tiles
        }

        /// Gives the tiles this shape; what is in them is lost if they had another one.
        pub(crate) fn shape(&mut self, shape: Shape) {
            if self.0 != shape {
                self.configure(shape);
            }
        }

        fn configure(&mut self, shape: Shape) {
            #[repr(C, align(64))]
            struct Configuration {
                palette: u8,
                reserved: [u8; 15],
                bytes: [u16; 16],
                rows: [u8; 16],
            }
            let Shape { rows, fours } = Shape { rows: shape.rows.clamp(1, 16), fours: shape.fours.clamp(1, 16) };
            let inputs = u16::from(fours).wrapping_mul(4);
            let configuration = Configuration {
                palette: 1,
                reserved: [0; 15],
                bytes: [64, 64, 64, 64, inputs, inputs, 64, 64, 0, 0, 0, 0, 0, 0, 0, 0],
                rows: [rows, rows, rows, rows, rows, rows, fours, fours, 0, 0, 0, 0, 0, 0, 0, 0],
            };
            self.0 = Shape { rows, fours };
            let from = &raw const configuration;
            // SAFETY: whoever made this value promised that the CPU has AMX; the configuration is a valid one.
            unsafe { asm!("ldtilecfg [{}]", in(reg) from, options(nostack, readonly, preserves_flags)) };
        }

        /// Loads tile `T`, whose rows are `pitch` bytes apart.
        ///
        /// # Safety
        /// As many bytes as the tile is wide can be read at every row.
        #[inline(always)]
        pub(crate) unsafe fn load<const T: u8>(&mut self, from: *const i8, pitch: usize) {
            // SAFETY: the caller's promise.
            unsafe {
                asm!(
                    "tileloadd tmm{tile}, [{from} + {pitch}*1]",
                    tile = const T,
                    from = in(reg) from,
                    pitch = in(reg) pitch,
                    options(nostack, readonly, preserves_flags)
                );
            }
        }

        /// Stores tile `T` of sums, whose rows go to places `pitch` bytes apart.
        ///
        /// # Safety
        /// 64 bytes can be written at every row.
        #[inline(always)]
        pub(crate) unsafe fn store<const T: u8>(&mut self, to: *mut i32, pitch: usize) {
            // SAFETY: the caller's promise.
            unsafe {
                asm!(
                    "tilestored [{to} + {pitch}*1], tmm{tile}",
                    tile = const T,
                    to = in(reg) to,
                    pitch = in(reg) pitch,
                    options(nostack, preserves_flags)
                );
            }
        }

        /// Adds the products of inputs `X` and weights `W` to the sums `S`.
        #[inline(always)]
        pub(crate) fn multiply<const S: u8, const X: u8, const W: u8>(&mut self) {
            // SAFETY: this value says that the CPU has AMX and that its tiles are configured.
            unsafe {
                asm!(
                    "tdpbssd tmm{sums}, tmm{inputs}, tmm{weights}",
                    sums = const S,
                    inputs = const X,
                    weights = const W,
                    options(nostack, nomem, preserves_flags)
                );
            }
        }
    }

    impl Drop for Tiles {
        /// Whoever switches threads need not save the tiles any more.
        fn drop(&mut self) {
            // SAFETY: as above.
            unsafe { asm!("tilerelease", options(nostack, nomem, preserves_flags)) };
        }
    }
}
