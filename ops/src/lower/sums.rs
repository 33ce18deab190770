//! Convolutions that compute the sum behind them too.

use ocellus_plan::args::{
    AddI8, Binary, BinaryFunction, Broadcast, ConvAddF32, ConvAddI8, ConvF32, ConvGeometry, ConvI8, element,
};
use ocellus_plan::{Arguments, Reader};

use super::DeviceStep;
use super::program::words;

/// Most output channels of such convolutions.
const CHANNELS: u32 = 512;

/// Step `first` with the sum `second` of its output, which `second` reads at place `read`, where one operation computes
/// both. It reads what `first` reads and then the other tensor, in whose memory it may write.
pub fn joined(first: &DeviceStep, second: &DeviceStep, read: usize) -> Option<DeviceStep> {
    let (code, name, args) = int8(first, second, read).or_else(|| float(first, second))?;
    let other = second.reads.get(1 - read)?.to_owned();
    let node = |step: &DeviceStep| step.name.split_once(' ').map_or(String::new(), |(_, node)| node.to_owned());
    let reads: Vec<_> = first.reads.iter().copied().chain([other]).collect();
    Some(DeviceStep {
        code,
        name: format!("{name} {} + {}", node(first), node(second)).trim_end_matches([' ', '+']).to_owned(),
        args,
        writes: second.writes.clone(),
        in_place: vec![reads.len() - 1],
        reads,
        partial: false,
        macs: first.macs,
        elementwise: None,
    })
}

type Made = (u16, &'static str, Vec<u32>);

fn made<A: Arguments>(args: A) -> Made {
    (A::CODE, A::NAME, words(args))
}

/// The arguments of a step, where it is this operation.
fn args<A: Arguments>(step: &DeviceStep) -> Option<A> {
    (step.code == A::CODE).then(|| Reader::new(&step.args).get()).flatten()
}

/// Whether an operation can hold a convolution: more pixels than one, which threads share, and not too many channels.
fn fits(g: &ConvGeometry) -> bool {
    g.batch * g.out_height * g.out_width > 1 && g.out_channels <= CHANNELS
}

/// Whether both operands lie as the output does.
fn alike(b: &Broadcast) -> bool {
    let dense = |strides: &[u32; 6]| {
        let mut distance = 1;
        let mut dense = true;
        for (&size, &stride) in b.sizes.iter().zip(strides).rev() {
            dense &= size == 1 || stride == distance;
            distance *= size;
        }
        dense
    };
    dense(&b.a_strides) && dense(&b.b_strides)
}

fn int8(first: &DeviceStep, second: &DeviceStep, read: usize) -> Option<Made> {
    let (conv, sum) = (args::<ConvI8>(first)?, args::<AddI8>(second)?);
    if !fits(&conv.geometry) || !alike(&sum.broadcast) {
        return None;
    }
    let mut operands = [(sum.a_scale, sum.a_zero_point), (sum.b_scale, sum.b_zero_point)];
    operands.rotate_left(read);
    let [(conv_scale, conv_zero_point), (other_scale, other_zero_point)] = operands;
    // The sum has to take the integers as the convolution gives them.
    (conv_zero_point == conv.output_zero_point).then(|| {
        made(ConvAddI8 {
            geometry: conv.geometry,
            input_zero_point: conv.input_zero_point,
            conv_zero_point,
            conv_low: conv.low,
            conv_high: conv.high,
            conv_scale,
            other_scale,
            other_zero_point,
            zero_point: sum.zero_point,
            low: sum.low,
            high: sum.high,
            layout: conv.layout,
        })
    })
}

fn float(first: &DeviceStep, second: &DeviceStep) -> Option<Made> {
    let (conv, sum) = (args::<ConvF32>(first)?, args::<Binary>(second)?);
    let add = sum.function == BinaryFunction::Add as u32 && sum.element == element::F32;
    (add && fits(&conv.geometry) && alike(&sum.broadcast)).then(|| {
        made(ConvAddF32 {
            geometry: conv.geometry,
            conv_low: conv.low,
            conv_high: conv.high,
            low: sum.low,
            high: sum.high,
            layout: conv.layout,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lower::Program;

    fn program(a_strides: [u32; 6], output_zero_point: i32) -> Program {
        let geometry = ConvGeometry { batch: 1, out_height: 2, out_width: 3, out_channels: 4, ..Default::default() };
        let broadcast = Broadcast { sizes: [1, 1, 1, 2, 3, 4], a_strides, b_strides: [0, 0, 0, 12, 4, 1] };
        let mut p = Program::default();
        let ids: Vec<usize> = (0..5).map(|_| p.constant(element::I8, vec![0; 24])).collect();
        p.push("conv", ConvI8 { geometry, output_zero_point, low: -9, ..Default::default() }, &[ids[1]], &[ids[0]]);
        let sum =
            AddI8 { broadcast, a_scale: 0.5, b_scale: 2.0, a_zero_point: 3, b_zero_point: 4, ..Default::default() };
        p.push("sum", sum, &[ids[4]], &[ids[3], ids[1]]);
        p
    }

    #[test]
    fn the_sum_of_an_output_is_the_same_step() {
        let p = program([24, 24, 24, 12, 4, 1], 4);
        let step = joined(&p.steps[0], &p.steps[1], 1).unwrap();
        assert_eq!(
            (&step.name[..], &step.reads[..], &step.in_place[..]),
            ("conv_add_i8 conv + sum", &[Some(0), Some(3)][..], &[1][..])
        );
        let args: ConvAddI8 = Reader::new(&step.args).get().unwrap();
        assert_eq!((args.conv_scale, args.conv_zero_point, args.conv_low), (2.0, 4, -9));
        assert_eq!((args.other_scale, args.other_zero_point), (0.5, 3));
    }

    #[test]
    fn operands_of_other_sizes_or_scales_stay_apart() {
        let broadcast = program([0, 0, 0, 0, 0, 1], 4);
        assert_eq!(joined(&broadcast.steps[0], &broadcast.steps[1], 1), None);
        let other = program([24, 24, 24, 12, 4, 1], 5);
        assert_eq!(joined(&other.steps[0], &other.steps[1], 1), None);
        assert_eq!(joined(&other.steps[1], &other.steps[0], 0), None);
    }
}
