//! Slices cut into rows, and every n-th element.
//!
//! Unlike `chunks_exact` and `step_by` these hold no check that panics: what the optimiser removes there at its higher
//! levels is not in the code at any level.

use core::mem::take;

/// The whole rows of `len` elements; none where `len` is zero.
pub(crate) fn rows<T>(slice: &[T], len: usize) -> impl Iterator<Item = &[T]> {
    let mut rest = slice;
    core::iter::from_fn(move || {
        let (row, tail) = rest.split_at_checked(len).filter(|(row, _)| !row.is_empty())?;
        rest = tail;
        Some(row)
    })
}

/// The whole rows of `len` elements, for writing; none where `len` is zero.
pub(crate) fn rows_mut<T>(slice: &mut [T], len: usize) -> impl Iterator<Item = &mut [T]> {
    let mut rest = slice;
    core::iter::from_fn(move || {
        let (row, tail) = take(&mut rest).split_at_mut_checked(len).filter(|(row, _)| !row.is_empty())?;
        rest = tail;
        Some(row)
    })
}

/// The first element and every `step`-th after it; all of them for a step of zero.
pub(crate) fn every<T>(slice: &[T], step: usize) -> impl Iterator<Item = &T> + Clone {
    let mut rest = slice;
    core::iter::from_fn(move || {
        let first = rest.first()?;
        rest = rest.get(step.max(1)..).unwrap_or_default();
        Some(first)
    })
}

/// The first element and every `step`-th after it, for writing; all of them for a step of zero.
pub(crate) fn every_mut<T>(slice: &mut [T], step: usize) -> impl Iterator<Item = &mut T> {
    let mut rest = slice;
    core::iter::from_fn(move || {
        let (first, tail) = take(&mut rest).split_first_mut()?;
        rest = tail.get_mut(step.max(1).wrapping_sub(1)..).unwrap_or_default();
        Some(first)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    #[test]
    fn cuts_are_those_of_the_standard_library() {
        for n in 0..14 {
            let all: Vec<usize> = (0..n).collect();
            for size in 1..6 {
                assert!(rows(&all, size).eq(all.chunks_exact(size)));
                assert!(every(&all, size).eq(all.iter().step_by(size)));
                let (mut cut, mut other) = (all.clone(), all.clone());
                assert!(rows_mut(&mut cut, size).eq(other.chunks_exact_mut(size)));
                assert!(every_mut(&mut cut, size).eq(other.iter_mut().step_by(size)));
            }
            assert_eq!(rows(&all, 0).count(), 0);
            assert_eq!(rows_mut(&mut all.clone(), 0).count(), 0);
            assert_eq!(every(&all, 0).count(), n);
            assert_eq!(every_mut(&mut all.clone(), 0).count(), n);
        }
    }
}
