//! NumPy's `.npy` files: one array with its type and sizes (format versions 1 to 3 read, 1 written).

use std::path::Path;

use anyhow::{Context, Result, bail};
use ocellus_graph::onnx::write_atomic;
use ocellus_graph::{DataType, Tensor};

const MAGIC: &[u8] = b"\x93NUMPY";

/// The types of NumPy with those of a tensor; little-endian.
const TYPES: [(&str, DataType); 12] = [
    ("<f4", DataType::F32),
    ("<f8", DataType::F64),
    ("<f2", DataType::F16),
    ("|i1", DataType::I8),
    ("|u1", DataType::U8),
    ("<i2", DataType::I16),
    ("<u2", DataType::U16),
    ("<i4", DataType::I32),
    ("<u4", DataType::U32),
    ("<i8", DataType::I64),
    ("<u8", DataType::U64),
    ("|b1", DataType::Bool),
];

/// Reads an array.
///
/// # Errors
/// A file that cannot be read or is no array of numbers.
pub fn read(path: &Path) -> Result<Tensor> {
    let bytes = std::fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?;
    parse(&bytes).with_context(|| format!("{} is not an array that can be used", path.display()))
}

/// Reads an array from the bytes of a file.
///
/// # Errors
/// As [`read`].
pub fn parse(bytes: &[u8]) -> Result<Tensor> {
    let rest = bytes.strip_prefix(MAGIC).context("it does not begin like a .npy file")?;
    let (version, rest) = rest.split_first().context("it ends within its header")?;
    let wide = match version {
        1 => false,
        2 | 3 => true,
        other => bail!("its format version is {other}; 1 to 3 are known"),
    };
    let rest = rest.get(1..).unwrap_or(&[]);
    let (len, rest) = match wide {
        false => rest.split_first_chunk().map(|(n, rest)| (usize::from(u16::from_le_bytes(*n)), rest)),
        true => rest.split_first_chunk().map(|(n, rest)| (u32::from_le_bytes(*n) as usize, rest)),
    }
    .context("it ends within its header")?;
    let (header, data) = rest.split_at_checked(len).context("it ends within its header")?;
    let header = std::str::from_utf8(header).context("its header is not text")?;
    let descr = entry(header, "descr")?.trim_matches(['\'', '"']);
    let descr =
        if descr.len() == 3 && descr[1..].ends_with('1') { format!("|{}", &descr[1..]) } else { descr.to_owned() };
    let found = TYPES.iter().find(|(name, _)| *name == descr);
    let (_, dtype) = found.with_context(|| {
        let known: Vec<_> = TYPES.iter().map(|t| t.0).collect();
        format!("its type is {descr:?}; these can be read: {}", known.join(", "))
    })?;
    let sizes = entry(header, "shape")?.trim_matches(['(', ')']);
    let sizes = sizes.split(',').map(str::trim).filter(|s| !s.is_empty()).map(str::parse);
    let shape: Vec<usize> = sizes.collect::<Result<_, _>>().context("its shape is not a list of sizes")?;
    let tensor = |shape: &[usize]| {
        let elements = shape.iter().try_fold(dtype.size(), |n, &d| n.checked_mul(d));
        if elements != Some(data.len()) {
            bail!("shape {shape:?} of {dtype} does not need the {} bytes that are there", data.len());
        }
        Tensor::from_le_bytes(*dtype, shape, data).context("its elements cannot be read")
    };
    match entry(header, "fortran_order")? {
        "False" => tensor(&shape),
        "True" => {
            let reversed: Vec<usize> = shape.iter().rev().copied().collect();
            from_columns(&tensor(&reversed)?, &shape)
        }
        other => bail!("fortran_order is {other:?}, expected True or False"),
    }
}

/// The value of a key in the header's dictionary, up to the comma outside parentheses.
fn entry<'h>(header: &'h str, key: &str) -> Result<&'h str> {
    let missing = || format!("its header has no {key:?}");
    let at = header.find(&format!("'{key}'")).with_context(missing)?;
    let value = header[at..].split_once(':').with_context(missing)?.1.trim_start();
    let end = match value.starts_with('(') {
        true => value.find(')').map(|i| i + 1),
        false => value.find([',', '}']),
    };
    Ok(value[..end.with_context(missing)?].trim())
}

