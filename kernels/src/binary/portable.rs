//! The reference: one element at a time.

use super::{Element, Params};
use crate::walk::Walk;

pub(super) fn run<T: Element>(params: &Params, a: Option<&[T]>, b: Option<&[T]>, y: &mut [T]) {
    let broadcast = &params.broadcast;
    let walk = Walk::new(broadcast.sizes, [broadcast.a_strides, broadcast.b_strides]);
    for (y, [i, j]) in y.iter_mut().zip(walk) {
        let a = a.map_or(Some(*y), |a| a.get(i as usize).copied());
        let b = b.map_or(Some(*y), |b| b.get(j as usize).copied());
        if let (Some(a), Some(b)) = (a, b) {
            *y = T::compute(params, a, b);
        }
    }
}
