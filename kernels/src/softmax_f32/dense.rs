//! Lines that lie dense (`inner` is 1): the exponentials are those of the unary kernel, many at a time.

use super::Params;
use crate::rows::rows_mut;
use crate::{Isa, unary};

pub(super) fn run(isa: Isa, params: &Params, y: &mut [f32]) {
    for line in rows_mut(y, params.axis as usize) {
        let max = max(line);
        for x in &mut *line {
            *x -= max;
        }
        if params.logarithm {
            let log = libm::logf(sum_of_exponentials(isa, line));
            for x in line {
                *x -= log;
            }
        } else {
            unary::exp_in_place(isa, line);
            let sum = sum(line);
            for x in line {
                *x /= sum;
            }
        }
    }
}

/// The greatest, found like the sum.
fn max(line: &[f32]) -> f32 {
    let greater = |max: f32, x: f32| if x > max { x } else { max };
    let (eights, rest) = line.as_chunks::<8>();
    let mut all = [f32::NEG_INFINITY; 8];
    for eight in eights {
        for (max, &x) in all.iter_mut().zip(eight) {
            *max = greater(*max, x);
        }
    }
    all.iter().chain(rest).fold(f32::NEG_INFINITY, |max, &x| greater(max, x))
}

/// The sum in eight partial sums, which the compiler turns into vectors where it has them.
fn sum(line: &[f32]) -> f32 {
    let (eights, rest) = line.as_chunks::<8>();
    let mut sums = [0.0; 8];
    for eight in eights {
        for (sum, x) in sums.iter_mut().zip(eight) {
            *sum += x;
        }
    }
    sums.iter().chain(rest).sum()
}

/// `Σ exp(x)`, in pieces that fit a buffer.
fn sum_of_exponentials(isa: Isa, line: &[f32]) -> f32 {
    let (pieces, rest) = line.as_chunks::<64>();
    let mut total = 0.0;
    for piece in pieces {
        let mut buffer = *piece;
        unary::exp_in_place(isa, &mut buffer);
        total += sum(&buffer);
    }
    let mut buffer = [f32::NEG_INFINITY; 64];
    for (to, &from) in buffer.iter_mut().zip(rest) {
        *to = from;
    }
    unary::exp_in_place(isa, &mut buffer);
    total + sum(&buffer)
}
