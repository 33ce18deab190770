//! `TensorProto` and [`Tensor`].

use half::{bf16, f16};

use super::error::OnnxProblem;
use super::external::External;
use super::proto::TensorProto;
use super::types::{sizes, supported_names, unsupported_name};
use crate::{DataType, Tensor, TensorData};

/// `TensorProto.DataLocation.EXTERNAL`.
const EXTERNAL: i32 = 1;

/// The dense tensor of a message. `label` is what errors call it. Nothing is allocated before the data is known to be
/// as long as the sizes ask for.
pub(super) fn read_tensor(proto: &TensorProto, label: &str, external: &mut External) -> Result<Tensor, OnnxProblem> {
    let code = proto.data_type.unwrap_or(0);
    let dtype = DataType::from_onnx_code(code)
        .ok_or_else(|| OnnxProblem::tensor(label, supported_names(), unsupported_name(code)))?;
    let shape = sizes(&proto.dims).ok_or_else(|| {
        OnnxProblem::tensor(label, "sizes of 0 or more that fit the address space", format!("{:?}", proto.dims))
    })?;
    if proto.segment.is_some() {
        return Err(OnnxProblem::tensor(label, "the whole tensor", "a segment of it"));
    }
    let count: usize = shape.iter().product();
    if proto.data_location == Some(EXTERNAL) {
        if dtype == DataType::String {
            return Err(OnnxProblem::tensor(label, "numbers in external data", "strings"));
        }
        return external.tensor(proto, label, dtype, &shape);
    }
    if let Some(raw) = proto.raw_data.as_ref().filter(|raw| !raw.is_empty()) {
        return Tensor::from_le_bytes(dtype, &shape, raw).ok_or_else(|| {
            let expected = format!("{} bytes for {dtype} {shape:?}", count.saturating_mul(dtype.size()));
            OnnxProblem::tensor(label, expected, format!("{} bytes", raw.len()))
        });
    }
    let data = typed_data(proto, dtype, label)?;
    let found = data.len();
    Tensor::new(&shape, data)
        .map_err(|_| OnnxProblem::tensor(label, format!("{count} elements for {dtype} {shape:?}"), format!("{found}")))
}

/// The elements in the typed field that ONNX assigns to `dtype`.
fn typed_data(proto: &TensorProto, dtype: DataType, label: &str) -> Result<TensorData, OnnxProblem> {
    let misfit = |value: String| OnnxProblem::tensor(label, format!("elements that fit {dtype}"), value);
    macro_rules! narrow {
        ($field:ident, $variant:ident, $type:ty, $make:expr) => {
            TensorData::$variant(
                (proto.$field.iter())
                    .map(|&v| <$type>::try_from(v).map($make).map_err(|_| misfit(v.to_string())))
                    .collect::<Result<_, _>>()?,
            )
        };
    }
    Ok(match dtype {
        DataType::F32 => TensorData::F32(proto.float_data.clone()),
        DataType::F64 => TensorData::F64(proto.double_data.clone()),
        DataType::I32 => TensorData::I32(proto.int32_data.clone()),
        DataType::I64 => TensorData::I64(proto.int64_data.clone()),
        DataType::U64 => TensorData::U64(proto.uint64_data.clone()),
        DataType::U32 => narrow!(uint64_data, U32, u32, |v| v),
        DataType::I8 => narrow!(int32_data, I8, i8, |v| v),
        DataType::U8 => narrow!(int32_data, U8, u8, |v| v),
        DataType::I16 => narrow!(int32_data, I16, i16, |v| v),
        DataType::U16 => narrow!(int32_data, U16, u16, |v| v),
        DataType::F16 => narrow!(int32_data, F16, u16, f16::from_bits),
        DataType::BF16 => narrow!(int32_data, BF16, u16, bf16::from_bits),
        DataType::Bool => TensorData::Bool(proto.int32_data.iter().map(|&v| v != 0).collect()),
        DataType::String => TensorData::String(
            (proto.string_data.iter())
                .map(|s| String::from_utf8(s.to_vec()).map_err(|_| misfit("bytes that are not UTF-8".to_owned())))
                .collect::<Result<_, _>>()?,
        ),
    })
}

