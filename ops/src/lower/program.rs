//! The program that lowering rules build: device tensors and steps, before memory is placed.

use std::fmt;
use std::rc::Rc;

use ocellus_plan::args::{ConvGeometry, TableI8, element};
use ocellus_plan::{Arguments, HostType};

/// The place of a tensor in [`Program::tensors`].
pub type TensorId = usize;

/// Scale and zero point of a logical int8.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Quant {
    /// Scale, finite, normal and positive.
    pub scale: f32,
    /// Zero point of the logical int8, -128 to 127.
    pub zero_point: i32,
}

impl Quant {
    /// The least and greatest int8 that a clamp to `[low, high]` leaves.
    pub fn range(self, clamp: Option<(f32, f32)>) -> (i32, i32) {
        let (low, high) = clamp.unwrap_or((f32::NEG_INFINITY, f32::INFINITY));
        let bound = |v: f32| {
            (f64::from(v / self.scale).round_ties_even().clamp(-1e6, 1e6) as i32 + self.zero_point).clamp(-128, 127)
        };
        (bound(low), bound(high))
    }

    /// `x` quantized by the numeric contract.
    pub fn quantize(self, x: f32) -> i8 {
        let v = x / self.scale;
        let v = if v.is_nan() { 0.0 } else { v };
        let (low, high) = ((-128 - self.zero_point) as f32, (127 - self.zero_point) as f32);
        (v.clamp(low, high).round_ties_even() as i32 + self.zero_point) as i8
    }

    /// The value of `q`.
    pub fn dequantize(self, q: i8) -> f32 {
        (i32::from(q) - self.zero_point) as f32 * self.scale
    }
}

/// A tensor of the device: in the arena, or a constant in the weights.
#[derive(Clone, Debug, PartialEq)]
pub struct DeviceTensor {
    /// Sizes in the model's axis order. Rank 4 is stored `[N, H, W, C]` unless `plain`.
    pub shape: Vec<usize>,
    /// Element type, of [`element`].
    pub element: u32,
    /// Scale and zero point, where it is an int8 that stands for floats.
    pub quant: Option<Quant>,
    /// Whether a rank-4 tensor is stored in the model's axis order all the same.
    pub plain: bool,
    /// Its bytes in device order, where it is a constant.
    pub constant: Option<Constant>,
    /// The tensor whose memory this one is (same bytes under another shape, or a part of them).
    pub alias: Option<TensorId>,
    /// Its first byte within that memory.
    pub start: usize,
}

/// The content of a constant.
#[derive(Clone, Debug, PartialEq)]
pub enum Constant {
    /// Bytes as they are.
    Bytes(Vec<u8>),
    /// int8 convolution weights `[O][KH][KW][I / groups]`; the compiler chooses the layout.
    ConvI8(Vec<i8>, ConvGeometry),
    /// int8 weights of a transposed convolution `[O][KH][KW][I / groups]`; the compiler chooses the layout.
    ConvTransposeI8(Vec<i8>, ConvGeometry),
    /// f32 convolution weights `[O][KH][KW][I / groups]`; the compiler chooses the layout.
    ConvF32(Vec<f32>, ConvGeometry),
    /// f32 weights of a transposed convolution `[O][KH][KW][I / groups]`; the compiler chooses the layout.
    ConvTransposeF32(Vec<f32>, ConvGeometry),
    /// f32 taps `[KH][KW][C]`; the compiler chooses what they are stored in.
    Floats(Vec<f32>),
    /// f32 matrices `[O][I]`; the compiler chooses what they are stored in.
    Rows(Vec<f32>),
    /// int8 matrices of integer products, which the compiler packs.
    Product(ProductWeights),
}

/// int8 matrices `[outputs][inputs]`, any number of them one after the other, with a scale and a zero point for every row.
#[derive(Clone, Debug, PartialEq)]
pub struct ProductWeights {
    /// Columns of a matrix.
    pub inputs: usize,
    /// Rows of a matrix.
    pub outputs: usize,
    /// The integers.
    pub rows: Vec<i8>,
    /// Scale of every row of every matrix.
    pub scales: Vec<f32>,
    /// Zero point of every row of every matrix.
    pub zero_points: Vec<i32>,
}

