//! Element types and declared types of values.

use super::error::OnnxProblem;
use super::proto::{Dimension, TensorShapeProto, TensorTypeProto, TypeProto, ValueInfoProto};
use crate::{DataType, Dim, Shape, Value};

/// The most elements that a shape may have: every byte of it can be counted by a signed size.
const MOST_ELEMENTS: usize = isize::MAX as usize / 16;

/// Names of the types of `TensorProto.DataType` that have no [`DataType`], for messages.
const UNSUPPORTED: [(i32, &str); 12] = [
    (14, "complex64"),
    (15, "complex128"),
    (17, "float8e4m3fn"),
    (18, "float8e4m3fnuz"),
    (19, "float8e5m2"),
    (20, "float8e5m2fnuz"),
    (21, "uint4"),
    (22, "int4"),
    (23, "float4e2m1"),
    (24, "float8e8m0"),
    (25, "uint2"),
    (26, "int2"),
];

/// The types that are supported, with their numbers in `TensorProto.DataType`.
const SUPPORTED: [(i32, DataType); 14] = [
    (1, DataType::F32),
    (2, DataType::U8),
    (3, DataType::I8),
    (4, DataType::U16),
    (5, DataType::I16),
    (6, DataType::I32),
    (7, DataType::I64),
    (8, DataType::String),
    (9, DataType::Bool),
    (10, DataType::F16),
    (11, DataType::F64),
    (12, DataType::U32),
    (13, DataType::U64),
    (16, DataType::BF16),
];

impl DataType {
    /// The number of this type in ONNX's `TensorProto.DataType`, as attributes such as `Cast`'s `to` give it.
    pub fn onnx_code(self) -> i32 {
        SUPPORTED.iter().find(|(_, t)| *t == self).map_or(0, |(code, _)| *code)
    }

    /// The type of this number in ONNX's `TensorProto.DataType`; `None` where it is not supported.
    pub fn from_onnx_code(code: i32) -> Option<Self> {
        SUPPORTED.iter().find(|(c, _)| *c == code).map(|(_, t)| *t)
    }
}

/// The name of a type that is not supported.
pub(super) fn unsupported_name(code: i32) -> String {
    let known = UNSUPPORTED.iter().find(|(c, _)| *c == code);
    known.map_or_else(|| format!("element type number {code}"), |(_, name)| format!("element type {name}"))
}

/// What to expect of an element type, for messages.
pub(super) fn supported_names() -> String {
    let names: Vec<_> = SUPPORTED.iter().map(|(_, t)| t.name()).collect();
    format!("one of the supported element types {}", names.join(", "))
}

/// Sizes from the file: none negative, and no more elements than can be addressed (sizes of 0 counted as 1, since the
/// strides of an empty tensor have to fit too).
pub(super) fn sizes(dims: &[i64]) -> Option<Vec<usize>> {
    let sizes = dims.iter().map(|&d| usize::try_from(d).ok()).collect::<Option<Vec<_>>>()?;
    fits(sizes.iter().copied()).then_some(sizes)
}

fn fits(mut sizes: impl Iterator<Item = usize>) -> bool {
    sizes.try_fold(1usize, |n, d| n.checked_mul(d.max(1))).is_some_and(|n| n <= MOST_ELEMENTS)
}

/// The name, element type and shape that a `ValueInfoProto` declares.
pub(super) fn read_value(proto: ValueInfoProto) -> Result<Value, OnnxProblem> {
    let name = proto.name.unwrap_or_default();
    let Some(declared) = proto.r#type else { return Ok(Value { name, dtype: None, shape: None }) };
    let other = [
        ("a sequence", declared.sequence_type.is_some()),
        ("a map", declared.map_type.is_some()),
        ("a sparse tensor", declared.sparse_tensor_type.is_some()),
        ("an optional", declared.optional_type.is_some()),
    ];
    if let Some((kind, _)) = other.iter().find(|(_, present)| *present) {
        return Err(OnnxProblem::value(&name, "a dense tensor", *kind));
    }
    let Some(tensor) = declared.tensor_type else { return Ok(Value { name, dtype: None, shape: None }) };
    let dtype = match tensor.elem_type.unwrap_or(0) {
        0 => None,
        code => Some(
            DataType::from_onnx_code(code)
                .ok_or_else(|| OnnxProblem::value(&name, supported_names(), unsupported_name(code)))?,
        ),
    };
    let shape = tensor.shape.map(|s| read_shape(&name, s)).transpose()?;
    Ok(Value { name, dtype, shape })
}

