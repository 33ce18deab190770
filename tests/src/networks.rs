//! Small networks with random weights, float and int8, that several tests run.

use ocellus_graph::{DataType, Model, Tensor, ValueId};
use ocellus_ops::check::numbers;
use ocellus_ops::{Builder, Gemm, OpError, Window};

/// Reproducible f32 numbers in [-1, 1).
pub fn random(shape: &[usize], seed: u64) -> Tensor {
    let values = numbers(shape.iter().product(), seed).into_iter().map(|v| v as f32).collect::<Vec<f32>>();
    Tensor::of(shape, values)
}

/// Rounds to int8 and back.
///
/// # Errors
/// [`OpError`] where `x` is no float.
pub fn rounded(b: &mut Builder, x: ValueId, scale: f32) -> Result<ValueId, OpError> {
    let (s, z) = (b.constant("s", Tensor::scalar(scale)), b.constant("z", Tensor::scalar(3i8)));
    let q = b.quantize_linear(x, s, z, None)?;
    b.dequantize_linear(q, s, Some(z), None)
}

/// An int8 convolution with weights `[O, I, KH, KW]` and an activation that is a table.
///
/// # Errors
/// [`OpError`] where the shapes do not fit.
pub fn activated(
    b: &mut Builder,
    x: ValueId,
    shape: &[usize],
    window: &Window,
    scale: f32,
) -> Result<ValueId, OpError> {
    let y = convolved(b, x, shape, window, scale)?;
    let gate = b.sigmoid(y)?;
    let gate = rounded(b, gate, 1.0 / 256.0)?;
    let y = b.mul(y, gate)?;
    rounded(b, y, scale)
}

/// The same without the activation.
///
/// # Errors
/// [`OpError`] where the shapes do not fit.
pub fn convolved(
    b: &mut Builder,
    x: ValueId,
    shape: &[usize],
    window: &Window,
    scale: f32,
) -> Result<ValueId, OpError> {
    let values = random(shape, shape.iter().sum::<usize>() as u64).to_f32().iter().map(|v| (v * 127.0) as i8).collect();
    let (ws, wz) = (b.constant("ws", Tensor::scalar(0.004f32)), b.constant("wz", Tensor::scalar(0i8)));
    let w = b.constant("w", Tensor::of::<i8>(shape, values));
    let w = b.dequantize_linear(w, ws, Some(wz), None)?;
    let y = b.conv(x, w, None, window)?;
    rounded(b, y, scale)
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

/// A layer from an input to its output, before the output is quantized.
type Layer = fn(&mut Builder, ValueId, &dyn Fn(&mut Builder, &[usize], f32) -> ValueId) -> Result<ValueId, OpError>;

/// Single integer layers by name: input `x` `[2, 12, 9, 7]`, output `y` of scale 0.05. For comparisons layer by layer,
/// since differences of one step grow in deep random networks.
pub const INTEGER_LAYERS: &[(&str, Layer)] = &[
    ("conv", |b, x, w| {
        let w = w(b, &[17, 12, 3, 3], 0.004);
        b.conv(x, w, None, &Window::square(3, 1, 1))
    }),
    ("conv relu", |b, x, w| {
        let w = w(b, &[17, 12, 3, 3], 0.004);
        let y = b.conv(x, w, None, &Window::square(3, 2, 1))?;
        b.relu(y)
    }),
    ("pointwise", |b, x, w| {
        let w = w(b, &[32, 12, 1, 1], 0.01);
        b.conv(x, w, None, &Window::square(1, 1, 0))
    }),
    ("depthwise", |b, x, w| {
        let w = w(b, &[12, 1, 3, 3], 0.01);
        b.conv(x, w, None, &Window::square(3, 1, 1).grouped(12))
    }),
    ("groups", |b, x, w| {
        let w = w(b, &[8, 3, 3, 3], 0.01);
        b.conv(x, w, None, &Window::square(3, 1, 1).grouped(4))
    }),
    ("transposed", |b, x, w| {
        let w = w(b, &[12, 5, 3, 3], 0.01);
        b.conv_transpose(x, w, None, &Window::square(3, 2, 1), &[])
    }),
    ("fully connected", |b, x, w| {
        let x = b.flatten(x, 1)?;
        let w = w(b, &[756, 10], 0.004);
        b.matmul(x, w)
    }),
    ("max pool", |b, x, _| b.max_pool(x, &Window::square(3, 2, 1))),
    ("average pool", |b, x, _| b.average_pool(x, &Window::square(3, 2, 1), false)),
    ("average pool with padding", |b, x, _| b.average_pool(x, &Window::square(3, 2, 1), true)),
    ("global average pool", |b, x, _| b.global_average_pool(x)),
    ("sum", |b, x, _| {
        let y = b.transpose(x, &[0, 1, 2, 3])?;
        b.add(x, y)
    }),
    ("difference", |b, x, _| {
        let c = b.constant("c", Tensor::scalar(0.5f32));
        b.sub(x, c)
    }),
    ("product", |b, x, _| b.mul(x, x)),
    ("sigmoid", |b, x, _| b.sigmoid(x)),
    ("tanh", |b, x, _| b.tanh(x)),
    ("hard swish", |b, x, _| b.hard_swish(x)),
    ("leaky relu", |b, x, _| b.leaky_relu(x, 0.1)),
    ("clip", |b, x, _| b.clip(x, Some(-0.5), Some(0.7))),
    ("concat", |b, x, _| b.concat(&[x, x], 1)),
    ("pad", |b, x, _| b.pad(x, &[0, 0, 1, 2, 0, 0, 1, 0], "reflect", 0.0)),
];

/// The model of one of [`INTEGER_LAYERS`].
///
/// # Errors
/// Where a rule refuses a node, which would be a bug.
pub fn integer_layer(layer: Layer, kind: Activations) -> Result<Model, OpError> {
    let mut n = Quantized { b: Builder::new("layer"), seed: 7 };
    let x = n.b.input("x", DataType::F32, &[2, 12, 9, 7]);
    let x = n.requantized(x, 0.01, kind)?;
    let weights = |b: &mut Builder, shape: &[usize], scale: f32| -> ValueId {
        let values = numbers(shape.iter().product(), 5).into_iter().map(|v| (v * 127.0).round() as i8).collect();
        let w = b.constant("w", Tensor::of::<i8>(shape, values));
        let s = b.constant("s", Tensor::scalar(scale));
        let z = b.constant("z", Tensor::scalar(0i8));
        b.dequantize_linear(w, s, Some(z), None).expect("weights are dequantized")
    };
    let y = layer(&mut n.b, x, &weights)?;
    let y = n.requantized(y, 0.05, kind)?;
    n.b.output(y, "y");
    Ok(n.b.finish())
}
