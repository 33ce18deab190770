//! What a lowering rule sees.

use ocellus_graph::{DataType, Node, Tensor};
use ocellus_plan::Arguments;
use ocellus_plan::args::{Dequantize, Quantize, element};

use super::program::{f32_bytes, i8_bytes, i32_bytes, i64_bytes, u32_bytes};
use super::{Constant, DeviceStep, DeviceTensor, Program, Quant, TensorId};
use crate::OpError;

/// A constant behind a DequantizeLinear: integers with their scales.
#[derive(Clone, Debug, PartialEq)]
pub struct QuantizedConstant {
    /// The integers.
    pub values: Tensor,
    /// One scale, or one per index of `axis`.
    pub scales: Vec<f32>,
    /// One zero point for every scale, of the type as stored.
    pub zero_points: Vec<i32>,
    /// The axis of the scales.
    pub axis: usize,
}

impl QuantizedConstant {
    /// The scale of index `i` of the axis.
    pub fn scale(&self, i: usize) -> f32 {
        self.scales[if self.scales.len() == 1 { 0 } else { i }]
    }
}

/// An input of a node on its way to the device.
#[derive(Clone, Debug)]
pub enum LowerInput {
    /// Left out.
    Absent,
    /// Computed at run time.
    Value(TensorId),
    /// A constant.
    Constant(Tensor),
    /// A constant behind a DequantizeLinear.
    Quantized(QuantizedConstant),
}

/// What follows a node and may be computed in its last step.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Fusion {
    /// A clamp of output 0.
    pub clamp: Option<(f32, f32)>,
    /// A QuantizeLinear after that.
    pub quant: Option<Quant>,
}

/// A node on its way to device operations.
pub struct LowerContext<'a> {
    /// The node.
    pub node: &'a Node,
    /// Its inputs.
    pub inputs: Vec<LowerInput>,
    /// Shapes of its inputs, in the model's axis order.
    pub input_shapes: Vec<Vec<usize>>,
    /// Shapes and element types of its outputs.
    pub outputs: Vec<(Vec<usize>, DataType)>,
    /// What follows it.
    pub fusion: Fusion,
    /// The program so far.
    pub program: &'a mut Program,
    /// What the rule bound each output to.
    pub bound: Vec<Option<TensorId>>,
    /// Which part of the fusion the rule took: clamp, quantization.
    pub taken: (bool, bool),
}

