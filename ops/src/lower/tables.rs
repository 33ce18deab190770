//! Convolutions that look their outputs up.

use ocellus_plan::Arguments;
use ocellus_plan::args::{ConvI8, DepthwiseI8, TableI8};

use super::DeviceStep;

/// Reads of a convolution without a table.
const READS: usize = 4;

/// Step `first` with the table `second` of all that it writes, where one operation computes both.
pub fn looked_up(first: &DeviceStep, second: &DeviceStep) -> Option<DeviceStep> {
    let convolution = matches!(first.code, ConvI8::CODE | DepthwiseI8::CODE) && first.reads.len() == READS;
    if !convolution || second.code != TableI8::CODE {
        return None;
    }
    let table = second.reads.get(1)?.to_owned();
    let node = second.name.split_once(' ').map_or("", |(_, node)| node);
    let reads = first.reads.iter().copied().chain([table]).collect();
    let name = if node.is_empty() { first.name.clone() } else { format!("{} + {node}", first.name) };
    let (writes, partial) = (second.writes.clone(), second.partial);
    Some(DeviceStep { name, writes, reads, partial, ..first.clone() })
}

#[cfg(test)]
mod tests {
    use ocellus_plan::args::element;

    use super::*;
    use crate::lower::{DeviceTensor, Program};

    #[test]
    fn a_table_is_the_last_operand_of_a_convolution() {
        let mut p = Program::default();
        let ids: Vec<usize> = (0..6).map(|_| p.add(DeviceTensor::new(element::I8, &[24], None))).collect();
        p.push("conv", ConvI8 { low: -9, ..Default::default() }, &[ids[4]], &ids[..4]).macs = 7;
        p.push_table("SiLU", [3; 256], ids[4], ids[5]);
        p.push_table("again", [3; 256], ids[5], ids[4]);
        let step = looked_up(&p.steps[0], &p.steps[1]).unwrap();
        assert_eq!((&step.name[..], &step.writes[..], step.macs), ("conv_i8 conv + SiLU", &ids[5..], 7));
        assert_eq!((&step.reads[..4], step.reads[4]), (&p.steps[0].reads[..], p.steps[1].reads[1]));
        assert_eq!((&step.args, &step.in_place[..]), (&p.steps[0].args, &[][..]));
        assert_eq!(looked_up(&step, &p.steps[2]), None);
        assert_eq!(looked_up(&p.steps[1], &p.steps[2]), None);
        assert_eq!(looked_up(&p.steps[0], &p.steps[0]), None);
    }
}
