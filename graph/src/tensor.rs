//! Dense tensors.

use std::sync::Arc;

use half::{bf16, f16};

use crate::DataType;

/// The elements of a tensor, row-major.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)] // one variant per `DataType`, described there
pub enum TensorData {
    F32(Vec<f32>),
    F64(Vec<f64>),
    F16(Vec<f16>),
    BF16(Vec<bf16>),
    I8(Vec<i8>),
    U8(Vec<u8>),
    I16(Vec<i16>),
    U16(Vec<u16>),
    I32(Vec<i32>),
    U32(Vec<u32>),
    I64(Vec<i64>),
    U64(Vec<u64>),
    Bool(Vec<bool>),
    String(Vec<String>),
}

/// Runs an expression with `$v` bound to the vector of any numeric or boolean variant; `$s` for strings.
macro_rules! each {
    ($data:expr, $v:ident => $e:expr, $s:ident => $text:expr) => {
        match $data {
            TensorData::F32($v) => $e,
            TensorData::F64($v) => $e,
            TensorData::F16($v) => $e,
            TensorData::BF16($v) => $e,
            TensorData::I8($v) => $e,
            TensorData::U8($v) => $e,
            TensorData::I16($v) => $e,
            TensorData::U16($v) => $e,
            TensorData::I32($v) => $e,
            TensorData::U32($v) => $e,
            TensorData::I64($v) => $e,
            TensorData::U64($v) => $e,
            TensorData::Bool($v) => $e,
            TensorData::String($s) => $text,
        }
    };
}

/// The sizes and the data of a tensor do not belong together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TensorError {
    /// The product of the sizes is not the number of elements.
    #[error("shape {shape:?} holds {expected} elements, the data {found}")]
    Length {
        /// The shape asked for.
        shape: Vec<usize>,
        /// Elements that the shape holds.
        expected: usize,
        /// Elements that were given.
        found: usize,
    },
    /// The product of the sizes does not fit the address space.
    #[error("shape {0:?} is larger than the address space")]
    TooLarge(Vec<usize>),
}

/// A dense array in row-major order. Clones share the elements until one of them is changed.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    shape: Vec<usize>,
    data: Arc<TensorData>,
}

impl TensorData {
    /// The number of elements.
    pub fn len(&self) -> usize {
        each!(self, v => v.len(), s => s.len())
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The element type.
    pub fn dtype(&self) -> DataType {
        match self {
            Self::F32(_) => DataType::F32,
            Self::F64(_) => DataType::F64,
            Self::F16(_) => DataType::F16,
            Self::BF16(_) => DataType::BF16,
            Self::I8(_) => DataType::I8,
            Self::U8(_) => DataType::U8,
            Self::I16(_) => DataType::I16,
            Self::U16(_) => DataType::U16,
            Self::I32(_) => DataType::I32,
            Self::U32(_) => DataType::U32,
            Self::I64(_) => DataType::I64,
            Self::U64(_) => DataType::U64,
            Self::Bool(_) => DataType::Bool,
            Self::String(_) => DataType::String,
        }
    }

    /// Elements of `dtype`, each rounded once from an f64 (floats to nearest even; integers truncate and saturate).
    /// Strings become decimal text.
    pub fn from_f64(dtype: DataType, values: &[f64]) -> Self {
        match dtype {
            DataType::F32 => Self::F32(values.iter().map(|&v| v as f32).collect()),
            DataType::F64 => Self::F64(values.to_vec()),
            DataType::F16 => Self::F16(values.iter().map(|&v| f16::from_f64(v)).collect()),
            DataType::BF16 => Self::BF16(values.iter().map(|&v| bf16::from_f64(v)).collect()),
            DataType::I8 => Self::I8(values.iter().map(|&v| v as i8).collect()),
            DataType::U8 => Self::U8(values.iter().map(|&v| v as u8).collect()),
            DataType::I16 => Self::I16(values.iter().map(|&v| v as i16).collect()),
            DataType::U16 => Self::U16(values.iter().map(|&v| v as u16).collect()),
            DataType::I32 => Self::I32(values.iter().map(|&v| v as i32).collect()),
            DataType::U32 => Self::U32(values.iter().map(|&v| v as u32).collect()),
            DataType::I64 => Self::I64(values.iter().map(|&v| v as i64).collect()),
            DataType::U64 => Self::U64(values.iter().map(|&v| v as u64).collect()),
            DataType::Bool => Self::Bool(values.iter().map(|&v| v != 0.0).collect()),
            DataType::String => Self::String(values.iter().map(f64::to_string).collect()),
        }
    }

    /// Elements of `dtype` from i64, wrapping where the type is narrower.
    pub fn from_i64(dtype: DataType, values: &[i64]) -> Self {
        match dtype {
            DataType::I8 => Self::I8(values.iter().map(|&v| v as i8).collect()),
            DataType::U8 => Self::U8(values.iter().map(|&v| v as u8).collect()),
            DataType::I16 => Self::I16(values.iter().map(|&v| v as i16).collect()),
            DataType::U16 => Self::U16(values.iter().map(|&v| v as u16).collect()),
            DataType::I32 => Self::I32(values.iter().map(|&v| v as i32).collect()),
            DataType::U32 => Self::U32(values.iter().map(|&v| v as u32).collect()),
            DataType::I64 => Self::I64(values.to_vec()),
            DataType::U64 => Self::U64(values.iter().map(|&v| v as u64).collect()),
            DataType::Bool => Self::Bool(values.iter().map(|&v| v != 0).collect()),
            DataType::String => Self::String(values.iter().map(i64::to_string).collect()),
            _ => Self::from_f64(dtype, &values.iter().map(|&v| v as f64).collect::<Vec<_>>()),
        }
    }
}

/// A type that a tensor can hold, for the typed views [`Tensor::view`] and [`Tensor::of`].
pub trait Element: Copy + Sized + 'static {
    /// The element type's name in the model.
    const DTYPE: DataType;
    /// The slice, where the data is of this type.
    fn slice(data: &TensorData) -> Option<&[Self]>;
    /// The slice for writing, where the data is of this type.
    fn slice_mut(data: &mut TensorData) -> Option<&mut [Self]>;
    /// The data of a vector.
    fn wrap(values: Vec<Self>) -> TensorData;
}

