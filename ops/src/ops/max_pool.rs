//! `MaxPool`: the maximum of every window, and where it stands (ONNX MaxPool-12; 22 only adds types).

use ocellus_graph::{DataType, Tensor, ValueId};

use super::pool::{first_maximum, is_comparable, pool_axes, pooled_shape, pooled_sizes, windows};
use super::window::{Axis, Window};
use crate::{
    Builder, EvalContext, GradContext, InferContext, InputRole, OpDef, OpError, OutputScale, QuantRule, ValueType,
};

pub(crate) const OP: OpDef = OpDef {
    eval: Some(eval),
    grad: Some(grad),
    quant: Some(QuantRule { inputs: |_| vec![InputRole::Activation], output: OutputScale::SameAsInput }),
    lower: Some(super::pool_lower::max_pool),
    ..OpDef::new("MaxPool", infer)
};

fn infer(ctx: &InferContext) -> Result<Vec<ValueType>, OpError> {
    let dtype = ctx.input(0)?.dtype;
    if !is_comparable(dtype) {
        return Err(ctx.error(format!("input 0 has type {dtype}; floats, i8 and u8 are supported")));
    }
    let shape = pooled_shape(ctx)?;
    Ok(vec![ValueType::new(dtype, shape.clone()), ValueType::new(DataType::I64, shape)])
}

fn eval(ctx: &EvalContext) -> Result<Vec<Tensor>, OpError> {
    let x = ctx.input(0)?;
    let axes = pool_axes(ctx.node, x.shape())?;
    let windows = windows(&axes);
    let by_column = ctx.int("storage_order", 0) != 0;
    let plane: usize = axes.iter().map(|a| a.input).product();
    let values = x.to_f64();
    let (mut y, mut indices) = (Vec::new(), Vec::new());
    for (p, values) in values.chunks_exact(plane.max(1)).enumerate() {
        for window in &windows {
            let best = first_maximum(window.iter().map(|&at| values[at]));
            let (place, value) = best.ok_or_else(|| ctx.error("a window has no elements"))?;
            let at = if by_column { column_major(&axes, window[place]) } else { window[place] };
            y.push(value);
            indices.push((p * plane + at) as i64);
        }
    }
    let shape = pooled_sizes(x.shape(), &axes);
    Ok(vec![Tensor::from_f64(x.dtype(), &shape, &y), Tensor::of(&shape, indices)])
}

/// A row-major offset in a plane, counted with the first axis fastest.
fn column_major(axes: &[Axis], mut offset: usize) -> usize {
    let mut faster: usize = axes.iter().map(|a| a.input).product();
    let mut place = 0;
    for axis in axes.iter().rev() {
        faster /= axis.input;
        place += offset % axis.input * faster;
        offset /= axis.input;
    }
    place
}

/// Scatters `g` to where the maxima stand. Comparing `x` with the maximum would give a tie's gradient to every one of
/// the tied elements.
fn grad(ctx: &mut GradContext) -> Result<Vec<Option<ValueId>>, OpError> {
    let (g, x, y) = (ctx.grad()?, ctx.input(0)?, ctx.output(0)?);
    let by_column = ctx.int("storage_order", 0) != 0;
    let b = &mut *ctx.builder;
    let shape = b.shape(x)?;
    let axes = pool_axes(&ctx.node, &shape)?;
    let indices = b.other_output(y, 1)?;
    let (indices, flat) = (b.reshape(indices, &[-1])?, b.reshape(g, &[-1])?);
    let elements = shape.iter().product::<usize>() as i64;
    let zero = b.scalar_like(x, 0.0)?;
    let zeros = b.expand(zero, &[elements])?;
    let overlap = axes.iter().any(|a| a.output > 1 && a.overlaps());
    let dx = b.scatter_elements(zeros, indices, flat, 0, if overlap { "add" } else { "none" })?;
    let mut sizes: Vec<i64> = shape.iter().map(|&n| n as i64).collect();
    if !by_column {
        return Ok(vec![Some(b.reshape(dx, &sizes)?)]);
    }
    sizes[2..].reverse();
    let turned = b.reshape(dx, &sizes)?;
    let order: Vec<usize> = [0, 1].into_iter().chain((2..shape.len()).rev()).collect();
    Ok(vec![Some(b.transpose(turned, &order)?)])
}

impl Builder {
    /// The maximum of every window of `x` `[N, C, ...]`.
    pub fn max_pool(&mut self, x: ValueId, window: &Window) -> Result<ValueId, OpError> {
        self.apply(&OP, &[x], window.attributes())
    }

