//! Typed views of bytes. Audited unsafe: a byte slice is seen as numbers, for which every bit pattern is a value.
#![allow(unsafe_code)]

use crate::half::{Bf16, F16};

mod sealed {
    pub trait Sealed {}
}

/// Numbers for which every bit pattern is a value and that hold no padding.
pub trait Pod: sealed::Sealed + Copy + 'static {}

macro_rules! pod {
    ($($type:ty),*) => { $(impl sealed::Sealed for $type {} impl Pod for $type {})* };
}

pod!(i8, u8, i16, i32, u32, i64, u64, f32, F16, Bf16);

/// The bytes as values of `T`, little-endian machines only; `None` where address or length do not fit.
pub fn view<T: Pod>(bytes: &[u8]) -> Option<&[T]> {
    // SAFETY: `Pod` is sealed to plain numbers, for which any initialised bytes are valid.
    let (head, body, tail) = unsafe { bytes.align_to::<T>() };
    (head.is_empty() && tail.is_empty()).then_some(body)
}

/// The bytes as values of `T`, for writing.
pub fn view_mut<T: Pod>(bytes: &mut [u8]) -> Option<&mut [T]> {
    // SAFETY: as in `view`; and any value of `T` leaves the bytes initialised.
    let (head, body, tail) = unsafe { bytes.align_to_mut::<T>() };
    (head.is_empty() && tail.is_empty()).then_some(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn views_need_alignment_and_whole_elements() {
        #[repr(align(8))]
        struct Aligned([u8; 16]);
        let mut a = Aligned([0; 16]);
        assert_eq!(view::<i32>(&a.0).map(<[i32]>::len), Some(4));
        assert!(view::<i32>(&a.0[1..5]).is_none());
        assert!(view::<i32>(&a.0[..5]).is_none());
        view_mut::<f32>(&mut a.0).unwrap()[0] = 1.0;
        assert_eq!(a.0[3], 0x3F);
        assert_eq!(view::<i64>(&[]).map(<[i64]>::len), Some(0));
    }
}
