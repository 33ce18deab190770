//! The reference: one column of the axis at a time.

use super::Params;
use crate::rows::{every, rows, rows_mut};

pub(super) fn run<T: Copy + PartialOrd>(params: &Params, x: &[T], y: &mut [i64]) {
    let inner = params.inner as usize;
    let block = (params.axis as usize).wrapping_mul(inner);
    for (x, y) in rows(x, block).zip(rows_mut(y, inner)) {
        for (i, y) in y.iter_mut().enumerate() {
            *y = find(params, every(x.get(i..).unwrap_or_default(), inner).copied());
        }
    }
}

fn find<T: Copy + PartialOrd>(params: &Params, column: impl Iterator<Item = T>) -> i64 {
    let (mut place, mut best) = (0, None);
    for (k, x) in (0i64..).zip(column) {
        let better = best.is_none_or(|best: T| {
            let beats = if params.least { x < best } else { x > best };
            // Only a NaN does not equal itself.
            let first_number = best.partial_cmp(&best).is_none() && x.partial_cmp(&x).is_some();
            beats || first_number || (params.select_last && x == best)
        });
        if better {
            (place, best) = (k, Some(x));
        }
    }
    place
}
