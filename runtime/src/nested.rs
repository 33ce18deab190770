//! Tensors whose shape is their type: arrays of arrays.

/// A number, or an array of tensors: `[[f32; 10]; 1]` is a tensor of shape `[1, 10]`.
///
/// ```
/// use ocellus_runtime::{Nested, flat};
/// let pixels: [[[u8; 2]; 2]; 1] = [[[1, 2], [3, 4]]];
/// assert_eq!(flat(&pixels), [1, 2, 3, 4]);
/// ```
pub trait Nested: Sized {
    /// The number that the tensor is made of.
    type Element;

    /// The elements of tensors that lie side by side, the last axis fastest.
    fn elements(all: &[Self]) -> &[Self::Element];

    /// As [`Nested::elements`], to write.
    fn elements_mut(all: &mut [Self]) -> &mut [Self::Element];
}

macro_rules! numbers {
    ($($number:ty),*) => {$(
        impl Nested for $number {
            type Element = Self;
            fn elements(all: &[Self]) -> &[Self] {
                all
            }
            fn elements_mut(all: &mut [Self]) -> &mut [Self] {
                all
            }
        }
    )*};
}
numbers!(f32, i8, u8, i32, i64);

impl<T: Nested, const N: usize> Nested for [T; N] {
    type Element = T::Element;

    fn elements(all: &[Self]) -> &[T::Element] {
        T::elements(all.as_flattened())
    }

    fn elements_mut(all: &mut [Self]) -> &mut [T::Element] {
        T::elements_mut(all.as_flattened_mut())
    }
}

/// The elements of a tensor.
pub fn flat<T: Nested>(tensor: &T) -> &[T::Element] {
    T::elements(core::slice::from_ref(tensor))
}

/// The elements of a tensor, to write.
pub fn flat_mut<T: Nested>(tensor: &mut T) -> &mut [T::Element] {
    T::elements_mut(core::slice::from_mut(tensor))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_axis_is_the_fastest() {
        let mut tensor = [[[0i8; 3]; 2]; 2];
        for (value, to) in (0..).zip(flat_mut(&mut tensor)) {
            *to = value;
        }
        assert_eq!(tensor, [[[0, 1, 2], [3, 4, 5]], [[6, 7, 8], [9, 10, 11]]]);
        assert_eq!(flat(&4.5f32), [4.5]);
        assert_eq!(flat(&[[0i64; 0]; 3]), []);
    }
}
