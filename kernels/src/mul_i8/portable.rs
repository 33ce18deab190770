//! The reference: one element at a time.

use super::Params;
use crate::walk::Walk;

pub(super) fn run(params: &Params, a: Option<&[i8]>, b: Option<&[i8]>, y: &mut [i8]) {
    let broadcast = &params.broadcast;
    let walk = Walk::new(broadcast.sizes, [broadcast.a_strides, broadcast.b_strides]);
    for (y, [i, j]) in y.iter_mut().zip(walk) {
        let a = a.map_or(Some(*y), |a| a.get(i as usize).copied());
        let b = b.map_or(Some(*y), |b| b.get(j as usize).copied());
        if let (Some(a), Some(b)) = (a, b) {
            *y = params.compute(a, b);
        }
    }
}
