//! Float convolutions that take a product or a sum with constants behind them into their weights.

use ocellus_plan::args::{Binary, BinaryFunction, Broadcast, ConvF32, element};
use ocellus_plan::{Arguments, Reader};

use super::program::{f32_bytes, words};
use super::{Constant, DeviceStep, DeviceTensor, Program, TensorId};

/// Step `first`, a float convolution, with the function `second` of its output, which `second` reads at place `read`, where the other
/// operand is a constant for every channel or for all: then weights and bias do both.
pub fn absorbed(program: &mut Program, first: &DeviceStep, second: &DeviceStep, read: usize) -> Option<DeviceStep> {
    let conv: ConvF32 = (first.code == ConvF32::CODE).then(|| Reader::new(&first.args).get())??;
    let function: Binary = (second.code == Binary::CODE).then(|| Reader::new(&second.args).get())??;
    let plain = (conv.low, conv.high) == (f32::NEG_INFINITY, f32::INFINITY) && function.element == element::F32;
    let channels = conv.geometry.out_channels as usize;
    let per_channel = operands_fit(&function.broadcast, read, channels);
    let values = constant(program, (*second.reads.get(1 - read)?)?)?;
    if !plain || !(values.len() == 1 || values.len() == channels && per_channel) {
        return None;
    }
    let [x, w, bias] = first.reads[..] else { return None };
    let (Constant::ConvF32(rows, shape), bias) = (program.tensors[w?].constant.clone()?, constant(program, bias?)?)
    else {
        return None;
    };
    let value = |channel: usize| values[channel % values.len()];
    let (rows, bias): (Vec<f32>, Vec<f32>) = match function.function {
        f if f == BinaryFunction::Add as u32 => (rows, bias.iter().enumerate().map(|(o, b)| b + value(o)).collect()),
        f if f == BinaryFunction::Mul as u32 => {
            let row = rows.len() / channels.max(1);
            let scaled = rows.iter().enumerate().map(|(k, w)| w * value(k / row.max(1))).collect();
            (scaled, bias.iter().enumerate().map(|(o, b)| b * value(o)).collect())
        }
        _ => return None,
    };
    let mut weights = DeviceTensor::new(element::F32, &[rows.len()], None);
    weights.constant = Some(Constant::ConvF32(rows, shape));
    let (w, bias) = (program.add(weights), program.constant(element::F32, f32_bytes(&bias)));
    let node = second.name.split_once(' ').map_or("", |(_, node)| node);
    Some(DeviceStep {
        name: format!("{} + {node}", first.name).trim_end_matches([' ', '+']).to_owned(),
        args: words(ConvF32 { low: function.low, high: function.high, ..conv }),
        writes: second.writes.clone(),
        reads: vec![x, Some(w), Some(bias)],
        ..first.clone()
    })
}

/// The floats of a constant that is all of its memory.
pub(super) fn constant(program: &Program, tensor: TensorId) -> Option<Vec<f32>> {
    let (view, root) = (&program.tensors[tensor], &program.tensors[program.root(tensor)]);
    let Some(Constant::Bytes(bytes)) = &root.constant else { return None };
    let whole = root.element == element::F32 && view.bytes() == bytes.len() && view.start == 0;
    whole.then(|| bytes.as_chunks::<4>().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect())
}

/// Whether the operand at place `read` lies as the output does and the other one has an element for each of the channels, which
/// are innermost.
pub(super) fn operands_fit(b: &Broadcast, read: usize, channels: usize) -> bool {
    let (own, other) = if read == 0 { (&b.a_strides, &b.b_strides) } else { (&b.b_strides, &b.a_strides) };
    let mut distance = 1;
    let axes = b.sizes.iter().zip(own).zip(other).rev();
    axes.enumerate().all(|(k, ((&size, &own), &other))| {
        let dense = size == 1 || own == distance;
        distance *= size;
        dense && if k == 0 { size as usize == channels && (other == 1 || size == 1) } else { size == 1 || other == 0 }
    })
}