    /// The maximum of every window, and its offset in the whole of `x` (i64).
    pub fn max_pool_with_indices(&mut self, x: ValueId, window: &Window) -> Result<(ValueId, ValueId), OpError> {
        let outputs = self.apply_many(&OP, &[Some(x)], window.attributes(), 2)?;
        Ok((outputs[0], outputs[1]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check;

    fn ramp() -> Tensor {
        Tensor::of(&[1, 1, 5, 5], (1..=25).map(|i| i as f32).collect())
    }

    fn pool(window: Window, x: Tensor) -> Tensor {
        check::eval(|b, v| b.max_pool(v[0], &window), &[x])
    }

    /// The examples of the ONNX node tests.
    #[test]
    fn pools_with_padding_strides_ceiling_and_dilation() {
        let padded = pool(Window::square(5, 1, 2), ramp()).to_f32();
        assert_eq!(padded[..6], [13., 14., 15., 15., 15., 18.]);
        assert_eq!(pool(Window::square(2, 2, 0), ramp()), Tensor::of(&[1, 1, 2, 2], vec![7f32, 9., 17., 19.]));
        let x = Tensor::of(&[1, 1, 4, 4], (1..=16).map(|i| i as f32).collect());
        let ceil = Window { ceil_mode: true, ..Window::square(3, 2, 0) };
        assert_eq!(pool(ceil, x.clone()), Tensor::of(&[1, 1, 2, 2], vec![11f32, 12., 15., 16.]));
        let dilated = Window::square(2, 1, 0).dilated(&[2, 2]);
        assert_eq!(pool(dilated, x), Tensor::of(&[1, 1, 2, 2], vec![11f32, 12., 15., 16.]));
        let line = pool(Window::new(&[2]), Tensor::of(&[1, 1, 3], vec![-3f32, -1., -2.]));
        assert_eq!(line, Tensor::of(&[1, 1, 2], vec![-1f32, -1.]));
    }

    #[test]
    fn bytes_are_pooled_as_they_are() {
        let y = pool(Window::square(2, 2, 1), Tensor::of(&[1, 1, 2, 2], vec![-128i8, -5, -6, -7]));
        assert_eq!(y, Tensor::of(&[1, 1, 2, 2], vec![-128i8, -5, -6, -7]));
        let y = pool(Window::square(2, 2, 0), Tensor::of(&[1, 1, 2, 2], vec![200u8, 5, 255, 7]));
        assert_eq!(y, Tensor::of(&[1, 1, 1, 1], vec![255u8]));
    }

    #[test]
    fn indices_count_in_the_whole_tensor_in_both_orders() {
        let x = Tensor::of(&[1, 2, 2, 3], vec![0f32, 9., 1., 2., 3., 4., 5., 6., 7., 8., 8., 0.]);
        let indices = |order: i64| {
            let attributes = Window::new(&[2, 3]).attributes().with("storage_order", order);
            let outputs = |b: &mut Builder, v: &[ValueId]| {
                b.apply_many(&OP, &[Some(v[0])], attributes.clone(), 2).map(|outputs| outputs[1])
            };
            check::eval(outputs, std::slice::from_ref(&x))
        };
        assert_eq!(indices(0), Tensor::of(&[1, 2, 1, 1], vec![1i64, 9]));
        assert_eq!(indices(1), Tensor::of(&[1, 2, 1, 1], vec![2i64, 7]));
    }

    #[test]
    fn a_window_in_the_padding_is_refused() {
        let mut b = Builder::new("bad");
        let x = b.input("x", DataType::F32, &[1, 1, 4, 4]);
        let message = b.max_pool(x, &Window::square(2, 2, 2)).unwrap_err().to_string();
        assert!(message.contains("lies in the padding"), "{message}");
        let flat = b.input("flat", DataType::F32, &[1, 4]);
        assert!(b.max_pool(flat, &Window::square(2, 2, 0)).is_err());
        assert!(b.max_pool(x, &Window::default()).unwrap_err().to_string().contains("kernel_shape"));
    }

    #[test]
    fn gradient() {
        let pool = |w: Window| move |b: &mut Builder, v: &[ValueId]| b.max_pool(v[0], &w);
        check::gradient(pool(Window::square(2, 2, 0)), &[&[2, 2, 4, 4]]);
        check::gradient(pool(Window::square(3, 2, 1)), &[&[2, 2, 5, 6]]);
        check::gradient(pool(Window { ceil_mode: true, ..Window::square(2, 2, 0) }), &[&[1, 2, 5, 5]]);
        check::gradient(pool(Window::new(&[3])), &[&[1, 2, 6]]);
        check::gradient(pool(Window::new(&[2, 2, 2])), &[&[1, 1, 3, 3, 3]]);
        let by_column = Window::square(3, 2, 1).attributes().with("storage_order", 1i64);
        check::gradient(|b, v| b.apply(&OP, v, by_column.clone()), &[&[2, 2, 5, 6]]);
    }

    /// On a constant background every window's gradient goes to exactly one element.
    #[test]
    fn ties_share_nothing() {
        let mut b = Builder::new("ties");
        let x = b.input("x0", DataType::F64, &[1, 1, 4, 4]);
        let y = b.max_pool(x, &Window::square(2, 2, 0)).unwrap();
        let g = b.constant("g", Tensor::of(&[1, 1, 2, 2], vec![1.0f64, 2.0, 3.0, 4.0]));
        let dx = check::backward(&mut b, y, g, &[x]).unwrap()[0].unwrap();
        let inputs = [("x0", Tensor::full(DataType::F64, &[1, 1, 4, 4], 0.5))];
        let dx = crate::evaluate_values(b.graph(), &inputs).unwrap()[&dx].to_f64();
        let expected = [1., 0., 2., 0., 0., 0., 0., 0., 3., 0., 4., 0., 0., 0., 0., 0.];
        assert_eq!(dx, expected);
    }
}
