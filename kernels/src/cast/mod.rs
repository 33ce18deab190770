//! Between element types: float to integer truncates and saturates (a NaN becomes 0), integer to narrower integer wraps,
//! integer to float rounds to the nearest, anything to bool compares with zero. A bool is a byte, of which any but 0 is
//! true.

mod portable;

use crate::{Isa, Pod, view, view_mut};

/// Element types; the numbers are those of plans.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
#[allow(missing_docs)] // as their names say
pub enum Element {
    F32 = 0,
    I8 = 1,
    U8 = 2,
    I32 = 3,
    I64 = 4,
    Bool = 5,
}

impl Element {
    /// All of them, each at the place of its number.
    pub const ALL: [Self; 6] = [Self::F32, Self::I8, Self::U8, Self::I32, Self::I64, Self::Bool];

    /// The type of this number.
    pub fn from_number(number: u32) -> Option<Self> {
        Self::ALL.get(number as usize).copied()
    }

    /// Bytes of an element.
    pub const fn size(self) -> u32 {
        match self {
            Self::I8 | Self::U8 | Self::Bool => 1,
            Self::F32 | Self::I32 => 4,
            Self::I64 => 8,
        }
    }
}

/// A number on its way.
#[derive(Clone, Copy, Debug)]
enum Number {
    Float(f32),
    Integer(i64),
}

/// Converts the elements of `x`, given as bytes, into `y`, likewise. Bytes that are not aligned, or another number of
/// elements, leave `y` as it is.
pub fn run(_isa: Isa, (from, x): (Element, &[u8]), (to, y): (Element, &mut [u8])) {
    let integer = |x: i64| Number::Integer(x);
    match from {
        Element::F32 => typed::<f32>(x, to, y, Number::Float),
        Element::I8 => typed::<i8>(x, to, y, |x| integer(x.into())),
        Element::U8 => typed::<u8>(x, to, y, |x| integer(x.into())),
        Element::I32 => typed::<i32>(x, to, y, |x| integer(x.into())),
        Element::I64 => typed::<i64>(x, to, y, integer),
        Element::Bool => typed::<u8>(x, to, y, |x| integer((x != 0).into())),
    }
}

fn typed<T: Pod>(x: &[u8], to: Element, y: &mut [u8], number: impl Fn(T) -> Number) {
    if let Some(x) = view::<T>(x) {
        portable::run(x, to, y, number);
    }
}

fn same_len<T: Pod>(y: &mut [u8], len: usize) -> Option<&mut [T]> {
    view_mut(y).filter(|y: &&mut [T]| y.len() == len)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    #[repr(align(8))]
    struct Aligned([u8; 64]);

    fn bytes<T: Pod, const N: usize>(values: [T; N]) -> (Aligned, usize) {
        let mut aligned = Aligned([0; 64]);
        let len = size_of_val(&values);
        view_mut::<T>(&mut aligned.0[..len]).unwrap().copy_from_slice(&values);
        (aligned, len)
    }

    fn cast<T: Pod, U: Pod, const N: usize>(from: Element, to: Element, values: [T; N]) -> Vec<U> {
        let (x, len) = bytes(values);
        let mut all = Vec::new();
        for isa in Isa::available() {
            let mut y = Aligned([0xEE; 64]);
            let n = N * to.size() as usize;
            run(isa, (from, &x.0[..len]), (to, &mut y.0[..n]));
            all = view::<U>(&y.0[..n]).unwrap().to_vec();
        }
        all
    }

    #[test]
    fn floats_truncate_and_saturate() {
        let x = [1.9f32, -1.9, 300.0, -300.0, f32::NAN, 1e20, -1e20, 0.5];
        assert_eq!(cast::<_, i8, 8>(Element::F32, Element::I8, x), [1, -1, 127, -128, 0, 127, -128, 0]);
        assert_eq!(cast::<_, u8, 8>(Element::F32, Element::U8, x), [1, 0, 255, 0, 0, 255, 0, 0]);
        let i32s = [1, -1, 300, -300, 0, i32::MAX, i32::MIN, 0];
        assert_eq!(cast::<_, i32, 8>(Element::F32, Element::I32, x), i32s);
        let i64s = [1, -1, 300, -300, 0, i64::MAX, i64::MIN, 0];
        assert_eq!(cast::<_, i64, 8>(Element::F32, Element::I64, x), i64s);
        assert_eq!(cast::<_, u8, 8>(Element::F32, Element::Bool, x), [1; 8]);
        assert_eq!(cast::<_, u8, 2>(Element::F32, Element::Bool, [0.0f32, -0.0]), [0; 2]);
        assert_eq!(cast::<_, u32, 8>(Element::F32, Element::F32, x), x.map(f32::to_bits));
    }

    #[test]
    fn integers_wrap_and_floats_round() {
        let x = [1i64, -1, 255, 256, -129, 1 << 40, i64::MAX, i64::MIN];
        assert_eq!(cast::<_, i8, 8>(Element::I64, Element::I8, x), [1, -1, -1, 0, 127, 0, -1, 0]);
        assert_eq!(cast::<_, u8, 8>(Element::I64, Element::U8, x), [1, 255, 255, 0, 127, 0, 255, 0]);
        assert_eq!(cast::<_, i32, 8>(Element::I64, Element::I32, x), [1, -1, 255, 256, -129, 0, -1, 0]);
        assert_eq!(cast::<_, i64, 8>(Element::I64, Element::I64, x), x);
        assert_eq!(cast::<_, f32, 8>(Element::I64, Element::F32, x), x.map(|x| x as f32));
        assert_eq!(cast::<_, u8, 3>(Element::I64, Element::Bool, [0, 256, -1i64]), [0, 1, 1]);
        assert_eq!(cast::<_, f32, 2>(Element::I32, Element::F32, [16_777_217i32, -3]), [16_777_216.0, -3.0]);
        assert_eq!(cast::<_, i64, 2>(Element::I8, Element::I64, [-128i8, 127]), [-128, 127]);
        assert_eq!(cast::<_, i8, 2>(Element::U8, Element::I8, [200u8, 127]), [-56, 127]);
        assert_eq!(cast::<_, i32, 3>(Element::Bool, Element::I32, [0u8, 1, 255]), [0, 1, 1]);
        assert_eq!(cast::<_, u8, 3>(Element::Bool, Element::Bool, [0u8, 1, 255]), [0, 1, 1]);
    }

    #[test]
    fn other_lengths_leave_the_output() {
        for isa in Isa::available() {
            let mut y = [7; 4];
            run(isa, (Element::I8, &[1; 3]), (Element::U8, &mut y));
            run(isa, (Element::I8, &[1; 4]), (Element::I32, &mut y));
            assert_eq!(y, [7; 4]);
        }
        for (number, &element) in Element::ALL.iter().enumerate() {
            assert_eq!(Element::from_number(number as u32), Some(element));
        }
        assert_eq!(Element::from_number(6), None);
    }
}