impl LowerContext<'_> {
    /// An integer attribute, or its default.
    pub fn int(&self, name: &str, default: i64) -> i64 {
        self.node.attributes.int(name).unwrap_or(default)
    }

    /// A float attribute, or its default.
    pub fn float_attribute(&self, name: &str, default: f32) -> f32 {
        self.node.attributes.float(name).unwrap_or(default)
    }

    /// An error at this node.
    pub fn error(&self, problem: impl Into<String>) -> OpError {
        OpError::at(self.node, problem)
    }

    /// The shape of an input, in the model's axis order.
    pub fn shape(&self, index: usize) -> &[usize] {
        self.input_shapes.get(index).map_or(&[], Vec::as_slice)
    }

    /// The shape of output 0, in the model's axis order.
    pub fn output_shape(&self) -> Vec<usize> {
        self.outputs[0].0.clone()
    }

    /// Whether an input is given.
    pub fn has(&self, index: usize) -> bool {
        !matches!(self.inputs.get(index), None | Some(LowerInput::Absent))
    }

    /// The float (or integer) value of a constant input.
    pub fn constant(&self, index: usize) -> Option<Tensor> {
        match self.inputs.get(index)? {
            LowerInput::Constant(t) => Some(t.clone()),
            LowerInput::Quantized(q) => Some(q.dequantized()),
            _ => None,
        }
    }

    /// The value of an input that has to be constant.
    pub fn required_constant(&self, index: usize) -> Result<Tensor, OpError> {
        self.constant(index).ok_or_else(|| self.error(format!("input {index} has to be a constant on the device")))
    }

    /// The integers of a constant behind a DequantizeLinear.
    pub fn quantized_constant(&self, index: usize) -> Option<&QuantizedConstant> {
        match self.inputs.get(index)? {
            LowerInput::Quantized(q) => Some(q),
            _ => None,
        }
    }

    /// An input as an int8 tensor with its scale, where it is one (a constant becomes one where it has one scale).
    pub fn quantized(&mut self, index: usize) -> Option<(TensorId, Quant)> {
        let (id, quant) = self.quantized_stored(index)?;
        Some((self.in_device_order(id).ok()?, quant))
    }

    /// As [`Self::quantized`], in the order in which it is stored.
    pub fn quantized_stored(&mut self, index: usize) -> Option<(TensorId, Quant)> {
        match self.inputs.get(index)?.clone() {
            LowerInput::Value(id) => self.program.tensors[id].quant.map(|q| (id, q)),
            LowerInput::Quantized(c) => {
                let (1, DataType::I8 | DataType::U8) = (c.scales.len(), c.values.dtype()) else { return None };
                let shift = if c.values.dtype() == DataType::U8 { 128 } else { 0 };
                let quant = Quant { scale: c.scales[0], zero_point: c.zero_points[0] - shift };
                let values = c.values.to_i64().iter().map(|&v| (v - i64::from(shift)) as f64).collect::<Vec<_>>();
                let id = self.add_constant(&Tensor::from_f64(DataType::I8, c.values.shape(), &values));
                self.program.tensors[id].quant = Some(quant);
                Some((id, quant))
            }
            _ => None,
        }
    }

    /// Whether an input is an int8 that stands for floats.
    pub fn program_is_quantized(&self, index: usize) -> bool {
        matches!(self.inputs.get(index), Some(LowerInput::Value(id)) if self.program.tensors[*id].quant.is_some())
    }

    /// An input as an f32 tensor; an int8 is dequantized.
    pub fn float(&mut self, index: usize) -> Result<TensorId, OpError> {
        let id = self.float_stored(index)?;
        self.in_device_order(id)
    }

    /// As [`Self::float`], in the order in which it is stored.
    pub fn float_stored(&mut self, index: usize) -> Result<TensorId, OpError> {
        let id = self.stored(index)?;
        let tensor = &self.program.tensors[id];
        match (tensor.quant, tensor.element) {
            (Some(quant), element::I8) => {
                let mut plain = DeviceTensor::new(element::F32, &tensor.shape.clone(), None);
                plain.plain = tensor.plain;
                let len = tensor.len() as u32;
                let y = self.program.add(plain);
                let args = Dequantize { len, scale: quant.scale, zero_point: quant.zero_point };
                self.program.push(&self.node.name, args, &[y], &[id]);
                Ok(y)
            }
            (_, element::F32) => Ok(id),
            _ => Err(self.error(format!("input {index} has to be f32 on the device"))),
        }
    }

    /// A tensor in the device's order.
    fn in_device_order(&mut self, id: TensorId) -> Result<TensorId, OpError> {
        if self.program.tensors[id].plain { super::moves::reorder(self, id, false) } else { Ok(id) }
    }

    /// An input as it is, in the device's order; constants become tensors (floats where they were quantized).
    pub fn any(&mut self, index: usize) -> Result<TensorId, OpError> {
        let id = self.stored(index)?;
        self.in_device_order(id)
    }

    /// As [`Self::any`], in the order in which it is stored: what a Transpose only renames lies in the model's.
    pub fn stored(&mut self, index: usize) -> Result<TensorId, OpError> {
        match self.inputs.get(index).cloned() {
            Some(LowerInput::Value(id)) => Ok(id),
            Some(LowerInput::Constant(t)) => Ok(self.add_constant(&t)),
            Some(LowerInput::Quantized(q)) => Ok(self.add_constant(&q.dequantized())),
            _ => Err(self.error(format!("input {index} is missing"))),
        }
    }

    /// Adds a constant tensor in device order.
    pub fn add_constant(&mut self, tensor: &Tensor) -> TensorId {
        let (element, bytes): (u32, fn(&Tensor) -> Vec<u8>) = match tensor.dtype() {
            DataType::I8 => (element::I8, |t| i8_bytes(t.view().unwrap_or(&[]))),
            DataType::U8 => (element::U8, |t| t.to_le_bytes().unwrap_or_default()),
            DataType::I32 => (element::I32, |t| i32_bytes(t.view().unwrap_or(&[]))),
            DataType::I64 => (element::I64, |t| i64_bytes(t.view().unwrap_or(&[]))),
            DataType::Bool => (element::BOOL, |t| t.to_le_bytes().unwrap_or_default()),
            _ => (element::F32, |t| f32_bytes(&t.to_f32())),
        };
        let mut device = DeviceTensor::new(element, tensor.shape(), None);
        let stored = if device.in_model_order() { tensor.clone() } else { channels_last(tensor) };
        device.constant = Some(Constant::Bytes(bytes(&stored)));
        self.program.add(device)
    }

    /// Adds a constant vector of f32.
    pub fn f32s(&mut self, values: &[f32]) -> TensorId {
        self.program.constant(element::F32, f32_bytes(values))
    }

    /// Adds a constant vector of i32.
    pub fn i32s(&mut self, values: &[i32]) -> TensorId {
        self.program.constant(element::I32, i32_bytes(values))
    }

    /// Adds a constant vector of u32 (stored as i32).
    pub fn u32s(&mut self, values: &[u32]) -> TensorId {
        self.program.constant(element::I32, u32_bytes(values))
    }

    /// Adds a constant vector of i8.
    pub fn i8s(&mut self, values: &[i8]) -> TensorId {
        self.program.constant(element::I8, i8_bytes(values))
    }

    /// Adds a tensor in the arena.
    pub fn temporary(&mut self, element: u32, shape: &[usize]) -> TensorId {
        self.program.add(DeviceTensor::new(element, shape, None))
    }

    /// Emits a step.
    pub fn emit<A: Arguments>(&mut self, args: A, writes: &[TensorId], reads: &[TensorId]) -> &mut DeviceStep {
        self.program.push(&self.node.name, args, writes, reads)
    }

    /// Output 0 as an f32 tensor, bound; the clamp that follows, which the rule now has to apply.
    pub fn output_f32(&mut self) -> (TensorId, f32, f32) {
        let id = self.bind_new(0, element::F32, None);
        self.taken.0 = self.fusion.clamp.is_some();
        let (low, high) = self.fusion.clamp.unwrap_or((f32::NEG_INFINITY, f32::INFINITY));
        (id, low, high)
    }

    /// Output 0 as an f32 tensor, bound; a clamp that follows stays a step of its own.
    pub fn output_plain_f32(&mut self) -> TensorId {
        self.bind_new(0, element::F32, None)
    }

    /// Output 0 as an int8 tensor of the scale that follows, bound, with the int8 range of the clamp.
    pub fn output_i8(&mut self, quant: Quant) -> (TensorId, i32, i32) {
        let id = self.bind_new(0, element::I8, Some(quant));
        self.taken = (self.fusion.clamp.is_some(), true);
        let (low, high) = quant.range(self.fusion.clamp);
        (id, low, high)
    }

    /// A new tensor for output `index`, bound.
    pub fn bind_new(&mut self, index: usize, element: u32, quant: Option<Quant>) -> TensorId {
        let id = self.program.add(DeviceTensor::new(element, &self.outputs[index].0.clone(), quant));
        self.bound[index] = Some(id);
        id
    }

    /// Emits a table of `f` from one int8 scale to another.
    pub fn table(&mut self, x: TensorId, y: TensorId, f: impl Fn(f32) -> f32) -> Result<(), OpError> {
        let scales = self.program.tensors[x].quant.zip(self.program.tensors[y].quant);
        let (from, to) = scales.ok_or_else(|| self.error("a table needs int8 with scales"))?;
        let table = std::array::from_fn(|k| to.quantize(f(from.dequantize((k as i32 - 128) as i8))));
        self.program.push_table(&self.node.name, table, x, y);
        Ok(())
    }

    /// Binds output 0 to a moved tensor: where it is an int8 of another scale than the QuantizeLinear that follows asks
    /// for, that step requantizes it by itself.
    pub fn bind(&mut self, index: usize, tensor: TensorId) {
        self.bound[index] = Some(tensor);
    }

    /// A copy of a tensor in the arena, for outputs that are constants.
    pub fn copy_of(&mut self, x: TensorId) -> Result<TensorId, OpError> {
        let mut y = self.program.tensors[x].clone();
        (y.constant, y.alias) = (None, None);
        let len = y.len();
        let y = self.program.add(y);
        let flat =
            super::moves::Box6 { sizes: vec![len], x_strides: vec![1], y_strides: vec![1], x_offset: 0, y_offset: 0 };
        super::moves::copy(self, x, y, flat)?;
        Ok(y)
    }

    /// Emits the quantization of an f32 tensor.
    pub fn quantize(&mut self, x: TensorId, quant: Quant) -> TensorId {
        let mut y = DeviceTensor::new(element::I8, &self.program.tensors[x].shape.clone(), Some(quant));
        y.plain = self.program.tensors[x].plain;
        let y = self.program.add(y);
        let len = self.program.tensors[x].len() as u32;
        self.emit(Quantize { len, scale: quant.scale, zero_point: quant.zero_point }, &[y], &[x]);
        y
    }
}

