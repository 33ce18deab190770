//! Weights in the layout that the target's kernels read best.

use ocellus_kernels::geometry::Geometry;
use ocellus_kernels::half::Storage;
use ocellus_kernels::{conv_bf16, conv_f32, conv_i8, conv_transpose_f32, conv_transpose_i8, product_i8};
use ocellus_ops::lower::{Constant, ProductWeights, f32_bytes, i8_bytes};
use ocellus_plan::args::{ConvGeometry, FloatLayout};

use crate::Options;

/// A constant as it lies in the plan, with the layout that its step has to name.
pub(crate) struct Packed {
    pub bytes: Vec<u8>,
    pub layout: Option<u32>,
}

/// Why a constant is not packed.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Refused {
    /// No layout holds it.
    Layout,
    /// A weight that 16 bits do not hold.
    Range(f32),
}

/// Float weights as they are stored.
fn stored(values: &[f32], storage: Storage) -> Result<Vec<u8>, Refused> {
    if storage == Storage::F32 {
        return Ok(f32_bytes(values));
    }
    let mut bytes = Vec::with_capacity(values.len() * 2);
    for &v in values {
        bytes.extend(storage.halve(v).ok_or(Refused::Range(v))?.to_le_bytes());
    }
    Ok(bytes)
}

/// f32 weights of a convolution in the order of a layout, where it holds them.
fn ordered(g: &Geometry, layout: u32, rows: &[f32]) -> Result<Vec<f32>, Refused> {
    let mut packed = vec![0.0; conv_f32::packed_len(g, layout).ok_or(Refused::Layout)? as usize];
    if conv_f32::pack(g, layout, rows, &mut packed) { Ok(packed) } else { Err(Refused::Layout) }
}

/// f32 weights of a convolution in a layout, where it holds them.
fn float(g: &Geometry, layout: Option<u32>, rows: &[f32]) -> Result<Packed, Refused> {
    let layout = layout.ok_or(Refused::Layout)?;
    Ok(Packed { bytes: stored(&ordered(g, layout, rows)?, conv_f32::storage(layout))?, layout: Some(layout) })
}

/// f32 weights of a convolution that computes in bf16.
fn bf16(g: &Geometry, rows: &[f32]) -> Result<Packed, Refused> {
    let (layout, mut bytes) = (FloatLayout::O16_BF16, Vec::new());
    for w in ordered(g, layout, rows)? {
        bytes.extend(conv_bf16::weight(w).ok_or(Refused::Range(w))?.0.to_le_bytes());
    }
    Ok(Packed { bytes, layout: Some(layout) })
}

/// Floats in the order that they have; the layouts are their names in f16 and bf16.
fn in_order(values: &[f32], storage: Storage, [f16, bf16]: [u32; 2]) -> Result<Packed, Refused> {
    let layout = match storage {
        Storage::F32 => None,
        Storage::F16 => Some(f16),
        Storage::Bf16 => Some(bf16),
    };
    Ok(Packed { bytes: stored(values, storage)?, layout })
}

/// Packs a constant for an instruction set: the best layout of the kernel's list that holds these weights, floats in the
/// storage that is asked for.
pub(crate) fn pack(constant: &Constant, options: &Options) -> Result<Packed, Refused> {
    let (level, storage) = (options.level, options.float);
    match constant {
        Constant::ConvF32(rows, shape) => {
            let g = geometry(shape);
            let computes = if g.groups == 1 { options.computes() } else { Storage::F32 };
            match (computes, options.compact) {
                (Storage::Bf16, _) => bf16(&g, rows),
                (Storage::F16, _) => float(&g, Some(FloatLayout::O16_F16), rows),
                (_, true) => float(&g, conv_f32::compact_layout(level, &g, storage), rows),
                (_, false) => float(&g, conv_f32::best_layout(level, &g, storage), rows),
            }
        }
        Constant::ConvTransposeF32(rows, shape) => {
            let g = geometry(shape);
            float(&g, conv_transpose_f32::best_layout(level, &g, storage), rows)
        }
        Constant::Floats(values) => in_order(values, storage, [FloatLayout::TAPS_F16, FloatLayout::TAPS_BF16]),
        Constant::Rows(values) => in_order(values, storage, [FloatLayout::ROWS_F16, FloatLayout::ROWS_BF16]),
        _ => integers(constant, options).ok_or(Refused::Layout),
    }
}

/// Packs what does not depend on the storage of floats.
fn integers(constant: &Constant, options: &Options) -> Option<Packed> {
    let level = options.level;
    match constant {
        Constant::Bytes(bytes) => Some(Packed { bytes: bytes.clone(), layout: None }),
        Constant::Product(weights) => product(weights),
        Constant::ConvI8(rows, shape) => {
            let g = geometry(shape);
            let layout = match options.compact {
                true => conv_i8::compact_layout(level, &g)?,
                false => conv_i8::best_layout(level, &g, rows)?,
            };
            let mut packed = vec![0; conv_i8::packed_len(&g, layout)? as usize];
            conv_i8::pack(&g, layout, rows, &mut packed)
                .then(|| Packed { bytes: i8_bytes(&packed), layout: Some(layout) })
        }
        Constant::ConvTransposeI8(rows, shape) => {
            let g = geometry(shape);
            conv_transpose_i8::layouts(level).iter().find_map(|&layout| {
                let mut packed = vec![0; conv_transpose_i8::packed_len(&g, layout)? as usize];
                conv_transpose_i8::pack(&g, layout, rows, &mut packed)
                    .then(|| Packed { bytes: i8_bytes(&packed), layout: Some(layout) })
            })
        }
        Constant::ConvF32(..) | Constant::ConvTransposeF32(..) | Constant::Floats(_) | Constant::Rows(_) => None,
    }
}

/// Matrices of integer products, one packed behind the other.
fn product(weights: &ProductWeights) -> Option<Packed> {
    let ProductWeights { inputs, outputs, rows, scales, zero_points } = weights;
    let shape = product_i8::Shape { inputs: *inputs as u32, outputs: *outputs as u32 };
    let len = shape.packed_bytes()? as usize;
    let mut bytes = Vec::new();
    let columns = scales.chunks(*outputs).zip(zero_points.chunks(*outputs));
    for (rows, (scales, zero_points)) in rows.chunks(inputs * outputs).zip(columns) {
        let start = bytes.len();
        bytes.resize(start + len, 0);
        let columns = product_i8::Columns { rows, scales, zero_points };
        if !product_i8::pack(shape, &columns, &mut bytes[start..]) {
            return None;
        }
    }
    Some(Packed { bytes, layout: None })
}

/// The geometry as kernels have it.
pub(crate) fn geometry(g: &ConvGeometry) -> Geometry {
    Geometry {
        batch: g.batch,
        in_height: g.in_height,
        in_width: g.in_width,
        in_channels: g.in_channels,
        out_height: g.out_height,
        out_width: g.out_width,
        out_channels: g.out_channels,
        kernel_height: g.kernel_height,
        kernel_width: g.kernel_width,
        stride_height: g.stride_height,
        stride_width: g.stride_width,
        dilation_height: g.dilation_height,
        dilation_width: g.dilation_width,
        pad_top: g.pad_top,
        pad_left: g.pad_left,
        groups: g.groups,
    }
}
