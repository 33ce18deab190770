//! Convolutions of bytes that go on to real numbers: what dynamic quantization makes of a layer.

use ocellus_plan::args::{Binary, BinaryFunction, Cast, ConvDynamic, ConvInteger, element};
use ocellus_plan::{Arguments, Reader};

use super::affine::{constant, operands_fit};
use super::program::{f32_bytes, words};
use super::{DeviceStep, Program, TensorId};

/// Step `first`, a convolution of bytes, with the step `second` of its output, which that reads at place `read`: a conversion to
/// float, then a product with a scale, and a sum with a bias.
pub fn scaled(program: &mut Program, first: &DeviceStep, second: &DeviceStep, read: usize) -> Option<DeviceStep> {
    let (args, reads) = match first.code {
        ConvInteger::CODE => converted(program, first, second)?,
        ConvDynamic::CODE => changed(program, first, second, read)?,
        _ => return None,
    };
    let node = first.name.split_once(' ').map_or("", |(_, node)| node);
    Some(DeviceStep {
        name: format!("{} {node}", ConvDynamic::NAME),
        code: ConvDynamic::CODE,
        args: words(args),
        writes: second.writes.clone(),
        reads,
        ..first.clone()
    })
}

/// Sums as floats: the scale is 1, the bias 0.
fn converted(
    program: &mut Program,
    first: &DeviceStep,
    second: &DeviceStep,
) -> Option<(ConvDynamic, Vec<Option<TensorId>>)> {
    let conv: ConvInteger = Reader::new(&first.args).get()?;
    let cast: Cast = (second.code == Cast::CODE).then(|| Reader::new(&second.args).get())??;
    let [x, w, zero] = first.reads[..] else { return None };
    if cast.to != element::F32 {
        return None;
    }
    let scale = numbers(program, &[1.0]);
    let bias = numbers(program, &vec![0.0; conv.geometry.out_channels as usize]);
    let ConvInteger { geometry, signed } = conv;
    let args = ConvDynamic { geometry, signed, scales: 1, low: f32::NEG_INFINITY, high: f32::INFINITY };
    Some((args, vec![x, w, Some(scale), Some(bias), zero]))
}

/// With a product that stands for the scale, or a sum that stands for the bias.
fn changed(
    program: &mut Program,
    first: &DeviceStep,
    second: &DeviceStep,
    read: usize,
) -> Option<(ConvDynamic, Vec<Option<TensorId>>)> {
    let conv: ConvDynamic = Reader::new(&first.args).get()?;
    let function: Binary = (second.code == Binary::CODE).then(|| Reader::new(&second.args).get())??;
    let unbounded = (conv.low, conv.high) == (f32::NEG_INFINITY, f32::INFINITY);
    let channels = conv.geometry.out_channels as usize;
    let other = (*second.reads.get(1_usize.checked_sub(read)?)?)?;
    let len = program.tensors[other].len();
    if !unbounded
        || function.element != element::F32
        || !(len == 1 || operands_fit(&function.broadcast, read, channels))
    {
        return None;
    }
    let [x, w, scale, bias, zero] = first.reads[..] else { return None };
    // A bias of zero changes no product, and nothing is added twice.
    let is = |tensor: Option<TensorId>, number: f32| {
        tensor.and_then(|t| constant(program, t)).is_some_and(|all| all.iter().all(|&v| v == number))
    };
    if !is(bias, 0.0) {
        return None;
    }
    let unscaled = is(scale, 1.0);
    let bounded = ConvDynamic { low: function.low, high: function.high, ..conv };
    match function.function {
        f if f == BinaryFunction::Mul as u32 && unscaled => (len == 1 || len == channels)
            .then_some((ConvDynamic { scales: len as u32, ..bounded }, vec![x, w, Some(other), bias, zero])),
        f if f == BinaryFunction::Add as u32 => {
            let each = match constant(program, other) {
                Some(all) if len == 1 => numbers(program, &vec![all[0]; channels]),
                _ if len == channels => other,
                _ => return None,
            };
            Some((bounded, vec![x, w, scale, Some(each), zero]))
        }
        _ => None,
    }
}

