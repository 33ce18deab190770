//! `HardSwish`: `x * clip(x / 6 + 1/2, 0, 1)` (ONNX HardSwish-14; Howard et al. 2019).

use ocellus_graph::{Attributes, ValueId};
use ocellus_plan::args::UnaryFunction;

use super::elementwise::{TABLE, eval_unary, float_unary, unary_grad};
use crate::{Builder, GradContext, OpDef, OpError};

pub(crate) const OP: OpDef = OpDef {
    eval: Some(|ctx| eval_unary(ctx, |x| x * (x / 6.0 + 0.5).clamp(0.0, 1.0))),
    grad: Some(grad),
    quant: Some(TABLE),
    lower: Some(|ctx| crate::lower::unary::lower(ctx, UnaryFunction::HardSwish, 0.0, 0.0)),
    ..OpDef::new("HardSwish", float_unary)
};

/// `dx = g * (h + x / 6 * [0 < h < 1])` with `h = clip(x / 6 + 1/2, 0, 1)`.
fn grad(ctx: &mut GradContext) -> Result<Vec<Option<ValueId>>, OpError> {
    unary_grad(ctx, |b, x, _| {
        let h = b.hard_sigmoid(x, 1.0 / 6.0, 0.5)?;
        let inside = b.strictly_inside_unit(h)?;
        let sixth = b.scale_by(x, 1.0 / 6.0)?;
        let rise = b.mul(sixth, inside)?;
        b.add(h, rise)
    })
}

impl Builder {
    /// `x * clip(x / 6 + 1/2, 0, 1)`.
    pub fn hard_swish(&mut self, x: ValueId) -> Result<ValueId, OpError> {
        self.apply(&OP, &[x], Attributes::new())
    }
}

#[cfg(test)]
mod tests {
    use ocellus_graph::Tensor;

    use crate::check;

    #[test]
    fn values() {
        let y = check::eval(|b, v| b.hard_swish(v[0]), &[Tensor::vector(&[-4f32, -3.0, 0.0, 3.0, 5.0])]);
        assert_eq!(y, Tensor::vector(&[-0f32, -0.0, 0.0, 3.0, 5.0]));
    }

    #[test]
    fn gradient() {
        check::gradient_at(|b, v| b.hard_swish(v[0]), &[Tensor::vector(&[-5f64, -2.5, -1.0, 0.0, 1.0, 2.75, 4.0])]);
    }
}