impl QuantizedConstant {
    /// The floats that the integers stand for.
    pub fn dequantized(&self) -> Tensor {
        let shape = self.values.shape();
        let inner: usize = shape.iter().skip(self.axis + 1).product();
        let count = self.scales.len();
        let value = |(k, v): (usize, i64)| {
            let c = if count == 1 { 0 } else { k / inner.max(1) % count };
            (v - i64::from(self.zero_points[c])) as f32 * self.scales[c]
        };
        Tensor::of(shape, self.values.to_i64().into_iter().enumerate().map(value).collect::<Vec<f32>>())
    }
}

/// The elements of a rank-4 tensor in the order `[N, H, W, C]` (under the old shape).
pub(crate) fn channels_last(tensor: &Tensor) -> Tensor {
    let &[n, c, h, w] = tensor.shape() else { return tensor.clone() };
    let offsets = crate::shapes::offsets(&[n, h, w, c], &[c * h * w, w, 1, h * w]);
    if tensor.dtype().is_float() {
        let x = tensor.to_f64();
        Tensor::from_f64(tensor.dtype(), tensor.shape(), &offsets.into_iter().map(|i| x[i]).collect::<Vec<_>>())
    } else {
        let x = tensor.to_i64();
        Tensor::from_i64(tensor.dtype(), tensor.shape(), &offsets.into_iter().map(|i| x[i]).collect::<Vec<_>>())
    }
}