/// Bytes of an element.
pub fn element_bytes(e: u32) -> usize {
    match e {
        element::F32 | element::I32 => 4,
        element::I64 => 8,
        _ => 1,
    }
}

/// The host type of an element.
pub fn host_type(e: u32) -> HostType {
    match e {
        element::F32 => HostType::F32,
        element::I8 => HostType::I8,
        element::U8 => HostType::U8,
        element::I32 => HostType::I32,
        element::I64 => HostType::I64,
        _ => HostType::Bool,
    }
}

impl DeviceTensor {
    /// A tensor in the arena.
    pub fn new(element: u32, shape: &[usize], quant: Option<Quant>) -> Self {
        Self { shape: shape.to_vec(), element, quant, plain: false, constant: None, alias: None, start: 0 }
    }

    /// Elements.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether it holds no element.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes in memory, unpacked.
    pub fn bytes(&self) -> usize {
        self.len() * element_bytes(self.element)
    }

    /// The model axes in the order of storage, outermost first.
    pub fn order(&self) -> Vec<usize> {
        if self.shape.len() == 4 && !self.plain { vec![0, 2, 3, 1] } else { (0..self.shape.len()).collect() }
    }

    /// The distance in elements between neighbours along every model axis.
    pub fn strides(&self) -> Vec<usize> {
        let mut strides = vec![0; self.shape.len()];
        let mut step = 1;
        for &axis in self.order().iter().rev() {
            strides[axis] = step;
            step *= self.shape[axis];
        }
        strides
    }

    /// Whether both storage orders are the same: true for all but rank-4 tensors with channels and pixels.
    pub fn orders_agree(&self) -> bool {
        match self.shape[..] {
            [_, c, h, w] => c == 1 || h * w == 1,
            _ => true,
        }
    }

    /// Whether the elements lie in the model's order.
    pub fn in_model_order(&self) -> bool {
        self.plain || self.orders_agree()
    }
}

/// One device operation before its operands have addresses.
#[derive(Clone, Debug, PartialEq)]
pub struct DeviceStep {
    /// The operation's number.
    pub code: u16,
    /// The operation's name with the node it comes from.
    pub name: String,
    /// Its arguments. Where a read is a constant whose layout the compiler chooses, the last word is the layout, but for
    /// weights in 32 bits that need none.
    pub args: Vec<u32>,
    /// What it writes: outputs, then scratch.
    pub writes: Vec<TensorId>,
    /// What it reads; `None` where an operand is absent.
    pub reads: Vec<Option<TensorId>>,
    /// The reads that may share their memory with write 0, best first.
    pub in_place: Vec<usize>,
    /// Whether write 0 keeps what was in it (a part of it is written).
    pub partial: bool,
    /// Multiply-accumulate operations.
    pub macs: u64,
    /// The function that every element of write 0 is of the same element of all reads, where these are int8 and stored alike.
    pub elementwise: Option<Elementwise>,
}

impl DeviceStep {
    /// The node that it comes from; empty where that is not known.
    pub fn node(&self) -> &str {
        self.name.split_once(' ').map_or("", |(_, node)| node)
    }
}

/// A function of int8 elements, one of every read that is no constant.
#[derive(Clone)]
pub struct Elementwise {
    /// How many elements it takes.
    pub arity: usize,
    function: Rc<dyn Fn(&[i8]) -> i8>,
}

impl Elementwise {
    /// This function.
    pub fn new(arity: usize, function: impl Fn(&[i8]) -> i8 + 'static) -> Self {
        Self { arity, function: Rc::new(function) }
    }

    /// Its value of as many elements as it takes.
    pub fn of(&self, elements: &[i8]) -> i8 {
        (self.function)(elements)
    }
}

impl fmt::Debug for Elementwise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Elementwise({})", self.arity)
    }
}

impl PartialEq for Elementwise {
    fn eq(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.function, &other.function)
    }
}

