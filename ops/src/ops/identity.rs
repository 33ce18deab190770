//! `Identity`: its input (ONNX Identity-21, of tensors).

use ocellus_graph::{Attributes, ValueId};

use super::elementwise::same_as_input;
use super::movement::MOVES;
use crate::{Builder, Fold, OpDef, OpError};

pub(crate) const OP: OpDef = OpDef {
    eval: Some(|ctx| Ok(vec![ctx.input(0)?.clone()])),
    grad: Some(|ctx| Ok(vec![Some(ctx.grad()?)])),
    quant: Some(MOVES),
    fold: Fold::Identity,
    lower: Some(crate::lower::moves::reshape),
    ..OpDef::new("Identity", same_as_input)
};

impl Builder {
    /// `x` under another name.
    pub fn identity(&mut self, x: ValueId) -> Result<ValueId, OpError> {
        self.apply(&OP, &[x], Attributes::new())
    }
}

#[cfg(test)]
mod tests {
    use ocellus_graph::{Tensor, TensorData};

    use crate::check;

    #[test]
    fn passes_anything_on() {
        let text = Tensor::new(&[1], TensorData::String(vec!["word".into()])).unwrap();
        assert_eq!(check::eval(|b, v| b.identity(v[0]), std::slice::from_ref(&text)), text);
    }

    #[test]
    fn gradient() {
        check::gradient(|b, v| b.identity(v[0]), &[&[2, 2]]);
    }
}