macro_rules! element {
    ($($type:ty => $variant:ident),*) => {
        $(impl Element for $type {
            const DTYPE: DataType = DataType::$variant;
            fn slice(data: &TensorData) -> Option<&[Self]> {
                match data { TensorData::$variant(v) => Some(v), _ => None }
            }
            fn slice_mut(data: &mut TensorData) -> Option<&mut [Self]> {
                match data { TensorData::$variant(v) => Some(v), _ => None }
            }
            fn wrap(values: Vec<Self>) -> TensorData {
                TensorData::$variant(values)
            }
        })*
    };
}

element!(f32 => F32, f64 => F64, f16 => F16, bf16 => BF16, i8 => I8, u8 => U8, i16 => I16, u16 => U16,
         i32 => I32, u32 => U32, i64 => I64, u64 => U64, bool => Bool);

impl Tensor {
    /// A tensor of this shape and data.
    pub fn new(shape: &[usize], data: TensorData) -> Result<Self, TensorError> {
        let expected = shape
            .iter()
            .try_fold(1usize, |n, &d| n.checked_mul(d))
            .ok_or_else(|| TensorError::TooLarge(shape.to_vec()))?;
        if expected != data.len() {
            return Err(TensorError::Length { shape: shape.to_vec(), expected, found: data.len() });
        }
        Ok(Self { shape: shape.to_vec(), data: Arc::new(data) })
    }

    /// A tensor of typed values.
    ///
    /// # Panics
    /// Where the shape does not hold exactly these values: a mistake of the program, not of its input.
    pub fn of<T: Element>(shape: &[usize], values: Vec<T>) -> Self {
        Self::new(shape, T::wrap(values)).expect("shape and values given together")
    }

    /// A tensor of rank 0.
    pub fn scalar<T: Element>(value: T) -> Self {
        Self::of(&[], vec![value])
    }

    /// A tensor of rank 1.
    pub fn vector<T: Element>(values: &[T]) -> Self {
        Self::of(&[values.len()], values.to_vec())
    }

    /// A tensor of one value repeated, of type `dtype`, rounded from f64.
    pub fn full(dtype: DataType, shape: &[usize], value: f64) -> Self {
        Self::from_f64(dtype, shape, &vec![value; shape.iter().product()])
    }

    /// A tensor rounded once from f64 (see [`TensorData::from_f64`]).
    ///
    /// # Panics
    /// As [`Tensor::of`].
    pub fn from_f64(dtype: DataType, shape: &[usize], values: &[f64]) -> Self {
        Self::new(shape, TensorData::from_f64(dtype, values)).expect("shape and values given together")
    }

