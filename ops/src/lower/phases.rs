//! Transposed convolutions as convolutions: every phase of the output, one of `stride` places in rows and in columns, is a
//! convolution of the input with every `stride`-th tap, so that all phases together are one convolution with as many times the
//! channels, whose pixels are then spread (W. Shi et al., "Is the deconvolution layer the same as a convolutional layer?",
//! 2016).

use std::ops::Range;

use ocellus_plan::args::{ConvF32, ConvGeometry, ConvI8, ConvTransposeF32, ConvTransposeI8, element};
use ocellus_plan::{Arguments, Reader};

use super::moves::{Box6, arguments};
use super::program::words;
use super::{Constant, DeviceStep, DeviceTensor, Program, TensorId, i32_bytes};

/// The phases of one axis.
struct Axis {
    /// Phases, and outputs of each (those of the last ones may be one fewer, which is left out where it is copied).
    stride: usize,
    phase: usize,
    outputs: usize,
    /// The window of the convolution that all phases share.
    kernel: usize,
    pad: usize,
    /// The tap of the transposed convolution for every phase and every tap of that window; `None` stands for zero.
    taps: Vec<Vec<Option<usize>>>,
}

impl Axis {
    /// `None` where the first input reaches no output.
    fn new(kernel: u32, stride: u32, pad: u32, outputs: u32) -> Option<Self> {
        let [kernel, stride, pad, outputs] = [kernel, stride, pad, outputs].map(|n| n as usize);
        if pad >= kernel || stride == 0 {
            return None;
        }
        // Output `stride * q + r` reads input `q + ahead(r) - m` through tap `first(r) + stride * m`.
        let (ahead, first) = (|r: usize| (r + pad) / stride, |r: usize| (r + pad) % stride);
        let count = |r: usize| kernel.saturating_sub(first(r)).div_ceil(stride);
        let behind = (0..stride).map(|r| count(r).saturating_sub(1 + ahead(r))).max()?;
        let window = behind + (0..stride).map(ahead).max()? + 1;
        let tap = |r: usize, j: usize| {
            // Tap `j` of the window reads input `q - behind + j`.
            let m = (behind + ahead(r)).checked_sub(j)?;
            Some(first(r) + stride * m).filter(|&tap| tap < kernel)
        };
        let taps = (0..stride).map(|r| (0..window).map(|j| tap(r, j)).collect()).collect();
        Some(Self { stride, phase: outputs.div_ceil(stride), outputs, kernel: window, pad: behind, taps })
    }

    /// Which outputs of a phase are spread to which phases: all of them, and the last one where not all phases have it.
    fn parts(&self) -> impl Iterator<Item = (Range<usize>, usize)> {
        let (whole, rest) = (self.outputs / self.stride, self.outputs % self.stride);
        [(0..whole, self.stride), (whole..self.phase, rest)].into_iter().filter(|(outputs, _)| !outputs.is_empty())
    }
}

/// What the phases of both axes make of a transposed convolution.
struct Phases {
    rows: Axis,
    columns: Axis,
    geometry: ConvGeometry,
    /// Output channels of the transposed convolution.
    channels: usize,
}

impl Phases {
    fn new(g: &ConvGeometry) -> Option<Self> {
        if (g.groups, g.dilation_height, g.dilation_width) != (1, 1, 1) {
            return None;
        }
        let rows = Axis::new(g.kernel_height, g.stride_height, g.pad_top, g.out_height)?;
        let columns = Axis::new(g.kernel_width, g.stride_width, g.pad_left, g.out_width)?;
        let geometry = ConvGeometry {
            out_height: rows.phase as u32,
            out_width: columns.phase as u32,
            out_channels: g.out_channels.checked_mul(g.stride_height)?.checked_mul(g.stride_width)?,
            kernel_height: rows.kernel as u32,
            kernel_width: columns.kernel as u32,
            stride_height: 1,
            stride_width: 1,
            pad_top: rows.pad as u32,
            pad_left: columns.pad as u32,
            ..*g
        };
        Some(Self { rows, columns, geometry, channels: g.out_channels as usize })
    }