/// The message of a tensor: numbers as `raw_data`, strings as `string_data`.
pub(super) fn write_tensor(name: &str, tensor: &Tensor) -> TensorProto {
    let mut proto = TensorProto {
        dims: tensor.shape().iter().map(|&d| d as i64).collect(),
        data_type: Some(tensor.dtype().onnx_code()),
        name: (!name.is_empty()).then(|| name.to_owned()),
        ..TensorProto::default()
    };
    match tensor.data() {
        TensorData::String(values) => {
            proto.string_data = values.iter().map(|s| s.clone().into_bytes().into()).collect();
        }
        _ => proto.raw_data = tensor.to_le_bytes().map(Into::into),
    }
    proto
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(proto: &TensorProto) -> Result<Tensor, String> {
        read_tensor(proto, "w", &mut External::new(None)).map_err(|e| e.to_string())
    }

    fn typed(code: i32, dims: &[i64]) -> TensorProto {
        TensorProto { data_type: Some(code), dims: dims.to_vec(), ..TensorProto::default() }
    }

    #[test]
    fn raw_data_round_trips_in_every_type() {
        for code in [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 16] {
            let dtype = DataType::from_onnx_code(code).unwrap();
            for shape in [&[2, 3][..], &[6], &[1, 6, 1]] {
                let tensor = Tensor::from_f64(dtype, shape, &[0.0, 1.0, 2.0, 3.0, 100.0, 7.0]);
                assert_eq!(read(&write_tensor("w", &tensor)), Ok(tensor), "{dtype}");
            }
            let empty = Tensor::from_f64(dtype, &[0, 3], &[]);
            assert_eq!(read(&write_tensor("w", &empty)), Ok(empty), "{dtype} without elements");
            let scalar = Tensor::from_f64(dtype, &[], &[1.0]);
            assert_eq!(read(&write_tensor("w", &scalar)), Ok(scalar), "{dtype} scalar");
        }
    }

    #[test]
    fn typed_fields_are_read() {
        let floats = TensorProto { float_data: vec![1.5, f32::INFINITY], ..typed(1, &[2]) };
        assert_eq!(read(&floats), Ok(Tensor::vector(&[1.5f32, f32::INFINITY])));
        let doubles = TensorProto { double_data: vec![1.5], ..typed(11, &[]) };
        assert_eq!(read(&doubles), Ok(Tensor::scalar(1.5f64)));
        let longs = TensorProto { int64_data: vec![i64::MIN], ..typed(7, &[1]) };
        assert_eq!(read(&longs), Ok(Tensor::vector(&[i64::MIN])));
        let unsigned = TensorProto { uint64_data: vec![u64::from(u32::MAX)], ..typed(12, &[1]) };
        assert_eq!(read(&unsigned), Ok(Tensor::vector(&[u32::MAX])));
        let unsigned = TensorProto { uint64_data: vec![u64::MAX], ..typed(13, &[1]) };
        assert_eq!(read(&unsigned), Ok(Tensor::vector(&[u64::MAX])));
        let text = TensorProto { string_data: vec!["é".into()], ..typed(8, &[1]) };
        assert_eq!(read(&text), Ok(Tensor::new(&[1], TensorData::String(vec!["é".into()])).unwrap()));
        let small = |code, v: i32| TensorProto { int32_data: vec![v], ..typed(code, &[1]) };
        assert_eq!(read(&small(6, -7)), Ok(Tensor::vector(&[-7i32])));
        assert_eq!(read(&small(3, -128)), Ok(Tensor::vector(&[-128i8])));
        assert_eq!(read(&small(2, 255)), Ok(Tensor::vector(&[255u8])));
        assert_eq!(read(&small(5, -9)), Ok(Tensor::vector(&[-9i16])));
        assert_eq!(read(&small(4, 65535)), Ok(Tensor::vector(&[65535u16])));
        assert_eq!(read(&small(9, 1)), Ok(Tensor::vector(&[true])));
        assert_eq!(read(&small(10, 0x3E00)), Ok(Tensor::vector(&[f16::from_f32(1.5)])));
        assert_eq!(read(&small(16, 0x3FC0)), Ok(Tensor::vector(&[bf16::from_f32(1.5)])));
    }

    #[test]
    fn nan_payloads_survive() {
        let tensor = Tensor::vector(&[f32::from_bits(0x7FC0_1234), -0.0]);
        let found = read(&write_tensor("w", &tensor)).unwrap();
        let bits: Vec<u32> = found.view::<f32>().unwrap().iter().map(|v| v.to_bits()).collect();
        assert_eq!(bits, [0x7FC0_1234, 0x8000_0000]);
    }

    #[test]
    fn malformed_tensors_are_refused_with_name_expected_and_found() {
        let raw = |code, dims: &[i64], n: usize| TensorProto { raw_data: Some(vec![0; n].into()), ..typed(code, dims) };
        let cases = [
            ("short", raw(1, &[2], 7), "expected 8 bytes for f32 [2], found 7 bytes"),
            ("long", raw(1, &[2], 9), "found 9 bytes"),
            ("raw strings", raw(8, &[1], 4), "found 4 bytes"),
            ("no data", typed(1, &[1_000_000_000]), "expected 1000000000 elements for f32 [1000000000], found 0"),
            ("negative", raw(1, &[-2, -2], 16), "[-2, -2]"),
            ("overflow", raw(1, &[1 << 62, 1 << 62], 16), "address space"),
            ("no type", raw(0, &[2], 8), "element type number 0"),
            ("unknown type", raw(77, &[2], 8), "element type number 77"),
            ("float8", raw(17, &[2], 2), "float8e4m3fn"),
            ("int4", raw(22, &[2], 1), "int4"),
            ("complex", raw(14, &[1], 8), "complex64"),
            ("too big for i8", TensorProto { int32_data: vec![128], ..typed(3, &[1]) }, "fit i8, found 128"),
            ("negative u8", TensorProto { int32_data: vec![-1], ..typed(2, &[1]) }, "fit u8, found -1"),
            ("f16 bits", TensorProto { int32_data: vec![65536], ..typed(10, &[1]) }, "fit f16"),
            ("not UTF-8", TensorProto { string_data: vec![vec![0xFF].into()], ..typed(8, &[1]) }, "UTF-8"),
            ("wrong field", TensorProto { int32_data: vec![1], ..typed(1, &[1]) }, "found 0"),
            ("segment", TensorProto { segment: Some(super::super::proto::Opaque {}), ..raw(1, &[1], 4) }, "segment"),
        ];
        for (name, proto, text) in cases {
            let message = read(&proto).expect_err(name);
            assert!(message.starts_with("tensor \"w\": ") && message.contains(text), "{name}: {message}");
        }
    }
}
