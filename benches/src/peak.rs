//! The most multiply-accumulates that one core of this machine does, measured: registers only, no memory.
#![allow(unsafe_code)] // Calls of code that needs an instruction set.

use std::hint::black_box;
use std::time::Duration;

use ocellus_runtime::{Isa, Level};

use crate::least_ms;

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arithmetic {
    /// f32, fused.
    F32,
    /// Bytes into int32.
    I8,
}

/// Multiply-accumulates per nanosecond with the widest vectors of this machine; `None` where none is known.
pub fn peak(arithmetic: Arithmetic) -> Option<f64> {
    const ROUNDS: u64 = 200_000;
    let macs = rounds(arithmetic, 1)? as f64 * ROUNDS as f64;
    let ms = least_ms(Duration::from_millis(200), || {
        black_box(rounds(arithmetic, ROUNDS));
    });
    Some(macs / (ms * 1e6))
}

#[cfg(target_arch = "x86_64")]
fn rounds(arithmetic: Arithmetic, rounds: u64) -> Option<u64> {
    let has512 = std::arch::is_x86_feature_detected!("avx512f");
    let vnni = has512 && std::arch::is_x86_feature_detected!("avx512vnni");
    let has256 = std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma");
    // SAFETY: each is called only where the CPU has been asked for its instruction set.
    unsafe {
        match arithmetic {
            Arithmetic::F32 if has512 => Some(x86::fma512(rounds)),
            Arithmetic::F32 if has256 => Some(x86::fma256(rounds)),
            Arithmetic::I8 if Isa::best().level() == Level::Amx => Some(x86::amx(rounds)),
            Arithmetic::I8 if vnni => Some(x86::vnni512(rounds)),
            Arithmetic::I8 if has256 => Some(x86::madd256(rounds)),
            _ => None,
        }
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn rounds(_: Arithmetic, _: u64) -> Option<u64> {
    None
}

/// Every function returns the multiply-accumulates of one round.
#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;
    use std::hint::black_box;

    #[target_feature(enable = "avx2,fma")]
    pub fn fma256(rounds: u64) -> u64 {
        let (mut sums, x) = ([_mm256_set1_ps(0.1); 12], black_box(_mm256_set1_ps(0.9)));
        for _ in 0..rounds {
            sums.iter_mut().for_each(|s| *s = _mm256_fmadd_ps(*s, x, x));
        }
        black_box(sums);
        12 * 8
    }

    #[target_feature(enable = "avx512f")]
    pub fn fma512(rounds: u64) -> u64 {
        let (mut sums, x) = ([_mm512_set1_ps(0.1); 24], black_box(_mm512_set1_ps(0.9)));
        for _ in 0..rounds {
            sums.iter_mut().for_each(|s| *s = _mm512_fmadd_ps(*s, x, x));
        }
        black_box(sums);
        24 * 16
    }

    #[target_feature(enable = "avx512f,avx512vnni")]
    pub fn vnni512(rounds: u64) -> u64 {
        let (mut sums, x) = ([_mm512_setzero_si512(); 24], black_box(_mm512_set1_epi8(3)));
        for _ in 0..rounds {
            sums.iter_mut().for_each(|s| *s = _mm512_dpbusd_epi32(*s, x, x));
        }
        black_box(sums);
        24 * 64
    }

    /// Products of tiles of 16 by 64 bytes. There are no intrinsics for them in stable Rust.
    pub fn amx(rounds: u64) -> u64 {
        use std::arch::asm;

        #[repr(align(64))]
        struct Configuration([u8; 64]);
        let mut configuration = Configuration([0; 64]);
        configuration.0[0] = 1;
        for tile in 0..8 {
            (configuration.0[16 + 2 * tile], configuration.0[48 + tile]) = (64, 16);
        }
        // SAFETY: the configuration is a valid one; tiles are nobody else's.
        unsafe { asm!("ldtilecfg [{}]", in(reg) configuration.0.as_ptr(), options(nostack, readonly)) };
        for _ in 0..rounds {
            // SAFETY: the tiles are configured.
            unsafe {
                asm!(
                    "tdpbssd tmm0, tmm4, tmm6",
                    "tdpbssd tmm1, tmm4, tmm7",
                    "tdpbssd tmm2, tmm5, tmm6",
                    "tdpbssd tmm3, tmm5, tmm7",
                    options(nostack, nomem)
                );
            }
        }
        // SAFETY: as above.
        unsafe { asm!("tilerelease", options(nostack, nomem)) };
        4 * 16 * 16 * 64
    }

    /// Exact products without VNNI: 16-bit pairs.
    #[target_feature(enable = "avx2")]
    pub fn madd256(rounds: u64) -> u64 {
        let mut sums = [_mm256_setzero_si256(); 12];
        let mut x = black_box(_mm256_set1_epi16(3));
        for _ in 0..rounds {
            sums.iter_mut().for_each(|s| *s = _mm256_add_epi32(*s, _mm256_madd_epi16(x, x)));
            // Another operand every round, so that the products are not taken out of the loop.
            x = _mm256_xor_si256(x, sums[0]);
        }
        black_box(sums);
        12 * 16
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peak_is_more_than_one_per_nanosecond() {
        for arithmetic in [Arithmetic::F32, Arithmetic::I8] {
            assert!(peak(arithmetic).is_none_or(|p| p > 0.1), "{arithmetic:?}");
        }
    }
}
