//! Small networks with random weights, float and int8, that several tests run.

use ocellus_graph::{DataType, Model, Tensor, ValueId};
use ocellus_ops::check::numbers;
use ocellus_ops::{Builder, Gemm, OpError, Window};

/// Reproducible f32 numbers in [-1, 1).
pub fn random(shape: &[usize], seed: u64) -> Tensor {
    let values = numbers(shape.iter().product(), seed).into_iter().map(|v| v as f32).collect::<Vec<f32>>();
    Tensor::of(shape, values)
}

/// Builds quantized networks: every value is an int8 or uint8 behind a DequantizeLinear.
struct Quantized {
    b: Builder,
    seed: u64,
}

/// The zero point and type of activations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activations {
    /// uint8, zero point 117.
    Unsigned,
    /// int8, zero point -9.
    Signed,
}

impl Activations {
    fn zero_point(self) -> Tensor {
        match self {
            Self::Unsigned => Tensor::scalar(117u8),
            Self::Signed => Tensor::scalar(-9i8),
        }
    }
}

impl Quantized {
    fn requantized(&mut self, x: ValueId, scale: f32, kind: Activations) -> Result<ValueId, OpError> {
        let (s, z) = (self.b.constant("scale", Tensor::scalar(scale)), self.b.constant("zero", kind.zero_point()));
        let q = self.b.quantize_linear(x, s, z, None)?;
        self.b.dequantize_linear(q, s, Some(z), None)
    }

    /// int8 weights with one scale per index of axis 0, dequantized.
    fn weights(&mut self, shape: &[usize]) -> Result<(ValueId, Vec<f32>), OpError> {
        self.seed += 1;
        let values: Vec<i8> =
            numbers(shape.iter().product(), self.seed).into_iter().map(|v| (v * 127.0).round() as i8).collect();
        let scales: Vec<f32> = (0..shape[0]).map(|o| 0.004 + 0.001 * (o % 5) as f32).collect();
        let w = self.b.constant("weights", Tensor::of(shape, values));
        let s = self.b.constant("weight_scales", Tensor::vector(&scales));
        let z = self.b.constant("weight_zeros", Tensor::of(&[shape[0]], vec![0i8; shape[0]]));
        Ok((self.b.dequantize_linear(w, s, Some(z), Some(0))?, scales))
    }

    fn bias(&mut self, input_scale: f32, scales: &[f32]) -> Result<ValueId, OpError> {
        let n = scales.len();
        self.seed += 1;
        let values: Vec<i32> = numbers(n, self.seed).into_iter().map(|v| (v * 900.0) as i32).collect();
        let units: Vec<f32> = scales.iter().map(|s| s * input_scale).collect();
        let b = self.b.constant("bias", Tensor::of(&[n], values));
        let s = self.b.constant("bias_scales", Tensor::vector(&units));
        let z = self.b.constant("bias_zeros", Tensor::of(&[n], vec![0i32; n]));
        self.b.dequantize_linear(b, s, Some(z), Some(0))
    }
}

/// An int8 network with every integer operation of the device: convolutions (dense, depthwise, grouped, dilated, strided),
/// residual sums, products, pools, tables, concatenation, a fully connected layer. Input `x` `[2, 3, 17, 13]`.
///
/// # Errors
/// Where a rule refuses a node, which would be a bug.
pub fn integer_network(kind: Activations) -> Result<Model, OpError> {
    let mut n = Quantized { b: Builder::new("integers"), seed: 40 };
    let x = n.b.input("x", DataType::F32, &[2, 3, 17, 13]);
    let x = n.requantized(x, 0.02, kind)?;
    let layer = |n: &mut Quantized, x, shape: &[usize], window: Window, relu: bool| -> Result<ValueId, OpError> {
        let (w, scales) = n.weights(shape)?;
        let bias = n.bias(0.02, &scales)?;
        let y = n.b.conv(x, w, Some(bias), &window)?;
        let y = if relu { n.b.relu(y)? } else { y };
        n.requantized(y, 0.02, kind)
    };
    let stem = layer(&mut n, x, &[19, 3, 3, 3], Window::square(3, 2, 1), true)?;
    let point = layer(&mut n, stem, &[32, 19, 1, 1], Window::square(1, 1, 0), true)?;
    let deep = layer(&mut n, point, &[32, 1, 3, 3], Window::square(3, 1, 1).grouped(32), true)?;
    let wide = layer(&mut n, deep, &[32, 1, 5, 5], Window::square(5, 1, 4).grouped(32).dilated(&[2, 2]), false)?;
    let sum = n.b.add(deep, wide)?;
    let sum = n.b.relu(sum)?;
    let sum = n.requantized(sum, 0.03, kind)?;
    let group = layer(&mut n, sum, &[24, 8, 3, 3], Window::square(3, 1, 1).grouped(4), false)?;
    let gate = n.b.sigmoid(group)?;
    let gate = n.requantized(gate, 1.0 / 256.0, kind)?;
    let gated = n.b.mul(group, gate)?;
    let gated = n.requantized(gated, 0.015, kind)?;
    let joined = n.b.concat(&[gated, sum], 1)?;
    let joined = n.requantized(joined, 0.02, kind)?;
    let max = n.b.max_pool(joined, &Window::square(3, 2, 1))?;
    let max = n.requantized(max, 0.02, kind)?;
    let mean = n.b.average_pool(max, &Window::square(2, 2, 0), false)?;
    let mean = n.requantized(mean, 0.012, kind)?;
    let global = n.b.global_average_pool(max)?;
    let global = n.requantized(global, 0.011, kind)?;
    let flat = n.b.flatten(mean, 1)?;
    let columns = n.b.shape(flat)?[1];
    let (w, scales) = n.weights(&[21, columns])?;
    let bias = n.bias(0.012, &scales)?;
    let y = n.b.gemm(flat, w, Some(bias), &Gemm { trans_b: true, ..Gemm::default() })?;
    let y = n.requantized(y, 0.05, kind)?;
    let pixels = n.b.flatten(global, 1)?;
    n.b.output(y, "scores");
    n.b.output(pixels, "features");
    n.b.output(group, "map");
    Ok(n.b.finish())
}
