//! `Hardmax`: 1 at the first greatest element of each line along one axis, 0 elsewhere (ONNX Hardmax-13).

use ocellus_graph::{Attributes, ValueId};

use super::along_axis::{eval, infer, upgrade};
use super::elementwise::{no_grad, ranged};
use crate::{Builder, OpDef, OpError};

pub(crate) const OP: OpDef = OpDef {
    eval: Some(|ctx| eval(ctx, hardmax)),
    grad: Some(no_grad),
    quant: Some(ranged(0.0, 1.0)),
    upgrade: Some(upgrade),
    ..OpDef::new("Hardmax", infer)
};

fn hardmax(line: &mut [f64]) {
    let greatest = (0..line.len()).fold(0, |best, i| if line[i] > line[best] { i } else { best });
    line.iter_mut().enumerate().for_each(|(i, v)| *v = f64::from(u8::from(i == greatest)));
}

impl Builder {
    /// 1 at the first greatest element along `axis`, 0 elsewhere.
    pub fn hardmax(&mut self, x: ValueId, axis: i64) -> Result<ValueId, OpError> {
        self.apply(&OP, &[x], Attributes::new().with("axis", axis))
    }
}

#[cfg(test)]
mod tests {
    use ocellus_graph::Tensor;

    use crate::check;

    #[test]
    fn the_first_of_equals_wins() {
        let x = Tensor::of(&[2, 3], vec![3f32, 3., 1., -1., 0., 0.]);
        let y = check::eval(|b, v| b.hardmax(v[0], -1), std::slice::from_ref(&x));
        assert_eq!(y, Tensor::of(&[2, 3], vec![1f32, 0., 0., 0., 1., 0.]));
        let y = check::eval(|b, v| b.hardmax(v[0], 0), &[x]);
        assert_eq!(y, Tensor::of(&[2, 3], vec![1f32, 1., 1., 0., 0., 0.]));
    }
}