/// A constant of these numbers.
fn numbers(program: &mut Program, all: &[f32]) -> TensorId {
    let id = program.constant(element::F32, f32_bytes(all));
    program.tensors[id].shape = vec![all.len()];
    id
}

#[cfg(test)]
mod tests {
    use ocellus_plan::args::{Broadcast, ConvGeometry};

    use super::super::DeviceTensor;
    use super::*;

    /// A convolution of bytes to three channels of two pixels, as floats times a scale of so many numbers, plus a bias, bounded.
    fn program(scales: usize) -> Program {
        let geometry = ConvGeometry { batch: 1, out_width: 2, out_channels: 3, ..Default::default() };
        let mut p = Program::default();
        let tensor = |p: &mut Program, element, len: usize| p.add(DeviceTensor::new(element, &[len], None));
        let [x, w, zero] = [element::U8, element::I8, element::U8].map(|element| tensor(&mut p, element, 1));
        let (sums, scale) = (tensor(&mut p, element::I32, 6), tensor(&mut p, element::F32, scales));
        let [real, product, y] = [(); 3].map(|()| tensor(&mut p, element::F32, 6));
        let bias = numbers(&mut p, &[1.0, 2.0, 3.0]);
        p.push("layer", ConvInteger { geometry, signed: 1 }, &[sums], &[x, w, zero]);
        p.push("cast", Cast { len: 6, from: element::I32, to: element::F32 }, &[real], &[sums]);
        let (a_strides, channels) = ([0, 0, 0, 0, 3, 1], [0, 0, 0, 0, 0, 1]);
        let b_strides = if scales == 1 { [0; 6] } else { channels };
        let broadcast = Broadcast { sizes: [1, 1, 1, 1, 2, 3], a_strides, b_strides };
        let unbounded = Binary { low: f32::NEG_INFINITY, high: f32::INFINITY, ..Default::default() };
        let mul = Binary { function: BinaryFunction::Mul as u32, element: element::F32, broadcast, ..unbounded };
        p.push("scale", mul, &[product], &[real, scale]);
        let broadcast = Broadcast { b_strides: channels, ..broadcast };
        let add = Binary { function: BinaryFunction::Add as u32, low: 0.0, high: 6.0, broadcast, ..mul };
        p.push("bias", add, &[y], &[product, bias]);
        p
    }

    /// Everything as one step, as far as that goes.
    fn as_one(p: &mut Program) -> Vec<DeviceStep> {
        let mut steps = p.steps.clone();
        while let Some(step) = steps.get(1).cloned().and_then(|second| scaled(p, &steps[0], &second, 0)) {
            steps.splice(..2, [step]);
        }
        steps
    }

    #[test]
    fn a_quantized_layer_is_one_step() {
        for scales in [1, 3] {
            let mut p = program(scales);
            let (last, first) = (p.steps[3].clone(), p.steps[0].clone());
            let [step] = &as_one(&mut p)[..] else { panic!("several steps") };
            let args: ConvDynamic = Reader::new(&step.args).get().unwrap();
            assert_eq!((args.scales, args.low, args.high, args.signed), (scales as u32, 0.0, 6.0, 1));
            assert_eq!((&step.name[..], &step.writes), ("conv_dynamic layer", &last.writes));
            let want = [first.reads[0], first.reads[1], p.steps[2].reads[1], last.reads[1], first.reads[2]];
            assert_eq!(step.reads, want);
        }
    }

    #[test]
    fn what_is_no_scale_or_bias_of_channels_stays() {
        // Two scales for three channels, and a second product.
        assert_eq!(as_one(&mut program(2)).len(), 3);
        let mut p = program(1);
        p.steps[3] = p.steps[2].clone();
        assert_eq!(as_one(&mut p).len(), 2);
        // A bound before the bias.
        let mut p = program(1);
        let mul: Binary = Reader::new(&p.steps[2].args).get().unwrap();
        p.steps[2].args = words(Binary { low: 0.0, ..mul });
        assert_eq!(as_one(&mut p).len(), 2);
    }
}
