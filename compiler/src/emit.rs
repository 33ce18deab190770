//! From the lowered program to the bytes of a plan.

use std::collections::HashMap;

use ocellus_graph::{DataType, Graph, ValueId};
use ocellus_kernels::half::Storage;
use ocellus_kernels::{Isa, Level};
use ocellus_ops::lower::{DeviceTensor, Program, TensorId, computed_in_bf16, computed_in_f16, halve, host_type};
use ocellus_plan::args::element;
use ocellus_plan::{Axes, DeviceType, HostType, Operand, Plan, PortSpec, Space, StepSpec, Writer};

use crate::arena::{Placement, live, overlaps, place};
use crate::bands::cut;
use crate::code::code_bytes;
use crate::groups::{join_neighbours, widen};
use crate::liveness::{Memory, memory};
use crate::pack::{Refused, pack};
use crate::phases::split;
use crate::prepare::{Prepared, check};
use crate::report::{Report, StepReport};
use crate::sums::join;
use crate::tables::merge;
use crate::walk::{Lowered, lower};
use crate::{CompileError, behind, cores, lanes, moves, tails};

/// What a plan is made for.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Whose layouts the weights get, which need not be an instruction set of this machine.
    pub level: Level,
    /// Alignment of every tensor in the arena in bytes, a power of two from 8.
    pub align: usize,
    /// Whether pairs of steps may run band by band, which saves memory and makes some rows twice.
    pub bands: bool,
    /// Whether stages of steps may run band by band, which saves memory and time where there are caches.
    pub lanes: bool,
    /// How many threads are to share such bands: each needs memory of its own. 1 is a plan for one thread.
    pub threads: u32,
    /// The largest arena allowed, in bytes. Where several threads would need more, the plan is for one.
    pub max_ram: Option<usize>,
    /// What the weights of float layers are stored in.
    pub float: Storage,
    /// What float layers compute in whose weights are stored in it too, where an operation does: all others in f32.
    pub arithmetic: Storage,
    /// Whether weights keep their own size: 3x3 kernels are not stored as Winograd's transform, which is larger and faster.
    pub compact: bool,
}

impl Options {
    /// For any processor: layouts that every one reads, and whole cache lines.
    pub fn portable() -> Self {
        Self { level: Level::Portable, lanes: false, ..Self::default() }
    }
}

impl Options {
    /// What convolutions of one group compute in.
    pub(crate) fn computes(&self) -> Storage {
        if self.arithmetic == self.float { self.float } else { Storage::F32 }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            level: Isa::best().level(),
            align: 64,
            bands: false,
            lanes: true,
            threads: 2,
            max_ram: None,
            float: Storage::F32,
            arithmetic: Storage::F32,
            compact: false,
        }
    }
}

/// A plan with what is to be said of it.
#[derive(Clone, Debug)]
pub struct Compiled {
    /// The bytes of the plan.
    pub bytes: Vec<u8>,
    /// Memory and work.
    pub report: Report,
}

/// Compiles a prepared model.
///
/// # Errors
/// [`CompileError`], with every unsupported node at once.
pub fn compile(prepared: &Prepared, options: &Options) -> Result<Compiled, CompileError> {
    let model = &prepared.model;
    let unsupported = check(model);
    if !unsupported.is_empty() {
        return Err(CompileError::Unsupported(unsupported));
    }
    let (lowered, memory, placement) = best(&model.graph, options)?;
    if let Some((a, b)) = overlaps(&memory.buffers, &placement.offsets) {
        return Err(CompileError::Internal(format!("buffers {a} and {b} overlap in the arena")));
    }
    let (program, weights, packed) = (&lowered.program, Vec::new(), HashMap::new());
    let mut emitter = Emitter { program, memory: &memory, placement: &placement, options, weights, packed, layouts: 0 };
    let writer = emitter.writer(&model.graph, &lowered)?;
    let macs: u64 = lowered.program.steps.iter().map(|s| s.macs).sum();
    let float_step = float_step(&lowered.program);
    let metadata = serde_json::json!({
        "name": model.graph.name, "producer": model.producer, "metadata": model.metadata,
        "figures": { "macs": macs, "float_step": float_step },
    });
    let writer = Writer { metadata: metadata.to_string(), ..writer };
    let bytes = writer.finish();
    let report = report(&lowered.program, &memory, &placement, &writer, &bytes, options);
    if let Some(limit) = options.max_ram.filter(|&limit| report.arena_bytes > limit) {
        if options.threads > 1 {
            return compile(prepared, &Options { threads: 1, ..*options });
        }
        let peak = report.peak().iter().map(|s| format!("{} ({} bytes alive)", s.name, s.live_bytes)).collect();
        return Err(CompileError::MaxRam { needed: report.arena_bytes, limit, peak });
    }
    let plan = Plan::parse(&bytes).map_err(|e| CompileError::Internal(e.to_string()))?;
    debug_assert_eq!(plan.arena_bytes(), report.arena_bytes);
    Ok(Compiled { bytes, report })
}