/// An array whose bytes are those of its transpose.
fn from_columns(reversed: &Tensor, shape: &[usize]) -> Result<Tensor> {
    let bytes = reversed.to_le_bytes().unwrap_or_default();
    let size = reversed.dtype().size();
    let mut steps = vec![size; shape.len()];
    for axis in 1..shape.len() {
        steps[axis] = steps[axis - 1] * shape[axis - 1];
    }
    let mut offsets = vec![0];
    for (&count, &step) in shape.iter().zip(&steps) {
        offsets = offsets.iter().flat_map(|&base| (0..count).map(move |i| base + i * step)).collect();
    }
    let ordered: Vec<u8> = offsets.iter().flat_map(|&at| bytes[at..at + size].iter().copied()).collect();
    Tensor::from_le_bytes(reversed.dtype(), shape, &ordered).context("its elements cannot be read")
}

/// Writes an array, whole or not at all.
///
/// # Errors
/// A type that NumPy does not have, or what the system says.
pub fn write(path: &Path, tensor: &Tensor) -> Result<()> {
    let bytes = encode(tensor).with_context(|| format!("{} cannot hold {}", path.display(), tensor.dtype()))?;
    write_atomic(path, &bytes).with_context(|| format!("{} cannot be written", path.display()))
}

fn encode(tensor: &Tensor) -> Option<Vec<u8>> {
    let (descr, _) = TYPES.iter().find(|(_, dtype)| *dtype == tensor.dtype())?;
    let sizes: Vec<String> = tensor.shape().iter().map(|d| format!("{d},")).collect();
    let mut header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({}), }}", sizes.join(" "));
    // The data begin at a multiple of 64 bytes; the header ends with a line feed.
    let unpadded = MAGIC.len() + 4 + header.len() + 1;
    header.push_str(&" ".repeat(unpadded.next_multiple_of(64) - unpadded));
    header.push('\n');
    let mut bytes = MAGIC.to_vec();
    bytes.extend([1, 0]);
    bytes.extend(u16::try_from(header.len()).ok()?.to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(tensor.to_le_bytes()?);
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let tensors = [
            Tensor::of(&[2, 3], vec![1.5f32, -2.0, 3.0, 4.0, 5.0, f32::MAX]),
            Tensor::of(&[3], vec![-1i8, 2, 127]),
            Tensor::of(&[1, 1, 2], vec![i64::MIN, 7]),
            Tensor::of(&[2], vec![true, false]),
            Tensor::scalar(2.5f64),
            Tensor::of(&[0, 4], Vec::<f32>::new()),
        ];
        for tensor in tensors {
            let bytes = encode(&tensor).unwrap();
            assert_eq!(bytes.len() % 64, tensor.to_le_bytes().unwrap().len() % 64);
            assert_eq!(parse(&bytes).unwrap(), tensor);
        }
    }

    /// A file as NumPy 1.x writes it.
    fn numpy(descr: &str, order: &str, shape: &str, data: &[u8]) -> Vec<u8> {
        let header = format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}, }}\n");
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((header.len() as u16).to_le_bytes());
        bytes.extend(header.as_bytes());
        bytes.extend(data);
        bytes
    }

    #[test]
    fn column_order_is_turned() {
        let tensor = parse(&numpy("|u1", "True", "(2, 3)", &[1, 4, 2, 5, 3, 6])).unwrap();
        assert_eq!(tensor, Tensor::of(&[2, 3], vec![1u8, 2, 3, 4, 5, 6]));
        let cube = parse(&numpy("<i2", "True", "(2, 1, 2)", &[1, 0, 3, 0, 2, 0, 4, 0])).unwrap();
        assert_eq!(cube, Tensor::of(&[2, 1, 2], vec![1i16, 2, 3, 4]));
        assert_eq!(parse(&numpy("<u1", "False", "()", &[9])).unwrap(), Tensor::scalar(9u8));
    }

    #[test]
    fn what_is_wrong_is_said() {
        let message = |bytes: &[u8]| format!("{:#}", parse(bytes).unwrap_err());
        assert!(message(b"PK\x03\x04").contains("does not begin"));
        assert!(message(b"\x93NUMPY\x01\x00\xff").contains("ends within"));
        assert!(message(&numpy("<c8", "False", "(1,)", &[0; 8])).contains("<c8"));
        assert!(message(&numpy(">f4", "False", "(1,)", &[0; 4])).contains(">f4"));
        assert!(message(&numpy("<f4", "False", "(3,)", &[0; 8])).contains("8 bytes"));
        assert!(message(&numpy("<f4", "False", "(99999999999, 99999999999)", &[0; 8])).contains("8 bytes"));
        assert!(message(&numpy("<f4", "False", "(x,)", &[0; 4])).contains("shape"));
        assert!(message(&numpy("<f4", "Maybe", "(1,)", &[0; 4])).contains("Maybe"));
    }
}
