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