/// Device tensors and steps in order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Program {
    /// Every tensor.
    pub tensors: Vec<DeviceTensor>,
    /// The steps.
    pub steps: Vec<DeviceStep>,
}

impl Program {
    /// Adds a tensor.
    pub fn add(&mut self, tensor: DeviceTensor) -> TensorId {
        self.tensors.push(tensor);
        self.tensors.len() - 1
    }

    /// Adds a constant of rank 1 from little-endian bytes.
    pub fn constant(&mut self, element: u32, bytes: Vec<u8>) -> TensorId {
        let mut tensor = DeviceTensor::new(element, &[bytes.len() / element_bytes(element)], None);
        tensor.constant = Some(Constant::Bytes(bytes));
        self.add(tensor)
    }

    /// Adds a step.
    pub fn push<A: Arguments>(
        &mut self,
        node: &str,
        args: A,
        writes: &[TensorId],
        reads: &[TensorId],
    ) -> &mut DeviceStep {
        self.steps.push(DeviceStep {
            code: A::CODE,
            name: if node.is_empty() { A::NAME.to_owned() } else { format!("{} {node}", A::NAME) },
            args: words(args),
            writes: writes.to_vec(),
            reads: reads.iter().copied().map(Some).collect(),
            in_place: Vec::new(),
            partial: false,
            macs: 0,
            elementwise: None,
        });
        self.steps.last_mut().expect("a step was just pushed")
    }

    /// The step that makes all of tensor `id`, where it is one.
    pub fn producer(&self, id: TensorId) -> Option<&DeviceStep> {
        let mut makers = self.steps.iter().filter(|s| s.writes.contains(&id));
        let step = makers.next().filter(|s| s.writes[0] == id && !s.partial)?;
        if makers.next().is_some() { None } else { Some(step) }
    }

    /// Drops the steps whose results nobody reads; `outputs` are read.
    pub fn remove_dead(&mut self, outputs: &[TensorId]) {
        let mut read = vec![false; self.tensors.len()];
        outputs.iter().for_each(|&t| read[self.root(t)] = true);
        let mut kept = Vec::with_capacity(self.steps.len());
        for step in std::mem::take(&mut self.steps).into_iter().rev() {
            if step.writes.iter().any(|&t| read[self.root(t)]) {
                step.reads.iter().flatten().for_each(|&t| read[self.root(t)] = true);
                kept.push(step);
            }
        }
        kept.reverse();
        self.steps = kept;
    }

    /// Adds the step that looks every int8 of `x` up, `table[q + 128]` for `q`.
    pub fn push_table(&mut self, node: &str, table: [i8; 256], x: TensorId, y: TensorId) -> &mut DeviceStep {
        let values = self.constant(element::I8, i8_bytes(&table));
        let len = self.tensors[x].len() as u32;
        let step = self.push(node, TableI8 { len }, &[y], &[x, values]);
        // The table belongs to the function.
        step.elementwise = Some(Elementwise::new(1, move |x| table[(i32::from(x[0]) + 128) as usize]));
        step.in_place = vec![0];
        step
    }

    /// The tensor whose memory `id` uses.
    pub fn root(&self, mut id: TensorId) -> TensorId {
        while let Some(next) = self.tensors[id].alias {
            id = next;
        }
        id
    }
}

/// Arguments as a plan holds them.
pub(super) fn words<A: Arguments>(args: A) -> Vec<u32> {
    let mut words = Vec::with_capacity(A::WORDS);
    args.put(&mut |w| words.push(w));
    words
}

/// Little-endian bytes of numbers.
macro_rules! le_bytes {
    ($($name:ident: $type:ty),*) => {
        $(/// Little-endian bytes.
        pub fn $name(values: &[$type]) -> Vec<u8> {
            values.iter().flat_map(|v| v.to_le_bytes()).collect()
        })*
    };
}

le_bytes!(f32_bytes: f32, i32_bytes: i32, u32_bytes: u32, i64_bytes: i64, i8_bytes: i8);
