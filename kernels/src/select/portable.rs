//! The reference: one element at a time.

use super::Params;
use crate::walk::Walk;

pub(super) fn run(params: &Params, condition: &[u8], a: &[u8], b: &[u8], y: &mut [u8]) {
    match params.element_bytes {
        1 => each::<1>(params, condition, a, b, y),
        2 => each::<2>(params, condition, a, b, y),
        4 => each::<4>(params, condition, a, b, y),
        _ => each::<8>(params, condition, a, b, y),
    }
}

fn each<const N: usize>(params: &Params, condition: &[u8], a: &[u8], b: &[u8], y: &mut [u8]) {
    let (a, b, y) = (a.as_chunks::<N>().0, b.as_chunks::<N>().0, y.as_chunks_mut::<N>().0);
    let walk = Walk::new(params.sizes, [params.condition_strides, params.a_strides, params.b_strides]);
    for (y, [c, i, j]) in y.iter_mut().zip(walk) {
        let chosen =
            if condition.get(c as usize).is_some_and(|&c| c != 0) { a.get(i as usize) } else { b.get(j as usize) };
        if let Some(&chosen) = chosen {
            *y = chosen;
        }
    }
}