    /// A tensor of integers, wrapping (see [`TensorData::from_i64`]).
    ///
    /// # Panics
    /// As [`Tensor::of`].
    pub fn from_i64(dtype: DataType, shape: &[usize], values: &[i64]) -> Self {
        Self::new(shape, TensorData::from_i64(dtype, values)).expect("shape and values given together")
    }

    /// The sizes, outermost first; empty for a scalar.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The number of dimensions.
    pub fn rank(&self) -> usize {
        self.shape.len()
    }

    /// The number of elements.
    pub fn len(&self) -> usize {
        self.data.len()
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The element type.
    pub fn dtype(&self) -> DataType {
        self.data.dtype()
    }

    /// The elements.
    pub fn data(&self) -> &TensorData {
        &self.data
    }

    /// The elements for writing; copied first where another tensor shares them.
    pub fn data_mut(&mut self) -> &mut TensorData {
        Arc::make_mut(&mut self.data)
    }

    /// The elements as a slice of `T`, where that is their type.
    pub fn view<T: Element>(&self) -> Option<&[T]> {
        T::slice(&self.data)
    }

    /// The elements as a mutable slice of `T`, where that is their type.
    pub fn view_mut<T: Element>(&mut self) -> Option<&mut [T]> {
        T::slice_mut(self.data_mut())
    }

    /// The same elements under another shape.
    pub fn reshaped(&self, shape: &[usize]) -> Result<Self, TensorError> {
        let expected = shape
            .iter()
            .try_fold(1usize, |n, &d| n.checked_mul(d))
            .ok_or_else(|| TensorError::TooLarge(shape.to_vec()))?;
        if expected != self.len() {
            return Err(TensorError::Length { shape: shape.to_vec(), expected, found: self.len() });
        }
        Ok(Self { shape: shape.to_vec(), data: Arc::clone(&self.data) })
    }

    /// Every element as f64 (exact but for integers beyond 2^53); strings are parsed, or NaN.
    pub fn to_f64(&self) -> Vec<f64> {
        match &*self.data {
            TensorData::F32(v) => v.iter().map(|&x| x.into()).collect(),
            TensorData::F64(v) => v.clone(),
            TensorData::F16(v) => v.iter().map(|x| x.to_f64()).collect(),
            TensorData::BF16(v) => v.iter().map(|x| x.to_f64()).collect(),
            TensorData::I8(v) => v.iter().map(|&x| x.into()).collect(),
            TensorData::U8(v) => v.iter().map(|&x| x.into()).collect(),
            TensorData::I16(v) => v.iter().map(|&x| x.into()).collect(),
            TensorData::U16(v) => v.iter().map(|&x| x.into()).collect(),
            TensorData::I32(v) => v.iter().map(|&x| x.into()).collect(),
            TensorData::U32(v) => v.iter().map(|&x| x.into()).collect(),
            TensorData::I64(v) => v.iter().map(|&x| x as f64).collect(),
            TensorData::U64(v) => v.iter().map(|&x| x as f64).collect(),
            TensorData::Bool(v) => v.iter().map(|&x| f64::from(u8::from(x))).collect(),
            TensorData::String(v) => v.iter().map(|s| s.trim().parse().unwrap_or(f64::NAN)).collect(),
        }
    }

    /// Every element as f32, rounded once.
    pub fn to_f32(&self) -> Vec<f32> {
        match &*self.data {
            TensorData::F32(v) => v.clone(),
            _ => self.to_f64().into_iter().map(|v| v as f32).collect(),
        }
    }

    /// Every element as i64; floats truncate and saturate, u64 wraps.
    pub fn to_i64(&self) -> Vec<i64> {
        match &*self.data {
            TensorData::I64(v) => v.clone(),
            TensorData::U64(v) => v.iter().map(|&x| x as i64).collect(),
            _ => self.to_f64().into_iter().map(|v| v as i64).collect(),
        }
    }

    /// This tensor with its elements converted to `dtype`.
    pub fn cast(&self, dtype: DataType) -> Self {
        if dtype == self.dtype() {
            return self.clone();
        }
        let data = if self.dtype().is_integer() && dtype.is_integer() {
            TensorData::from_i64(dtype, &self.to_i64())
        } else {
            TensorData::from_f64(dtype, &self.to_f64())
        };
        Self { shape: self.shape.clone(), data: Arc::new(data) }
    }

    /// The elements as little-endian bytes (ONNX `raw_data`); `None` for strings.
    pub fn to_le_bytes(&self) -> Option<Vec<u8>> {
        Some(match &*self.data {
            TensorData::Bool(v) => v.iter().map(|&x| u8::from(x)).collect(),
            TensorData::String(_) => return None,
            TensorData::F32(v) => v.iter().flat_map(|x| x.to_le_bytes()).collect(),
            TensorData::F64(v) => v.iter().flat_map(|x| x.to_le_bytes()).collect(),
            TensorData::F16(v) => v.iter().flat_map(|x| x.to_le_bytes()).collect(),
            TensorData::BF16(v) => v.iter().flat_map(|x| x.to_le_bytes()).collect(),
            TensorData::I8(v) => v.iter().flat_map(|x| x.to_le_bytes()).collect(),
            TensorData::U8(v) => v.clone(),
            TensorData::I16(v) => v.iter().flat_map(|x| x.to_le_bytes()).collect(),
            TensorData::U16(v) => v.iter().flat_map(|x| x.to_le_bytes()).collect(),
            TensorData::I32(v) => v.iter().flat_map(|x| x.to_le_bytes()).collect(),
            TensorData::U32(v) => v.iter().flat_map(|x| x.to_le_bytes()).collect(),
            TensorData::I64(v) => v.iter().flat_map(|x| x.to_le_bytes()).collect(),
            TensorData::U64(v) => v.iter().flat_map(|x| x.to_le_bytes()).collect(),
        })
    }

    /// A tensor from little-endian bytes; `None` where the length is not that of the shape, or for strings.
    pub fn from_le_bytes(dtype: DataType, shape: &[usize], bytes: &[u8]) -> Option<Self> {
        let count = shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d))?;
        if dtype.size() == 0 || bytes.len() != count.checked_mul(dtype.size())? {
            return None;
        }
        macro_rules! read {
            ($type:ty) => {
                <$type as Element>::wrap(
                    bytes.as_chunks().0.iter().map(|c| <$type>::from_le_bytes(*c)).collect::<Vec<$type>>(),
                )
            };
        }
        let data = match dtype {
            DataType::F32 => read!(f32),
            DataType::F64 => read!(f64),
            DataType::F16 => read!(f16),
            DataType::BF16 => read!(bf16),
            DataType::I8 => read!(i8),
            DataType::U8 => TensorData::U8(bytes.to_vec()),
            DataType::I16 => read!(i16),
            DataType::U16 => read!(u16),
            DataType::I32 => read!(i32),
            DataType::U32 => read!(u32),
            DataType::I64 => read!(i64),
            DataType::U64 => read!(u64),
            DataType::Bool => TensorData::Bool(bytes.iter().map(|&b| b != 0).collect()),
            DataType::String => return None,
        };
        Self::new(shape, data).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_round_trip_in_every_type() {
        for dtype in [
            DataType::F32,
            DataType::F64,
            DataType::F16,
            DataType::BF16,
            DataType::I8,
            DataType::U8,
            DataType::I16,
            DataType::U16,
            DataType::I32,
            DataType::U32,
            DataType::I64,
            DataType::U64,
            DataType::Bool,
        ] {
            let tensor = Tensor::from_f64(dtype, &[2, 3], &[0.0, 1.0, 2.0, 3.0, 100.0, 7.0]);
            let bytes = tensor.to_le_bytes().unwrap();
            assert_eq!(bytes.len(), 6 * dtype.size(), "{dtype}");
            assert_eq!(Tensor::from_le_bytes(dtype, &[2, 3], &bytes), Some(tensor), "{dtype}");
            assert_eq!(Tensor::from_le_bytes(dtype, &[2, 4], &bytes), None, "{dtype}");
        }
    }

    #[test]
    fn a_shape_that_does_not_fit_is_refused() {
        assert!(Tensor::new(&[2, 2], TensorData::U8(vec![0; 3])).is_err());
        assert!(Tensor::new(&[usize::MAX, 2], TensorData::U8(vec![])).is_err());
        assert!(Tensor::scalar(1.0f32).reshaped(&[2]).is_err());
    }

    #[test]
    fn casts_saturate_floats_and_wrap_integers() {
        assert_eq!(Tensor::vector(&[300.0f32, -5.5]).cast(DataType::U8), Tensor::vector(&[255u8, 0]));
        assert_eq!(Tensor::vector(&[300i32, -1]).cast(DataType::U8), Tensor::vector(&[44u8, 255]));
    }
}
