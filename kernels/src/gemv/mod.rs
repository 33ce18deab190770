//! Matrix times vector, added: `y[j] += Σ_k matrix[j, k] * x[k]`, the inner loop of recurrent layers.
//!
//! The order of summation of a row depends on the length of `x` alone, so that the same row and vector give the same bits
//! wherever they stand. An output differs from the exact sum by at most `(n + 2) * 2^-24 * (|y| + Σ |matrix * x|)`.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "aarch64")]
mod neon;
mod portable;

use crate::Isa;
use crate::rows::rows_mut;

/// Adds the products. Nothing happens where the matrix has not `y.len()` rows of `x.len()`.
pub(crate) fn run(isa: Isa, matrix: &[f32], x: &[f32], y: &mut [f32]) {
    if x.len().checked_mul(y.len()) == Some(matrix.len()) && !run_fast(isa, matrix, x, y) {
        portable::run(matrix, x, y);
    }
}

/// Rows that are walked forwards where a matrix is walked from its end.
const TURNED: usize = 64;

/// As [`run`], with the same bits; in odd turns the matrix is walked from its end, so that a large one is still in part in
/// the cache from the turn before.
pub(crate) fn run_in_turns(isa: Isa, matrix: &[f32], x: &[f32], y: &mut [f32], turn: usize) {
    if turn & 1 == 0 || x.len().checked_mul(y.len()) != Some(matrix.len()) {
        return run(isa, matrix, x, y);
    }
    let (mut matrix, mut y) = (matrix, y);
    while !y.is_empty() {
        let start = y.len().saturating_sub(TURNED);
        let Some((before, last)) = y.split_at_mut_checked(start) else { return };
        let Some((rows_before, rows)) = matrix.split_at_checked(start.wrapping_mul(x.len())) else { return };
        run(isa, rows, x, last);
        (matrix, y) = (rows_before, before);
    }
}

/// Rows of the matrix that stay in the nearest cache while every vector passes over them.
const BLOCK: usize = 16;

/// As [`run`] for every vector of `x` and its row of `y`, with the same bits; the matrix is read once.
pub(crate) fn run_several(isa: Isa, matrix: &[f32], x: &[&[f32]], y: &mut [f32]) {
    let Some(first) = x.first() else { return };
    let Some(len) = matrix.len().checked_div(first.len()) else { return };
    let mut start = 0usize;
    while start < len {
        let end = start.wrapping_add(BLOCK).min(len);
        let block = matrix.get(start.wrapping_mul(first.len())..end.wrapping_mul(first.len())).unwrap_or(&[]);
        for (x, y) in x.iter().zip(rows_mut(y, len)) {
            run(isa, block, x, y.get_mut(start..end).unwrap_or_default());
        }
        start = end;
    }
}

/// Adds with a vector variant; false where there is none.
#[cfg(target_arch = "x86_64")]
fn run_fast(isa: Isa, matrix: &[f32], x: &[f32], y: &mut [f32]) -> bool {
    avx512::run(isa, matrix, x, y) || avx2::run(isa, matrix, x, y)
}

/// Adds with NEON; false where there is none.
#[cfg(target_arch = "aarch64")]
fn run_fast(isa: Isa, matrix: &[f32], x: &[f32], y: &mut [f32]) -> bool {
    neon::run(isa, matrix, x, y)
}

/// No vector variant for this architecture.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn run_fast(_: Isa, _: &[f32], _: &[f32], _: &mut [f32]) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::Samples;

    #[test]
    fn every_turn_gives_the_same_bits() {
        for (rows, columns) in [(1, 5), (64, 9), (65, 33), (200, 8), (3, 0)] {
            let mut samples = Samples::new(rows as u64);
            let (matrix, x) = (samples.floats(rows * columns, -1.0, 1.0), samples.floats(columns, -1.0, 1.0));
            let start = samples.floats(rows, -1.0, 1.0);
            for isa in Isa::available() {
                let [want, even, odd] = [None, Some(0), Some(1)].map(|turn| {
                    let mut y = start.clone();
                    match turn {
                        Some(turn) => run_in_turns(isa, &matrix, &x, &mut y, turn),
                        None => run(isa, &matrix, &x, &mut y),
                    }
                    y
                });
                assert!(want == even && want == odd, "{:?} {rows} {columns}", isa.level());
            }
        }
        let mut y = [7.0; 3];
        run_in_turns(Isa::best(), &[1.0; 8], &[1.0; 2], &mut y, 1);
        assert_eq!(y, [7.0; 3]);
    }

    #[test]
    fn every_variant_stays_within_the_bound() {
        for columns in [1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 33, 40, 64, 100, 257] {
            for rows in [1, 2, 3, 4, 5, 7, 8, 9, 20] {
                let mut samples = Samples::new(columns as u64);
                let matrix = samples.floats(rows * columns, -1.0, 1.0);
                let x = samples.floats(columns, -1.0, 1.0);
                let start = samples.floats(rows, -1.0, 1.0);
                for isa in Isa::available() {
                    let mut y = start.clone();
                    run(isa, &matrix, &x, &mut y);
                    for (j, &y) in y.iter().enumerate() {
                        let row = &matrix[j * columns..][..columns];
                        let terms = || row.iter().zip(&x).map(|(&m, &x)| f64::from(m) * f64::from(x));
                        let want = f64::from(start[j]) + terms().sum::<f64>();
                        let size = f64::from(start[j].abs()) + terms().map(f64::abs).sum::<f64>();
                        let error = (columns + 2) as f64 * size / f64::from(1 << 24);
                        assert!((f64::from(y) - want).abs() <= error, "{:?} {rows} {columns} {j}", isa.level());
                    }
                }
            }
        }
    }

    #[test]
    fn a_row_gives_the_same_bits_wherever_it_stands() {
        for columns in [3, 16, 37, 100] {
            let mut samples = Samples::new(9);
            let (row, x) = (samples.floats(columns, -1.0, 1.0), samples.floats(columns, -1.0, 1.0));
            for isa in Isa::available() {
                let mut alone = [0.5];
                run(isa, &row, &x, &mut alone);
                for rows in 1..12 {
                    let mut y = std::vec![0.5; rows];
                    run(isa, &row.repeat(rows), &x, &mut y);
                    assert!(y.iter().all(|y| y.to_bits() == alone[0].to_bits()), "{:?} {rows}", isa.level());
                }
            }
        }
    }

    #[test]
    fn several_vectors_give_the_bits_of_each() {
        for (rows, columns) in [(1, 3), (15, 16), (16, 8), (33, 37)] {
            let mut samples = Samples::new(5);
            let matrix = samples.floats(rows * columns, -1.0, 1.0);
            let vectors = samples.floats(5 * columns, -1.0, 1.0);
            let x: std::vec::Vec<&[f32]> = vectors.chunks(columns).collect();
            for isa in Isa::available() {
                let (mut all, mut each) = (std::vec![0.5; 5 * rows], std::vec![0.5; 5 * rows]);
                run_several(isa, &matrix, &x, &mut all);
                x.iter().zip(each.chunks_mut(rows)).for_each(|(x, y)| run(isa, &matrix, x, y));
                assert_eq!(all, each, "{:?} {rows} {columns}", isa.level());
            }
        }
    }

    #[test]
    fn wrong_lengths_leave_the_output() {
        for isa in Isa::available() {
            let mut y = [7.0; 2];
            run(isa, &[1.0; 5], &[1.0; 3], &mut y);
            run(isa, &[1.0; 7], &[1.0; 3], &mut y);
            assert_eq!(y, [7.0; 2]);
        }
    }
}