    fn count(&self) -> usize {
        self.rows.stride * self.columns.stride
    }

    /// The weights `[phases][O][KH][KW][I]` from `[O][kernel height][kernel width][I]`.
    fn weights<T: Copy + Default>(&self, from: &[T], kernel_width: usize) -> Vec<T> {
        let inputs = self.geometry.in_channels as usize;
        let row = from.len() / self.channels.max(1);
        let mut all =
            Vec::with_capacity(self.count() * self.channels * self.rows.kernel * self.columns.kernel * inputs);
        for (down, across) in self.rows.taps.iter().flat_map(|d| self.columns.taps.iter().map(move |a| (d, a))) {
            for weights in from.chunks_exact(row) {
                for (kh, kw) in down.iter().flat_map(|kh| across.iter().map(move |kw| (kh, kw))) {
                    match (kh, kw) {
                        (Some(kh), Some(kw)) => {
                            all.extend_from_slice(&weights[(kh * kernel_width + kw) * inputs..][..inputs]);
                        }
                        _ => all.resize(all.len() + inputs, T::default()),
                    }
                }
            }
        }
        all
    }

    /// The copies that spread what the convolution makes.
    fn spread(&self, element: u32) -> Option<Vec<Vec<u32>>> {
        let Self { rows, columns, channels, geometry } = self;
        let all = self.count() * channels;
        let mut copies = Vec::new();
        for (down, phase_rows) in rows.parts() {
            for (across, phase_columns) in columns.parts() {
                let (line, out_line) = (columns.phase * all, columns.outputs * channels);
                let area = Box6 {
                    sizes: vec![
                        geometry.batch as usize,
                        down.len(),
                        phase_rows,
                        across.len(),
                        phase_columns * channels,
                    ],
                    x_strides: [rows.phase * line, line, columns.stride * channels, all, 1].map(|n| n as i64).to_vec(),
                    y_strides: vec![
                        rows.outputs * out_line,
                        rows.stride * out_line,
                        out_line,
                        columns.stride * channels,
                        1,
                    ],
                    x_offset: down.start * line + across.start * all,
                    y_offset: down.start * rows.stride * out_line + across.start * columns.stride * channels,
                };
                copies.push(words(arguments(element, area)?));
            }
        }
        Some(copies)
    }
}

/// The geometry of a transposed convolution; `None` for any other step.
pub fn transposed(step: &DeviceStep) -> Option<ConvGeometry> {
    let mut reader = Reader::new(&step.args);
    match step.code {
        ConvTransposeI8::CODE => reader.get::<ConvTransposeI8>().map(|a| a.geometry),
        ConvTransposeF32::CODE => reader.get::<ConvTransposeF32>().map(|a| a.geometry),
        _ => None,
    }
}

/// A transposed convolution as a convolution and copies, which compute the same; `None` for any other step, with several
/// groups or with dilation.
pub fn as_convolution(program: &mut Program, step: &DeviceStep) -> Option<Vec<DeviceStep>> {
    let g = transposed(step)?;
    let phases = Phases::new(&g)?;
    let [Some(x), Some(w), Some(bias), ..] = step.reads[..] else { return None };
    let (args, constant, bias) = match step.code {
        ConvTransposeI8::CODE => int8(program, &phases, step, w, bias)?,
        _ => float(program, &phases, step, w, bias)?,
    };
    let y = *step.writes.first()?;
    let mut weights = DeviceTensor::new(program.tensors[w].element, &[len(&constant)], None);
    weights.constant = Some(constant);
    let mut reads = vec![Some(x), Some(program.add(weights)), Some(bias)];
    if let Some(multipliers) = step.reads.get(3).copied().flatten() {
        reads.push(Some(repeated(program, multipliers, phases.count())?));
    }
    let (element, quant) = (program.tensors[y].element, program.tensors[y].quant);
    let shape = [g.batch, phases.geometry.out_channels, phases.geometry.out_height, phases.geometry.out_width];
    let between = program.add(DeviceTensor::new(element, &shape.map(|n| n as usize), quant));
    let node = step.name.split_once(' ').map_or(String::new(), |(_, node)| format!(" {node}"));
    let code = if step.code == ConvTransposeI8::CODE { ConvI8::CODE } else { ConvF32::CODE };
    let name = if code == ConvI8::CODE { ConvI8::NAME } else { ConvF32::NAME };
    let conv = DeviceStep {
        code,
        name: format!("{name}{node}"),
        args,
        writes: vec![between],
        reads,
        in_place: Vec::new(),
        ..step.clone()
    };
    let copies = phases.spread(element)?;
    let partial = copies.len() > 1;
    let copies = copies.into_iter().map(|args| DeviceStep {
        code: ocellus_plan::args::Copy::CODE,
        name: format!("{}{node}", ocellus_plan::args::Copy::NAME),
        args,
        writes: vec![y],
        reads: vec![Some(between)],
        in_place: Vec::new(),
        partial,
        macs: 0,
        elementwise: None,
    });
    Some(std::iter::once(conv).chain(copies).collect())
}