/// The lowering that needs less memory, or else fewer steps: with inputs in the device's axis order or in the model's. A
/// model that takes pixels with channels last and turns them itself is better off with its own.
fn best(graph: &Graph, options: &Options) -> Result<(Lowered, Memory, Placement), CompileError> {
    let (mut lowered, memory, placement) = whole(graph, options)?;
    if options.bands || !options.lanes {
        return Ok((lowered, memory, placement));
    }
    lanes::cut(&mut lowered, options, |lowered| placed(lowered, options).1.bytes);
    if options.threads > 1
        && let Some(made) = tails::fork(&lowered)
        && placed(&made, options).1.bytes <= placed(&lowered, options).1.bytes
    {
        lowered = made;
    }
    let (memory, mut placement) = placed(&lowered, options);
    if options.threads > 1 {
        cores::settle(&lowered.program, &memory, &mut placement, options.align);
    }
    Ok((lowered, memory, placement))
}

/// The same with every step as a whole, where no pairs of them run band by band.
fn whole(graph: &Graph, options: &Options) -> Result<(Lowered, Memory, Placement), CompileError> {
    let lowering = |plain: bool| -> Result<_, CompileError> {
        let mut lowered = lower(graph, plain)?;
        merge(&mut lowered.program, &lowered.inputs, &lowered.outputs);
        if !options.bands {
            split(&mut lowered.program, options);
            widen(&mut lowered.program, options);
        }
        if options.float != Storage::F32 {
            store_in_16_bits(&mut lowered.program, options);
        }
        join(&mut lowered.program, &lowered.inputs, &lowered.outputs);
        let mut joined = lowered.clone();
        if !moves::join(&mut joined.program, &joined.inputs, &joined.outputs, options.align) {
            return Ok(alone(arranged(lowered, options), options));
        }
        let (lowered, joined) = (arranged(lowered, options), arranged(joined, options));
        Ok(alone(if joined.2.bytes <= lowered.2.bytes { joined } else { lowered }, options))
    };
    let own = lowering(false)?;
    if own.0.inputs.iter().all(|&t| own.0.program.tensors[t].orders_agree()) {
        return Ok(own);
    }
    let plain = lowering(true)?;
    let cost = |made: &(Lowered, Memory, Placement)| (made.2.bytes, made.0.program.steps.len());
    Ok(if cost(&plain) < cost(&own) { plain } else { own })
}

/// Every tensor in its place.
fn arranged(mut lowered: Lowered, options: &Options) -> (Lowered, Memory, Placement) {
    let (memory, placement) = if options.bands { cut(&mut lowered, options.align) } else { placed(&lowered, options) };
    (lowered, memory, placement)
}

/// With what stands behind convolutions as parts of them, where that takes no more memory.
fn alone(made: (Lowered, Memory, Placement), options: &Options) -> (Lowered, Memory, Placement) {
    let (mut lowered, _, placement) = made;
    if !options.bands {
        behind::join(&mut lowered.program, [&lowered.inputs, &lowered.outputs], options, placement.bytes);
        join_neighbours(&mut lowered.program, options);
    }
    arranged(lowered, options)
}

fn placed(lowered: &Lowered, options: &Options) -> (Memory, Placement) {
    let memory = memory(&lowered.program, &lowered.inputs, &lowered.outputs);
    let placement = place(&memory.buffers, options.align);
    (memory, placement)
}

/// Gives every step the operation that reads its weights in 16 bits, or computes in 16 bits.
fn store_in_16_bits(program: &mut Program, options: &Options) {
    for index in 0..program.steps.len() {
        let step = &program.steps[index];
        let computed = match options.computes() {
            Storage::F32 => None,
            Storage::F16 => computed_in_f16(step),
            Storage::Bf16 => computed_in_bf16(step),
        };
        match computed {
            Some(step) => program.steps[index] = step,
            None => halve(program, index),
        }
    }
}

struct Emitter<'a> {
    program: &'a Program,
    memory: &'a Memory,
    placement: &'a Placement,
    options: &'a Options,
    weights: Vec<u8>,
    packed: HashMap<TensorId, (Operand, Option<u32>)>,
    layouts: u32,
}

fn small(n: usize, what: &'static str) -> Result<u32, CompileError> {
    u32::try_from(n).map_err(|_| CompileError::TooLarge(what))
}

