//! Operations that read weights in 16 bits, where those in 32 have another name.

use ocellus_plan::args::{DepthwiseF32, DepthwiseHalf};
use ocellus_plan::{Arguments, Reader};

use super::DeviceStep;
use super::program::words;

/// The step with the operation that reads its weights in 16 bits; `None` where that is the same operation, or there is none.
pub fn halved(step: &DeviceStep) -> Option<DeviceStep> {
    let (code, name, args) = match step.code {
        DepthwiseF32::CODE => {
            let DepthwiseF32 { geometry, low, high } = Reader::new(&step.args).get()?;
            made(DepthwiseHalf { geometry, low, high, layout: 0 })
        }
        _ => return None,
    };
    let node = step.name.split_once(' ').map_or(String::new(), |(_, node)| format!(" {node}"));
    Some(DeviceStep { code, name: format!("{name}{node}"), args, ..step.clone() })
}

fn made<A: Arguments>(args: A) -> (u16, &'static str, Vec<u32>) {
    (A::CODE, A::NAME, words(args))
}

#[cfg(test)]
mod tests {
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
        assert_eq!(halved(&step), None);
    }
}