type Made = (Vec<u32>, Constant, TensorId);

fn int8(program: &mut Program, phases: &Phases, step: &DeviceStep, w: TensorId, bias: TensorId) -> Option<Made> {
    let args: ConvTransposeI8 = Reader::new(&step.args).get()?;
    let ConvTransposeI8 { geometry: g, input_zero_point, output_zero_point, low, high, .. } = args;
    let Some(Constant::ConvTransposeI8(rows, _)) = &program.tensors[w].constant else { return None };
    let weights = phases.weights(rows, g.kernel_width as usize);
    let plain = numbers(program, bias)?;
    // Here padding reads the zero point, and the bias takes it back.
    let row = weights.len() / (phases.count() * phases.channels);
    let sums = weights.chunks_exact(row).map(|w| w.iter().map(|&w| i32::from(w)).fold(0, i32::wrapping_add));
    let folded: Vec<i32> =
        sums.zip(plain.iter().cycle()).map(|(sum, b)| b.wrapping_sub(input_zero_point.wrapping_mul(sum))).collect();
    let bias = program.constant(element::I32, i32_bytes(&folded));
    let geometry = phases.geometry;
    let args = words(ConvI8 { geometry, input_zero_point, output_zero_point, low, high, layout: 0 });
    Some((args, Constant::ConvI8(weights, geometry), bias))
}

fn float(program: &mut Program, phases: &Phases, step: &DeviceStep, w: TensorId, bias: TensorId) -> Option<Made> {
    let ConvTransposeF32 { geometry: g, low, high, .. } = Reader::new(&step.args).get()?;
    let Some(Constant::ConvTransposeF32(rows, _)) = &program.tensors[w].constant else { return None };
    let weights = phases.weights(rows, g.kernel_width as usize);
    let bias = repeated(program, bias, phases.count())?;
    let geometry = phases.geometry;
    Some((words(ConvF32 { geometry, low, high, layout: 0 }), Constant::ConvF32(weights, geometry), bias))
}

/// Elements of convolution weights.
fn len(constant: &Constant) -> usize {
    match constant {
        Constant::ConvI8(rows, _) => rows.len(),
        Constant::ConvF32(rows, _) => rows.len(),
        _ => 0,
    }
}

/// The bytes of a constant of plain bytes.
fn bytes(program: &Program, tensor: TensorId) -> Option<&[u8]> {
    match &program.tensors[tensor].constant {
        Some(Constant::Bytes(bytes)) => Some(bytes),
        _ => None,
    }
}

fn numbers(program: &Program, tensor: TensorId) -> Option<Vec<i32>> {
    let (all, _) = bytes(program, tensor)?.as_chunks::<4>();
    Some(all.iter().map(|&bytes| i32::from_le_bytes(bytes)).collect())
}

/// A constant so many times, one behind the other.
fn repeated(program: &mut Program, tensor: TensorId, times: usize) -> Option<TensorId> {
    let all = bytes(program, tensor)?.repeat(times);
    let element = program.tensors[tensor].element;
    Some(program.constant(element, all))
}