impl Emitter<'_> {
    fn writer(&mut self, graph: &Graph, lowered: &Lowered) -> Result<Writer, CompileError> {
        let mut steps = Vec::with_capacity(self.program.steps.len());
        for (i, step) in self.program.steps.iter().enumerate() {
            let mut args = step.args.clone();
            let writes = step.writes.iter().map(|&t| self.in_arena(t)).collect::<Result<_, _>>()?;
            let mut reads = Vec::with_capacity(step.reads.len());
            for (r, read) in step.reads.iter().enumerate() {
                let operand = match read {
                    None => Operand::ABSENT,
                    Some(_) if self.memory.in_place[i] == Some(r) => {
                        Operand { space: Space::InPlace, offset: 0, len: 0 }
                    }
                    Some(t) => {
                        let (operand, layout) = self.operand(*t, &step.name)?;
                        if let (Some(layout), Some(last)) = (layout, args.last_mut()) {
                            *last = layout;
                            self.layouts |= 1 << layout;
                        }
                        operand
                    }
                };
                reads.push(operand);
            }
            steps.push(StepSpec { code: step.code, name: step.name.clone(), writes, reads, args });
        }
        let ports = |ids: &[ValueId], tensors: &[TensorId]| -> Result<Vec<PortSpec>, CompileError> {
            ids.iter().zip(tensors).map(|(&id, &t)| self.port(graph, id, t)).collect()
        };
        let inputs = ports(&graph.inputs, &lowered.inputs)?;
        let outputs = ports(&graph.outputs, &lowered.outputs)?;
        Ok(Writer {
            arena_bytes: small(self.placement.bytes, "arena")?,
            arena_align: small(self.options.align, "alignment")?,
            layouts: self.layouts,
            steps,
            inputs,
            outputs,
            weights: std::mem::take(&mut self.weights),
            metadata: String::new(),
        })
    }

    fn in_arena(&self, tensor: TensorId) -> Result<Operand, CompileError> {
        if self.program.tensors[tensor].is_empty() {
            return Ok(Operand { space: Space::Arena, offset: 0, len: 0 });
        }
        let missing = || CompileError::Internal(format!("tensor {tensor} has no memory"));
        let buffer = self.memory.buffer_of[tensor].ok_or_else(missing)?;
        let offset = small(self.placement.offsets[buffer] + self.program.tensors[tensor].start, "arena")?;
        let len = small(self.program.tensors[tensor].bytes(), "tensors")?;
        Ok(Operand { space: Space::Arena, offset, len })
    }

    /// The place of a tensor that is read, and the layout of packed weights.
    fn operand(&mut self, tensor: TensorId, step: &str) -> Result<(Operand, Option<u32>), CompileError> {
        let root = self.program.root(tensor);
        let Some(constant) = &self.program.tensors[root].constant else { return Ok((self.in_arena(tensor)?, None)) };
        if let Some(&done) = self.packed.get(&root) {
            return Ok(done);
        }
        let storage = self.options.float;
        let packed = pack(constant, self.options).map_err(|refused| match refused {
            Refused::Layout => CompileError::Internal(format!("no layout holds the weights of step {step}")),
            Refused::Range(value) => CompileError::Storage { step: step.to_owned(), value, storage },
        })?;
        self.weights.resize(self.weights.len().next_multiple_of(64), 0);
        let offset = small(self.weights.len(), "weights")?;
        let len = small(packed.bytes.len(), "weights")?;
        self.weights.extend(&packed.bytes);
        let done = (Operand { space: Space::Weights, offset, len }, packed.layout);
        self.packed.insert(root, done);
        Ok(done)
    }

    fn port(&self, graph: &Graph, id: ValueId, tensor: TensorId) -> Result<PortSpec, CompileError> {
        let value = graph.value(id);
        let device = &self.program.tensors[tensor];
        let Operand { offset, len, .. } = self.in_arena(tensor)?;
        let host = match value.dtype {
            Some(DataType::F32) => HostType::F32,
            Some(DataType::U8) => HostType::U8,
            Some(DataType::I8) => HostType::I8,
            _ => host_type(device.element),
        };
        let quantized = device.quant.is_some();
        let (scale, zero_point) = device.quant.map_or((0.0, 0), |q| (q.scale, q.zero_point));
        Ok(PortSpec {
            name: value.name.clone(),
            host,
            device: if quantized { DeviceType::Quantized } else { DeviceType::Same },
            axes: if axes_differ(device) { Axes::Nhwc } else { Axes::Plain },
            shape: device.shape.iter().map(|&n| small(n, "tensors")).collect::<Result<_, _>>()?,
            offset,
            len,
            scale,
            zero_point,
        })
    }
}

fn axes_differ(tensor: &DeviceTensor) -> bool {
    tensor.shape.len() == 4 && !tensor.plain && !tensor.in_model_order()
}

/// The first step that writes floats.
fn float_step(program: &Program) -> Option<String> {
    let floats = |&t: &TensorId| program.tensors[t].element == element::F32;
    program.steps.iter().find(|s| s.writes.iter().any(floats)).map(|s| s.name.clone())
}

fn report(
    program: &Program,
    memory: &Memory,
    placement: &Placement,
    writer: &Writer,
    bytes: &[u8],
    options: &Options,
) -> Report {
    let alive = |time: usize| live(&memory.buffers, time, options.align);
    let steps = program.steps.iter().enumerate();
    Report {
        arena_bytes: placement.bytes,
        arena_lower_bound: placement.lower_bound,
        weights_bytes: writer.weights.len(),
        step_words: Plan::parse(bytes).map_or(0, |p| p.step_words()),
        plan_bytes: bytes.len(),
        macs: program.steps.iter().map(|s| s.macs).sum(),
        float_step: float_step(program),
        code_bytes: code_bytes(options.level, program.steps.iter().map(|s| s.name.as_str())),
        steps: steps
            .map(|(i, s)| StepReport { name: s.name.clone(), live_bytes: alive(i + 1), macs: s.macs })
            .collect(),
    }
}
