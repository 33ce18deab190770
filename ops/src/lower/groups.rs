//! Convolutions whose groups have fewer channels than vectors have lanes: several groups as one, with weights of zero between
//! them.

use ocellus_plan::args::{ConvF32, ConvGeometry};
use ocellus_plan::{Arguments, Reader};

use super::program::words;
use super::{Constant, DeviceStep, DeviceTensor, Program};

/// An f32 convolution in groups as one in groups of so many output channels; `None` for any other step, and where groups do
/// not divide that.
pub fn in_wider_groups(program: &mut Program, step: &DeviceStep, lanes: u32) -> Option<DeviceStep> {
    let args: ConvF32 = (step.code == ConvF32::CODE).then(|| Reader::new(&step.args).get())??;
    let g = args.geometry;
    let (inputs, outputs) = (g.in_channels.checked_div(g.groups)?, g.out_channels.checked_div(g.groups)?);
    let together = lanes.checked_div(outputs)?;
    if together < 2 || !lanes.is_multiple_of(outputs) || !g.groups.is_multiple_of(together) {
        return None;
    }
    let w = step.reads.get(1).copied().flatten()?;
    let Some(Constant::ConvF32(rows, _)) = &program.tensors[w].constant else { return None };
    let geometry = ConvGeometry { groups: g.groups / together, ..g };
    let weights = spread(rows, [inputs, outputs, together].map(|n| n as usize), g.out_channels as usize);
    let mut tensor = DeviceTensor::new(program.tensors[w].element, &[weights.len()], None);
    tensor.constant = Some(Constant::ConvF32(weights, geometry));
    let mut reads = step.reads.clone();
    reads[1] = Some(program.add(tensor));
    Some(DeviceStep { args: words(ConvF32 { geometry, ..args }), reads, ..step.clone() })
}

/// Weights `[O][taps][inputs]` as `[O][taps][together * inputs]`: those of a group stand at its place among so many.
fn spread(rows: &[f32], [inputs, outputs, together]: [usize; 3], channels: usize) -> Vec<f32> {
    let row = rows.len() / channels;
    let mut all = vec![0.0; rows.len() * together];
    for (channel, (from, to)) in rows.chunks_exact(row).zip(all.chunks_exact_mut(row * together)).enumerate() {
        let place = channel / outputs % together * inputs;
        for (from, to) in from.chunks_exact(inputs).zip(to.chunks_exact_mut(inputs * together)) {
            to[place..place + inputs].copy_from_slice(from);
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use ocellus_plan::args::element;

    use super::*;

    fn program(groups: u32) -> (Program, DeviceStep) {
        let geometry = ConvGeometry { in_channels: 12, out_channels: 12, groups, ..Default::default() };
        let mut p = Program::default();
        let rows: Vec<f32> = (0..12 * 2 * 12 / groups).map(|k| k as f32 + 1.0).collect();
        let [x, y, w] = [0; 3].map(|_| p.add(DeviceTensor::new(element::F32, &[rows.len()], None)));
        p.tensors[w].constant = Some(Constant::ConvF32(rows, geometry));
        let step = p.push("conv", ConvF32 { geometry, ..Default::default() }, &[y], &[x, w]).clone();
        (p, step)
    }

    #[test]
    fn weights_stand_among_those_of_other_groups() {
        let (mut p, step) = program(6);
        let wide = in_wider_groups(&mut p, &step, 4).unwrap();
        let args: ConvF32 = Reader::new(&wide.args).get().unwrap();
        assert_eq!(args.geometry.groups, 3);
        let Some(Constant::ConvF32(rows, _)) = &p.tensors[wide.reads[1].unwrap()].constant else { panic!() };
        assert_eq!(rows[..8], [1.0, 2.0, 0.0, 0.0, 3.0, 4.0, 0.0, 0.0]);
        assert_eq!(rows[16..24], [0.0, 0.0, 9.0, 10.0, 0.0, 0.0, 11.0, 12.0]);
    }

    #[test]
    fn groups_that_do_not_divide_stay() {
        for (groups, lanes) in [(6, 2), (6, 5), (4, 4), (3, 16), (1, 16)] {
            let (mut p, step) = program(groups);
            assert_eq!(in_wider_groups(&mut p, &step, lanes), None, "{groups} {lanes}");
        }
    }
}
