//! Operations that read weights in 16 bits, and that compute in 16 bits, where those for 32 have another name.

use ocellus_plan::args::{ConvF16, ConvF32, DepthwiseF32, DepthwiseHalf};
use ocellus_plan::{Arguments, Reader};

use super::DeviceStep;
use super::program::words;

/// The step with the operation that computes in f16; `None` where there is none.
pub fn computed_in_f16(step: &DeviceStep) -> Option<DeviceStep> {
    let args = (step.code == ConvF32::CODE).then(|| Reader::new(&step.args).get::<ConvF32>()).flatten()?;
    let ConvF32 { geometry, low, high, .. } = args;
    (geometry.groups == 1).then(|| renamed(step, made(ConvF16 { geometry, low, high, layout: 0 })))
}

/// The step with the operation that reads its weights in 16 bits; `None` where that is the same operation, or there is none.
pub fn halved(step: &DeviceStep) -> Option<DeviceStep> {
    if step.code != DepthwiseF32::CODE {
        return None;
    }
    let DepthwiseF32 { geometry, low, high } = Reader::new(&step.args).get()?;
    Some(renamed(step, made(DepthwiseHalf { geometry, low, high, layout: 0 })))
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
    use crate::lower::Program;

    #[test]
    fn a_step_keeps_its_node_and_operands() {
        let mut p = Program::default();
        p.push("/a/dw", DepthwiseF32 { low: -1.0, ..Default::default() }, &[0], &[1, 2, 3]);
        let step = halved(&p.steps[0]).unwrap();
        assert_eq!(
            (&step.name[..], step.code, &step.reads),
            ("depthwise_half /a/dw", DepthwiseHalf::CODE, &p.steps[0].reads)
        );
        assert_eq!(Reader::new(&step.args).get::<DepthwiseHalf>().unwrap().low, -1.0);
        assert_eq!((halved(&step), computed_in_f16(&step)), (None, None));
        let geometry = ConvGeometry { groups: 1, ..Default::default() };
        p.push("/a/conv", ConvF32 { geometry, high: 2.0, ..Default::default() }, &[0], &[1, 2, 3]);
        let step = computed_in_f16(&p.steps[1]).unwrap();
        assert_eq!((&step.name[..], step.code), ("conv_f16 /a/conv", ConvF16::CODE));
        assert_eq!(Reader::new(&step.args).get::<ConvF16>().unwrap().high, 2.0);
    }
}
