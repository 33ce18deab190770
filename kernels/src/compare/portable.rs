//! The reference: one element at a time.

use super::{Element, Function, Params};
use crate::walk::Walk;

pub(super) fn run<T: Element>(params: &Params, a: &[T], b: &[T], y: &mut [u8]) {
    let mut each = |f: fn(T, T) -> bool| {
        let broadcast = &params.broadcast;
        let walk = Walk::new(broadcast.sizes, [broadcast.a_strides, broadcast.b_strides]);
        for (y, [i, j]) in y.iter_mut().zip(walk) {
            if let (Some(&a), Some(&b)) = (a.get(i as usize), b.get(j as usize)) {
                *y = u8::from(f(a, b));
            }
        }
    };
    match params.function {
        Function::Equal => each(|a, b| a == b),
        Function::NotEqual => each(|a, b| a != b),
        Function::Less => each(|a, b| a < b),
        Function::LessOrEqual => each(|a, b| a <= b),
        Function::And => each(|a, b| a != T::ZERO && b != T::ZERO),
        Function::Or => each(|a, b| a != T::ZERO || b != T::ZERO),
        Function::Xor => each(|a, b| (a != T::ZERO) != (b != T::ZERO)),
    }
}
