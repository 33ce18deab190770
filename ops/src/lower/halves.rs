//! Operations that read weights in 16 bits, and that compute in 16 bits, where those for 32 have another name.

use ocellus_plan::args::{
    ConvBf16, ConvF16, ConvF32, DepthwiseF32, DepthwiseHalf, Gru, GruHalf, Lstm, LstmHalf, Rnn, RnnHalf, element,
};
use ocellus_plan::{Arguments, Reader};

use super::program::words;
use super::{Constant, DeviceStep, DeviceTensor, Program, TensorId};

/// The step with the operation that computes in f16; `None` where there is none.
pub fn computed_in_f16(step: &DeviceStep) -> Option<DeviceStep> {
    let ConvF32 { geometry, low, high, layout } = dense(step)?;
    Some(renamed(step, made(ConvF16 { geometry, low, high, layout })))
}

/// The step with the operation that computes in bf16; `None` where there is none.
pub fn computed_in_bf16(step: &DeviceStep) -> Option<DeviceStep> {
    let ConvF32 { geometry, low, high, layout } = dense(step)?;
    Some(renamed(step, made(ConvBf16 { geometry, low, high, layout })))
}

/// The arguments of a convolution of one group.
fn dense(step: &DeviceStep) -> Option<ConvF32> {
    let args = (step.code == ConvF32::CODE).then(|| Reader::new(&step.args).get::<ConvF32>()).flatten()?;
    (args.geometry.groups == 1).then_some(args)
}

/// Gives a step the operation that reads its weights in 16 bits; nothing happens where that is the same operation, or
/// there is none.
pub fn halve(program: &mut Program, index: usize) {
    let Some(step) = program.steps.get(index) else { return };
    let Some(half) = halved(step) else { return };
    let mut half = renamed(step, half);
    if recurrent(step) {
        // Both matrices have to be constants: a step has one layout.
        let [Some(w), Some(r)] = [1, 2].map(|read| rows(program, step.reads[read]?)) else { return };
        half.reads[1..3].copy_from_slice(&[w, r].map(|values| {
            let mut tensor = DeviceTensor::new(element::F32, &[values.len()], None);
            tensor.constant = Some(Constant::Rows(values));
            Some(program.add(tensor))
        }));
    }
    program.steps[index] = half;
}

/// The operation that reads the step's weights in 16 bits.
fn halved(step: &DeviceStep) -> Option<(u16, &'static str, Vec<u32>)> {
    let (mut reader, layout) = (Reader::new(&step.args), 0);
    Some(match step.code {
        DepthwiseF32::CODE => {
            let DepthwiseF32 { geometry, low, high } = reader.get()?;
            made(DepthwiseHalf { geometry, low, high, layout })
        }
        Lstm::CODE => made(LstmHalf { layer: reader.get()?, layout }),
        Gru::CODE => made(GruHalf { layer: reader.get()?, layout }),
        Rnn::CODE => made(RnnHalf { layer: reader.get()?, layout }),
        _ => return None,
    })
}

/// Whether it reads matrices of f32 as they are: 1 and 2.
fn recurrent(step: &DeviceStep) -> bool {
    matches!(step.code, Lstm::CODE | Gru::CODE | Rnn::CODE)
}

/// The values of a constant that stands for itself; `None` for other tensors.
fn rows(program: &Program, id: TensorId) -> Option<Vec<f32>> {
    let (tensor, root) = (&program.tensors[id], &program.tensors[program.root(id)]);
    match &root.constant {
        Some(Constant::Bytes(bytes)) if tensor.element == element::F32 && tensor.bytes() == bytes.len() => {
            Some(bytes.as_chunks::<4>().0.iter().map(|&b| f32::from_le_bytes(b)).collect())
        }
        _ => None,
    }
}

/// The step as another operation.
fn renamed(step: &DeviceStep, (code, name, args): (u16, &'static str, Vec<u32>)) -> DeviceStep {
    let node = step.name.split_once(' ').map_or(String::new(), |(_, node)| format!(" {node}"));
    DeviceStep { code, name: format!("{name}{node}"), args, ..step.clone() }
}

fn made<A: Arguments>(args: A) -> (u16, &'static str, Vec<u32>) {
    (A::CODE, A::NAME, words(args))
}

#[cfg(test)]
mod tests {
    use ocellus_plan::args::ConvGeometry;

    use super::*;
    use crate::lower::f32_bytes;

    #[test]
    fn a_step_keeps_its_node_and_operands() {
        let mut p = Program::default();
        p.push("/a/dw", DepthwiseF32 { low: -1.0, ..Default::default() }, &[0], &[1, 2, 3]);
        halve(&mut p, 0);
        let step = p.steps[0].clone();
        assert_eq!((&step.name[..], step.code), ("depthwise_half /a/dw", DepthwiseHalf::CODE));
        assert_eq!(step.reads, [1, 2, 3].map(Some));
        assert_eq!(Reader::new(&step.args).get::<DepthwiseHalf>().unwrap().low, -1.0);
        halve(&mut p, 0);
        assert_eq!((&p.steps[0], computed_in_f16(&step)), (&step, None));
        let geometry = ConvGeometry { groups: 1, ..Default::default() };
        p.push("/a/conv", ConvF32 { geometry, high: 2.0, ..Default::default() }, &[0], &[1, 2, 3]);
        let step = computed_in_f16(&p.steps[1]).unwrap();
        assert_eq!((&step.name[..], step.code), ("conv_f16 /a/conv", ConvF16::CODE));
        assert_eq!(Reader::new(&step.args).get::<ConvF16>().unwrap().high, 2.0);
        let step = computed_in_bf16(&p.steps[1]).unwrap();
        assert_eq!((&step.name[..], step.code), ("conv_bf16 /a/conv", ConvBf16::CODE));
        assert_eq!(Reader::new(&step.args).get::<ConvBf16>().unwrap().high, 2.0);
    }

    #[test]
    fn constants_of_recurrent_layers_are_stored_anew() {
        let mut p = Program::default();
        let x = p.add(DeviceTensor::new(element::F32, &[2, 1, 2], None));
        let w = p.constant(element::F32, f32_bytes(&[1.0, 2.0]));
        let r = p.constant(element::F32, f32_bytes(&[3.0]));
        let layer = Rnn { hidden: 5, ..Default::default() };
        p.push("/a", layer, &[x], &[x, w, r, x]);
        // A matrix that is computed stays as it is, and the one beside it too.
        p.push("/b", layer, &[x], &[x, w, x]);
        let before = p.clone();
        (0..2).for_each(|step| halve(&mut p, step));
        let [a, b] = [&p.steps[0], &p.steps[1]];
        assert_eq!((&a.name[..], b), ("rnn_half /a", &before.steps[1]));
        assert_eq!(Reader::new(&a.args).get::<RnnHalf>().unwrap().layer, layer);
        let rows = [1, 2].map(|read| p.tensors[a.reads[read].unwrap()].constant.clone());
        assert_eq!(rows, [vec![1.0, 2.0], vec![3.0]].map(|v| Some(Constant::Rows(v))));
        assert_eq!([a.reads[0], a.reads[3]], [Some(x); 2]);
        assert_eq!(p.tensors[..3], before.tensors);
    }
}
