//! Weights in the layout that the target's kernels read best.

use ocellus_kernels::geometry::Geometry;
use ocellus_kernels::{Level, conv_f32, conv_i8, conv_transpose_f32, conv_transpose_i8, product_i8};
use ocellus_ops::lower::{Constant, ProductWeights, f32_bytes, i8_bytes};
use ocellus_plan::args::ConvGeometry;

/// A constant as it lies in the plan, with the layout that its step has to name.
pub(crate) struct Packed {
    pub bytes: Vec<u8>,
    pub layout: Option<u32>,
}

/// f32 weights of a convolution in a layout, where it holds them.
fn float(g: &Geometry, layout: u32, rows: &[f32]) -> Option<Packed> {
    let mut packed = vec![0.0; conv_f32::packed_len(g, layout)? as usize];
    let fits = conv_f32::pack(g, layout, rows, &mut packed);
    fits.then(|| Packed { bytes: f32_bytes(&packed), layout: Some(layout) })
}

/// Packs a constant for an instruction set: the first layout of the kernel's list that holds these weights.
pub(crate) fn pack(constant: &Constant, level: Level) -> Option<Packed> {
    match constant {
        Constant::Bytes(bytes) => Some(Packed { bytes: bytes.clone(), layout: None }),
        Constant::Product(weights) => product(weights),
        Constant::ConvI8(rows, geometry) => {
            let g = of(geometry);
            let layout = conv_i8::best_layout(level, &g)?;
            let mut packed = vec![0; conv_i8::packed_len(&g, layout)? as usize];
            conv_i8::pack(&g, layout, rows, &mut packed)
                .then(|| Packed { bytes: i8_bytes(&packed), layout: Some(layout) })
        }
        Constant::ConvTransposeI8(rows, geometry) => {
            let g = of(geometry);
            conv_transpose_i8::layouts(level).iter().find_map(|&layout| {
                let mut packed = vec![0; conv_transpose_i8::packed_len(&g, layout)? as usize];
                conv_transpose_i8::pack(&g, layout, rows, &mut packed)
                    .then(|| Packed { bytes: i8_bytes(&packed), layout: Some(layout) })
            })
        }
        Constant::ConvF32(rows, geometry) => {
            let g = of(geometry);
            float(&g, conv_f32::best_layout(level, &g)?, rows)
        }
        Constant::ConvTransposeF32(rows, geometry) => {
            let g = of(geometry);
            conv_transpose_f32::layouts(level).find_map(|layout| float(&g, layout, rows))
        }
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

fn of(g: &ConvGeometry) -> Geometry {
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