#[cfg(test)]
mod tests {
    use ocellus_plan::args::ConvGeometry;

    use super::*;

    /// A pointwise convolution of two pixels of one channel to three, and a function of its output and a constant.
    fn program(function: BinaryFunction, values: &[f32], b_strides: [u32; 6]) -> Program {
        let geometry = ConvGeometry { batch: 1, out_width: 2, out_channels: 3, ..Default::default() };
        let mut p = Program::default();
        let tensor = |p: &mut Program, len: usize| p.add(DeviceTensor::new(element::F32, &[len], None));
        let (x, y, z, w) = (tensor(&mut p, 2), tensor(&mut p, 6), tensor(&mut p, 6), tensor(&mut p, 3));
        p.tensors[w].constant = Some(Constant::ConvF32(vec![1.0, 2.0, 3.0], geometry));
        let [bias, other] = [&[0.5, 0.0, -1.0][..], values].map(|v| {
            let id = p.constant(element::F32, f32_bytes(v));
            p.tensors[id].shape = vec![v.len()];
            id
        });
        let (low, high) = (f32::NEG_INFINITY, f32::INFINITY);
        p.push("conv", ConvF32 { geometry, low, high, layout: 0 }, &[y], &[x, w, bias]);
        let broadcast = Broadcast { sizes: [1, 1, 1, 1, 2, 3], a_strides: [0, 0, 0, 0, 3, 1], b_strides };
        let args = Binary { function: function as u32, element: element::F32, broadcast, low: 0.0, high: 6.0 };
        p.push("function", args, &[z], &[y, other]);
        p
    }

    /// Weights and bias of both as one, and its bounds.
    fn as_one(mut p: Program) -> Option<(Vec<f32>, Vec<f32>, [f32; 2])> {
        let (first, second) = (p.steps[0].clone(), p.steps[1].clone());
        let step = absorbed(&mut p, &first, &second, 0)?;
        assert_eq!((&step.name[..], &step.writes), ("conv_f32 conv + function", &second.writes));
        let args: ConvF32 = Reader::new(&step.args).get()?;
        let Some(Constant::ConvF32(rows, _)) = &p.tensors[step.reads[1]?].constant else { return None };
        Some((rows.clone(), constant(&p, step.reads[2]?)?, [args.low, args.high]))
    }

    #[test]
    fn weights_and_bias_take_constants() {
        let channels = [0, 0, 0, 0, 0, 1];
        let add = as_one(program(BinaryFunction::Add, &[1.0, 2.0, 4.0], channels));
        assert_eq!(add, Some((vec![1.0, 2.0, 3.0], vec![1.5, 2.0, 3.0], [0.0, 6.0])));
        let mul = as_one(program(BinaryFunction::Mul, &[1.0, 2.0, 4.0], channels));
        assert_eq!(mul, Some((vec![1.0, 4.0, 12.0], vec![0.5, 0.0, -4.0], [0.0, 6.0])));
        let scalar = as_one(program(BinaryFunction::Mul, &[2.0], [0; 6]));
        assert_eq!(scalar, Some((vec![2.0, 4.0, 6.0], vec![1.0, 0.0, -2.0], [0.0, 6.0])));
    }

    #[test]
    fn other_functions_and_constants_of_pixels_stay_apart() {
        assert_eq!(as_one(program(BinaryFunction::Sub, &[1.0, 2.0, 4.0], [0, 0, 0, 0, 0, 1])), None);
        assert_eq!(as_one(program(BinaryFunction::Add, &[1.0, 2.0], [0, 0, 0, 0, 1, 0])), None);
        let mut clamped = program(BinaryFunction::Add, &[1.0], [0; 6]);
        let conv: ConvF32 = Reader::new(&clamped.steps[0].args).get().unwrap();
        clamped.steps[0].args = words(ConvF32 { low: 0.0, ..conv });
        assert_eq!(as_one(clamped), None);
    }
}