fn read_shape(name: &str, proto: TensorShapeProto) -> Result<Shape, OnnxProblem> {
    let mut dims = Vec::with_capacity(proto.dim.len());
    for (axis, dim) in proto.dim.into_iter().enumerate() {
        dims.push(match (dim.dim_value, dim.dim_param) {
            // Some exporters write -1 where they mean a size that is not known.
            (Some(-1), _) => Dim::Unknown,
            (Some(n), _) => Dim::Known(
                usize::try_from(n)
                    .map_err(|_| OnnxProblem::value(name, "sizes of 0 or more", format!("{n} at axis {axis}")))?,
            ),
            (None, Some(symbol)) if !symbol.is_empty() => Dim::Symbol(symbol),
            _ => Dim::Unknown,
        });
    }
    let shape = Shape(dims);
    if !fits(shape.iter().filter_map(Dim::known)) {
        return Err(OnnxProblem::value(name, "a shape that fits the address space", shape.to_string()));
    }
    Ok(shape)
}

/// The declaration of a value.
pub(super) fn write_value(value: &Value) -> ValueInfoProto {
    let dim = |d: &Dim| match d {
        Dim::Known(n) => Dimension { dim_value: i64::try_from(*n).ok(), dim_param: None },
        Dim::Symbol(s) => Dimension { dim_value: None, dim_param: Some(s.clone()) },
        Dim::Unknown => Dimension::default(),
    };
    let tensor_type = (value.dtype.is_some() || value.shape.is_some()).then(|| TensorTypeProto {
        elem_type: Some(value.dtype.map_or(0, DataType::onnx_code)),
        shape: value.shape.as_ref().map(|s| TensorShapeProto { dim: s.iter().map(dim).collect() }),
    });
    ValueInfoProto {
        name: Some(value.name.clone()),
        r#type: tensor_type.map(|t| TypeProto { tensor_type: Some(t), ..TypeProto::default() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_has_its_own_number() {
        for (code, dtype) in SUPPORTED {
            assert_eq!((dtype.onnx_code(), DataType::from_onnx_code(code)), (code, Some(dtype)));
        }
        assert_eq!(DataType::from_onnx_code(0), None);
        assert_eq!(unsupported_name(22), "element type int4");
        assert_eq!(unsupported_name(99), "element type number 99");
    }

    #[test]
    fn sizes_are_refused_where_they_cannot_be_counted() {
        assert_eq!(sizes(&[2, 0, 3]), Some(vec![2, 0, 3]));
        assert_eq!(sizes(&[]), Some(vec![]));
        assert_eq!(sizes(&[2, -1]), None);
        assert_eq!(sizes(&[1 << 40, 1 << 40]), None);
        assert_eq!(sizes(&[0, 1 << 62, 4]), None);
    }

    #[test]
    fn declarations_round_trip() {
        for shape in [None, Some(vec![]), Some(vec![Dim::Known(3), Dim::Symbol("n".into()), Dim::Unknown])] {
            for dtype in [None, Some(DataType::BF16)] {
                let value = Value { name: "v".into(), dtype, shape: shape.clone().map(Shape) };
                assert_eq!(read_value(write_value(&value)).unwrap(), value);
            }
        }
    }

    #[test]
    fn declarations_that_are_not_dense_tensors_are_refused_by_name() {
        let with = |r#type| ValueInfoProto { name: Some("v".into()), r#type: Some(r#type) };
        let sequence = TypeProto { sequence_type: Some(Opaque {}), ..TypeProto::default() };
        assert!(read_value(with(sequence)).unwrap_err().to_string().contains("\"v\""));
        let shape = |n| TensorShapeProto { dim: vec![Dimension { dim_value: Some(n), dim_param: None }] };
        let tensor = |code, n| TypeProto {
            tensor_type: Some(TensorTypeProto { elem_type: Some(code), shape: Some(shape(n)) }),
            ..TypeProto::default()
        };
        assert!(read_value(with(tensor(17, 1))).unwrap_err().to_string().contains("float8e4m3fn"));
        assert!(read_value(with(tensor(1, -2))).unwrap_err().to_string().contains("-2 at axis 0"));
        assert!(read_value(with(tensor(1, i64::MAX))).is_err());
        assert_eq!(read_value(with(tensor(1, -1))).unwrap().shape, Some(Shape(vec![Dim::Unknown])));
    }

    use super::super::proto::Opaque;
}
