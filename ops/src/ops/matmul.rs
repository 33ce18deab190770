//! `MatMul`: matrix product with numpy's batch rules (ONNX MatMul-13).

use ocellus_graph::{Attributes, DataType, Tensor, ValueId};

use ocellus_plan::args::{MatMul, element};

use super::conv_lower::fully_connected;
use super::elementwise::require_same_type;
use super::gemm::Gemm;
use super::matrix::{Product, product_shape};
use crate::lower::DeviceTensor;
use crate::lower::moves::reorder;
use crate::{
    Builder, EvalContext, GradContext, InferContext, InputRole, LowerContext, OpDef, OpError, OutputScale, QuantRule,
    ValueType,
};

pub(crate) const OP: OpDef = OpDef {
    eval: Some(eval),
    grad: Some(grad),
    // A second factor that is no constant matrix is an activation too; the quantizer sees which it is.
    quant: Some(QuantRule {
        inputs: |_| vec![InputRole::Activation, InputRole::Weight { axis: 1 }],
        output: OutputScale::Calibrated,
    }),
    lower: Some(lower),
    with_bias: Some("Gemm"),
    ..OpDef::new("MatMul", infer)
};

fn infer(ctx: &InferContext) -> Result<Vec<ValueType>, OpError> {
    require_factor(ctx)?;
    require_same_type(ctx, 0, 1)?;
    let (a, b) = (ctx.input(0)?, ctx.input(1)?);
    Ok(vec![ValueType::new(a.dtype, product_shape(ctx.node, &a.shape, &b.shape)?)])
}

/// Refuses types that ONNX does not multiply as matrices.
pub(super) fn require_factor(ctx: &InferContext) -> Result<(), OpError> {
    let dtype = ctx.input(0)?.dtype;
    if dtype.is_float() || matches!(dtype, DataType::I32 | DataType::U32 | DataType::I64 | DataType::U64) {
        return Ok(());
    }
    Err(ctx.error(format!("input 0 has type {dtype}; floats, i32, u32, i64 and u64 are supported")))
}

fn eval(ctx: &EvalContext) -> Result<Vec<Tensor>, OpError> {
    let (a, b) = (ctx.input(0)?, ctx.input(1)?);
    let product = Product::new(ctx.node, a.shape(), b.shape())?;
    if a.dtype().is_float() {
        let y = product.compute(&a.to_f64(), &b.to_f64(), 0.0, |sum, x, y| sum + x * y);
        return Ok(vec![Tensor::from_f64(a.dtype(), &product.shape, &y)]);
    }
    let y = product.compute(&a.to_i64(), &b.to_i64(), 0i64, |sum, x, y| sum.wrapping_add(x.wrapping_mul(y)));
    Ok(vec![Tensor::from_i64(a.dtype(), &product.shape, &y)])
}

/// A fully connected layer where `b` is a constant matrix, a batched product otherwise.
fn lower(ctx: &mut LowerContext) -> Result<(), OpError> {
    let (a, b) = (ctx.shape(0).to_vec(), ctx.shape(1).to_vec());
    if let Some(w) = ctx.constant(1).filter(|w| w.rank() == 2) {
        let rows = a[..a.len() - 1].iter().product();
        return fully_connected(ctx, rows, &w, false, (1.0, 1.0));
    }
    if a.len() < 2 || b.len() < 2 {
        return Err(ctx.error("multiplies vectors that are not constant, which the device does not"));
    }
    let batch = |s: &[usize]| s[..s.len() - 2].to_vec();
    let output = ctx.output_shape();
    let sizes = batch(&output);
    let four = |values: Vec<usize>, fill: u32| -> Result<[u32; 4], OpError> {
        let mut all = [fill; 4];
        let start = 4usize.checked_sub(values.len()).ok_or_else(|| ctx.error("has more than 4 batch axes"))?;
        values.iter().enumerate().for_each(|(i, &v)| all[start + i] = v as u32);
        Ok(all)
    };
    let steps = |own: &[usize]| -> Vec<usize> {
        let (strides, skip) = (crate::shapes::strides(own), sizes.len() - own.len());
        (0..sizes.len()).map(|i| if i < skip || own[i - skip] == 1 { 0 } else { strides[i - skip] }).collect()
    };
    let args = MatMul {
        batch: four(sizes.clone(), 1)?,
        a_strides: four(steps(&batch(&a)), 0)?,
        b_strides: four(steps(&batch(&b)), 0)?,
        rows: a[a.len() - 2] as u32,
        inner: a[a.len() - 1] as u32,
        columns: b[b.len() - 1] as u32,
        b_transposed: 0,
    };
    let macs = output.iter().product::<usize>() as u64 * u64::from(args.inner);
    let (x, w) = (ctx.float_stored(0)?, ctx.float_stored(1)?);
    let (x, w) = (reorder(ctx, x, true)?, reorder(ctx, w, true)?);
    let mut y = DeviceTensor::new(element::F32, &output, None);
    y.plain = true;
    let y = ctx.program.add(y);
    ctx.emit(args, &[y], &[x, w]).macs = macs;
    ctx.bind(0, y);
    Ok(())
}

