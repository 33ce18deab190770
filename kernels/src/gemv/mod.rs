//! Matrix times vector, added: `y[j] += Σ_k matrix[j, k] * x[k]`, the inner loop of recurrent layers. A matrix in 16 bits is
//! widened, which is exact: its sums are those of the widened matrix, to the bit.
//!
//! The order of summation of a row depends on the length of `x` alone, so that the same row and vector give the same bits
//! wherever they stand. An output differs from the exact sum by at most `(n + 2) * 2^-24 * (|y| + Σ |matrix * x|)`.

mod portable;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod vector;

use crate::Isa;
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
use crate::half::Weight;
use crate::half::Weights;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
use crate::simd;

/// Adds the products. Nothing happens where the matrix has not `y.len()` rows of `x.len()`.
pub(crate) fn run(isa: Isa, matrix: Weights<'_>, x: &[f32], y: &mut [f32]) {
    if x.len().checked_mul(y.len()) != Some(matrix.len()) {
        return;
    }
    match matrix {
        Weights::F32(matrix) => run_as(isa, matrix, x, y),
        Weights::F16(matrix) => run_as(isa, matrix, x, y),
        Weights::Bf16(matrix) => run_as(isa, matrix, x, y),
    }
}

/// Rows that are walked forwards where a matrix is walked from its end.
const TURNED: usize = 64;

/// As [`run`], with the same bits; in odd turns the matrix is walked from its end, so that a large one is still in part in
/// the cache from the turn before.
pub(crate) fn run_in_turns(isa: Isa, matrix: Weights<'_>, x: &[f32], y: &mut [f32], turn: usize) {
    if turn & 1 == 0 || x.len().checked_mul(y.len()) != Some(matrix.len()) {
        return run(isa, matrix, x, y);
    }
    let mut y = y;
    while !y.is_empty() {
        let start = y.len().saturating_sub(TURNED);
        let rows = start.wrapping_mul(x.len())..y.len().wrapping_mul(x.len());
        let Some((before, last)) = y.split_at_mut_checked(start) else { return };
        let Some(rows) = matrix.get(rows) else { return };
        run(isa, rows, x, last);
        y = before;
    }
}

/// As [`run`] for every vector of `x`, all of one length, and its row of `y`, with the same bits; the matrix is read once.
pub(crate) fn run_several(isa: Isa, matrix: Weights<'_>, x: &[&[f32]], y: &mut [f32]) {
    match matrix {
        Weights::F32(matrix) => run_several_as(isa, matrix, x, y),
        Weights::F16(matrix) => run_several_as(isa, matrix, x, y),
        Weights::Bf16(matrix) => run_several_as(isa, matrix, x, y),
    }
}

/// Adds with a vector variant, or any other.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
fn run_as<W: simd::Load>(isa: Isa, matrix: &[W], x: &[f32], y: &mut [f32]) {
    if !simd::run(isa, vector::Product { matrix, x, y: &mut *y }) {
        portable::run(matrix, x, y);
    }
}

/// Adds with a vector variant, or any other.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
fn run_several_as<W: simd::Load>(isa: Isa, matrix: &[W], x: &[&[f32]], y: &mut [f32]) {
    if !simd::run(isa, vector::Products { matrix, x, y: &mut *y }) {
        portable::run_several(matrix, x, y);
    }
}

/// No vector variant for this architecture.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn run_as<W: Weight>(_: Isa, matrix: &[W], x: &[f32], y: &mut [f32]) {
    portable::run(matrix, x, y);
}

/// No vector variant for this architecture.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn run_several_as<W: Weight>(_: Isa, matrix: &[W], x: &[&[f32]], y: &mut [f32]) {
    portable::run_several(matrix, x, y);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::half::Storage;
    use crate::samples::{Samples, Stored};

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
                        Some(turn) => run_in_turns(isa, Weights::F32(&matrix), &x, &mut y, turn),
                        None => run(isa, Weights::F32(&matrix), &x, &mut y),
                    }
                    y
                });
                assert!(want == even && want == odd, "{:?} {rows} {columns}", isa.level());
            }
        }
        let mut y = [7.0; 3];
        run_in_turns(Isa::best(), Weights::F32(&[1.0; 8]), &[1.0; 2], &mut y, 1);
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
                    run(isa, Weights::F32(&matrix), &x, &mut y);
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
                run(isa, Weights::F32(&row), &x, &mut alone);
                for rows in 1..12 {
                    let mut y = std::vec![0.5; rows];
                    run(isa, Weights::F32(&row.repeat(rows)), &x, &mut y);
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
                run_several(isa, Weights::F32(&matrix), &x, &mut all);
                x.iter().zip(each.chunks_mut(rows)).for_each(|(x, y)| run(isa, Weights::F32(&matrix), x, y));
                assert_eq!(all, each, "{:?} {rows} {columns}", isa.level());
            }
        }
    }

    #[test]
    fn wrong_lengths_leave_the_output() {
        for isa in Isa::available() {
            let mut y = [7.0; 2];
            run(isa, Weights::F32(&[1.0; 5]), &[1.0; 3], &mut y);
            run(isa, Weights::F32(&[1.0; 7]), &[1.0; 3], &mut y);
            assert_eq!(y, [7.0; 2]);
        }
    }

    #[test]
    fn a_matrix_in_16_bits_gives_the_bits_of_the_widened_one() {
        for columns in [1, 2, 3, 4, 5, 7, 8, 14, 15, 16, 17, 30, 31, 32, 33, 100] {
            for rows in [1, 3, 4, 9, 70] {
                let mut samples = Samples::new(columns as u64);
                let matrix = samples.floats(rows * columns, -1.0, 1.0);
                let (x, start) = (samples.floats(columns, -1.0, 1.0), samples.floats(rows, -1.0, 1.0));
                let storages = [Storage::F16, Storage::Bf16].into_iter();
                for (storage, isa) in storages.flat_map(|s| Isa::available().map(move |isa| (s, isa))) {
                    let stored = Stored::new(storage, &matrix);
                    let [mut want, mut found, mut turned] = [(); 3].map(|()| start.clone());
                    run(isa, Weights::F32(&stored.values()), &x, &mut want);
                    run(isa, stored.weights(), &x, &mut found);
                    run_in_turns(isa, stored.weights(), &x, &mut turned, 1);
                    assert!(want == found && want == turned, "{storage:?} {:?} {rows} {columns}", isa.level());
                    found.clone_from(&start);
                    run_several(isa, stored.weights(), &[&x], &mut found);
                    assert_eq!(found, want, "{storage:?} {:?} {rows} {columns}", isa.level());
                }
            }
        }
    }
}
