//! Any function of one byte: `y[i] = table[x[i] + 128]`.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512vbmi;
#[cfg(target_arch = "aarch64")]
mod neon;
mod portable;
#[cfg(target_arch = "x86_64")]
mod sse41;

use crate::Isa;

/// Looks every element up. `x` and `y` have the same length; a shorter one ends the work.
pub fn run(isa: Isa, table: &[i8; 256], x: &[i8], y: &mut [i8]) {
    let len = x.len().min(y.len());
    let (x, y) = (x.get(..len).unwrap_or_default(), y.get_mut(..len).unwrap_or_default());
    let done = run_fast(isa, table, Some(x), y);
    portable::run(table, x.get(done..).unwrap_or_default(), y.get_mut(done..).unwrap_or_default());
}

/// Looks every element up in place.
pub fn run_in_place(isa: Isa, table: &[i8; 256], y: &mut [i8]) {
    let done = run_fast(isa, table, None, y);
    portable::run_in_place(table, y.get_mut(done..).unwrap_or_default());
}

/// Looks elements up with a vector variant; how many.
#[cfg(target_arch = "x86_64")]
fn run_fast(isa: Isa, table: &[i8; 256], x: Option<&[i8]>, y: &mut [i8]) -> usize {
    let mut done = avx512vbmi::run(isa, table, x, y);
    for run in [avx2::run, sse41::run] {
        if done == 0 {
            done = run(isa, table, x, y);
        }
    }
    done
}

/// Looks elements up with NEON; how many.
#[cfg(target_arch = "aarch64")]
fn run_fast(isa: Isa, table: &[i8; 256], x: Option<&[i8]>, y: &mut [i8]) -> usize {
    neon::run(isa, table, x, y)
}

/// No vector variant for this architecture.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn run_fast(_: Isa, _: &[i8; 256], _: Option<&[i8]>, _: &mut [i8]) -> usize {
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_up_every_byte_value() {
        let table: [i8; 256] = core::array::from_fn(|i| (i as i32 * 7 % 251 - 128) as i8);
        let all: [i8; 300] = core::array::from_fn(|i| (i * 3) as u8 as i8);
        for len in [0, 1, 63, 64, 65, 127, 128, 256, 300] {
            let x = &all[..len];
            for isa in Isa::available() {
                let mut y = [77; 300];
                run(isa, &table, x, &mut y);
                for (k, &v) in x.iter().enumerate() {
                    assert_eq!(y[k], table[(i32::from(v) + 128) as usize], "{:?}", isa.level());
                }
                assert!(y[len..].iter().all(|&y| y == 77));
                let mut z = all;
                run_in_place(isa, &table, &mut z[..len]);
                assert_eq!((&y[..len], &all[len..]), (&z[..len], &z[len..]));
                let mut z = [77; 300];
                run(isa, &table, &all, &mut z[..len]);
                assert_eq!(y, z);
            }
        }
    }
}
