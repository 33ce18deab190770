//! The reference.

use super::{Element, Number, same_len};
use crate::Pod;

pub(super) fn run<T: Pod>(x: &[T], to: Element, y: &mut [u8], number: impl Fn(T) -> Number) {
    match to {
        Element::F32 => each(x, same_len(y, x.len()), number, |x| x, |x| x as f32),
        Element::I8 => each(x, same_len(y, x.len()), number, |x| x as i8, |x| x as i8),
        Element::U8 => each(x, same_len(y, x.len()), number, |x| x as u8, |x| x as u8),
        Element::I32 => each(x, same_len(y, x.len()), number, |x| x as i32, |x| x as i32),
        Element::I64 => each(x, same_len(y, x.len()), number, |x| x as i64, |x| x),
        Element::Bool => each(x, same_len(y, x.len()), number, |x| u8::from(x != 0.0), |x| u8::from(x != 0)),
    }
}

fn each<T: Copy, U>(
    x: &[T],
    y: Option<&mut [U]>,
    number: impl Fn(T) -> Number,
    float: impl Fn(f32) -> U,
    integer: impl Fn(i64) -> U,
) {
    for (y, &x) in y.unwrap_or(&mut []).iter_mut().zip(x) {
        *y = match number(x) {
            Number::Float(x) => float(x),
            Number::Integer(x) => integer(x),
        };
    }
}