/// `da = g bᵀ`, `db = aᵀ g`, each summed over its broadcast batch axes.
fn grad(ctx: &mut GradContext) -> Result<Vec<Option<ValueId>>, OpError> {
    let (g, a, b) = (ctx.grad()?, ctx.input(0)?, ctx.input(1)?);
    let (need_a, need_b) = (ctx.needs(0), ctx.needs(1));
    let builder = &mut *ctx.builder;
    let (a_shape, b_shape) = (builder.shape(a)?, builder.shape(b)?);
    let wide_a = if a_shape.len() == 1 { builder.reshape(a, &[1, -1])? } else { a };
    let wide_b = if b_shape.len() == 1 { builder.reshape(b, &[-1, 1])? } else { b };
    let g = widen(builder, g, a_shape.len() == 1, b_shape.len() == 1)?;
    let mut grads = vec![None; 2];
    if need_a {
        let turned = swap_last_axes(builder, wide_b)?;
        let product = builder.matmul(g, turned)?;
        let sum = builder.sum_to_shape_of(product, wide_a)?;
        grads[0] = Some(if wide_a == a { sum } else { builder.reshape(sum, &[-1])? });
    }
    if need_b {
        let sum = second_gradient(builder, wide_a, wide_b, g)?;
        grads[1] = Some(if wide_b == b { sum } else { builder.reshape(sum, &[-1])? });
    }
    Ok(grads)
}

/// Gives `g` back the axes of size 1 that a product with vectors dropped.
fn widen(b: &mut Builder, g: ValueId, row: bool, column: bool) -> Result<ValueId, OpError> {
    let mut shape: Vec<i64> = b.shape(g)?.iter().map(|&n| n as i64).collect();
    if !row && !column {
        return Ok(g);
    }
    if column {
        shape.push(1);
    }
    if row {
        shape.insert(shape.len() - 1, 1);
    }
    b.reshape(g, &shape)
}

/// `aᵀ g`; with one matrix `b` for the whole batch a single product over all rows, instead of one per batch entry
/// summed afterwards.
fn second_gradient(builder: &mut Builder, a: ValueId, b: ValueId, g: ValueId) -> Result<ValueId, OpError> {
    let (a_shape, g_shape) = (builder.shape(a)?, builder.shape(g)?);
    if builder.shape(b)?.len() == 2 {
        let rows = |builder: &mut Builder, x, shape: &[usize]| match shape {
            [_, _] => Ok(x),
            _ => builder.reshape(x, &[-1, shape[shape.len() - 1] as i64]),
        };
        let (a, g) = (rows(builder, a, &a_shape)?, rows(builder, g, &g_shape)?);
        return builder.gemm(a, g, None, &Gemm { trans_a: true, ..Gemm::default() });
    }
    let turned = swap_last_axes(builder, a)?;
    let product = builder.matmul(turned, g)?;
    builder.sum_to_shape_of(product, b)
}

fn swap_last_axes(b: &mut Builder, x: ValueId) -> Result<ValueId, OpError> {
    let rank = b.shape(x)?.len();
    let order: Vec<usize> = (0..rank - 2).chain([rank - 1, rank - 2]).collect();
    b.transpose(x, &order)
}

impl Builder {
    /// `a @ b` with numpy's rules: axes before the last two broadcast.
    pub fn matmul(&mut self, a: ValueId, b: ValueId) -> Result<ValueId, OpError> {
        self.apply(&OP, &[a, b], Attributes::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check;

    fn product(a: Tensor, b: Tensor) -> Tensor {
        check::eval(|builder, v| builder.matmul(v[0], v[1]), &[a, b])
    }

    #[test]
    fn matrices_vectors_and_batches() {
        let a = Tensor::of(&[2, 3], vec![1f32, 2., 3., 4., 5., 6.]);
        let b = Tensor::of(&[3, 2], vec![1f32, 0., 0., 1., 1., 1.]);
        assert_eq!(product(a.clone(), b.clone()), Tensor::of(&[2, 2], vec![4f32, 5., 10., 11.]));
        let v = Tensor::vector(&[1f32, 1., 2.]);
        assert_eq!(product(a.clone(), v.clone()), Tensor::vector(&[9f32, 21.]));
        assert_eq!(product(v.clone(), b), Tensor::vector(&[3f32, 3.]));
        assert_eq!(product(v.clone(), v), Tensor::scalar(6f32));
        let stack = Tensor::of(&[2, 1, 3, 1], vec![1f32, 0., 0., 0., 0., 1.]);
        assert_eq!(product(a, stack), Tensor::of(&[2, 1, 2, 1], vec![1f32, 4., 3., 6.]));
    }

    #[test]
    fn integers_wrap() {
        let big = Tensor::of(&[1, 1], vec![1i32 << 20]);
        assert_eq!(product(big.clone(), big), Tensor::of(&[1, 1], vec![0i32]));
        let a = Tensor::of(&[1, 2], vec![i64::MAX, 3]);
        assert_eq!(product(a, Tensor::of(&[2, 1], vec![1i64, -1])), Tensor::of(&[1, 1], vec![i64::MAX - 3]));
    }

    #[test]
    fn gradient() {
        let shapes: [[&[usize]; 2]; 9] = [
            [&[2, 3], &[3, 4]],
            [&[3], &[3, 4]],
            [&[2, 3], &[3]],
            [&[3], &[3]],
            [&[2, 5, 3], &[3, 4]],
            [&[2, 5, 3], &[2, 3, 4]],
            [&[5, 3], &[2, 3, 4]],
            [&[2, 1, 2, 3], &[4, 3, 2]],
            [&[3], &[2, 3, 2]],
        ];
        for [a, b] in shapes {
            check::gradient(|builder, v| builder.matmul(v[0], v[1]), &[a, b]);
        }
    }
}
