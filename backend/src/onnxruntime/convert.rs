//! Tensors between our form and ONNX Runtime's.

use ocellus_graph::{DataType, Tensor, TensorData};
use ort::value::{DynTensor, DynValue, Tensor as OrtTensor};
use ort::value::{PrimitiveTensorElementType, TensorElementType};

/// The engine's name of an element type.
pub(super) fn element_type(dtype: DataType) -> TensorElementType {
    match dtype {
        DataType::F32 => TensorElementType::Float32,
        DataType::F64 => TensorElementType::Float64,
        DataType::F16 => TensorElementType::Float16,
        DataType::BF16 => TensorElementType::Bfloat16,
        DataType::I8 => TensorElementType::Int8,
        DataType::U8 => TensorElementType::Uint8,
        DataType::I16 => TensorElementType::Int16,
        DataType::U16 => TensorElementType::Uint16,
        DataType::I32 => TensorElementType::Int32,
        DataType::U32 => TensorElementType::Uint32,
        DataType::I64 => TensorElementType::Int64,
        DataType::U64 => TensorElementType::Uint64,
        DataType::Bool => TensorElementType::Bool,
        DataType::String => TensorElementType::String,
    }
}

/// A copy of a tensor in the engine's own memory on the processor.
pub(super) fn to_engine(tensor: &Tensor) -> ort::Result<DynTensor> {
    let shape = tensor.shape();
    macro_rules! copy {
        ($values:expr) => {
            OrtTensor::from_array((shape, $values.clone()))?.upcast()
        };
    }
    Ok(match tensor.data() {
        TensorData::F32(v) => copy!(v),
        TensorData::F64(v) => copy!(v),
        TensorData::F16(v) => copy!(v),
        TensorData::BF16(v) => copy!(v),
        TensorData::I8(v) => copy!(v),
        TensorData::U8(v) => copy!(v),
        TensorData::I16(v) => copy!(v),
        TensorData::U16(v) => copy!(v),
        TensorData::I32(v) => copy!(v),
        TensorData::U32(v) => copy!(v),
        TensorData::I64(v) => copy!(v),
        TensorData::U64(v) => copy!(v),
        TensorData::Bool(v) => copy!(v),
        TensorData::String(_) => return Err(ort::Error::new("tensors of strings are not supported")),
    })
}

/// A copy of a value that lies on the processor.
pub(super) fn from_engine(dtype: DataType, value: &DynValue) -> ort::Result<Tensor> {
    match dtype {
        DataType::F32 => copy_out::<f32>(value),
        DataType::F64 => copy_out::<f64>(value),
        DataType::F16 => copy_out::<ocellus_graph::f16>(value),
        DataType::BF16 => copy_out::<ocellus_graph::bf16>(value),
        DataType::I8 => copy_out::<i8>(value),
        DataType::U8 => copy_out::<u8>(value),
        DataType::I16 => copy_out::<i16>(value),
        DataType::U16 => copy_out::<u16>(value),
        DataType::I32 => copy_out::<i32>(value),
        DataType::U32 => copy_out::<u32>(value),
        DataType::I64 => copy_out::<i64>(value),
        DataType::U64 => copy_out::<u64>(value),
        DataType::Bool => copy_out::<bool>(value),
        DataType::String => Err(ort::Error::new("tensors of strings are not supported")),
    }
}

fn copy_out<T: PrimitiveTensorElementType + ocellus_graph::Element>(value: &DynValue) -> ort::Result<Tensor> {
    let (shape, values) = value.try_extract_tensor::<T>()?;
    let shape: Vec<usize> = shape.iter().map(|&d| d.max(0) as usize).collect();
    Ok(Tensor::of(&shape, values.to_vec()))
}
