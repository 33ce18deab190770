//! `SpaceToDepth`: blocks of pixels become channels (ONNX SpaceToDepth-13).

use ocellus_graph::{Attributes, Shape, Tensor, ValueId};

use super::depth_to_space::{block, blocks, image, scaled};
use super::movement::MOVES;
use super::transpose::permuted;
use crate::{Builder, EvalContext, GradContext, InferContext, LowerContext, OpDef, OpError, ValueType};

pub(crate) const OP: OpDef = OpDef {
    eval: Some(eval),
    grad: Some(grad),
    quant: Some(MOVES),
    lower: Some(lower),
    ..OpDef::new("SpaceToDepth", infer)
};

fn infer(ctx: &InferContext) -> Result<Vec<ValueType>, OpError> {
    let x = ctx.input(0)?;
    let block = block(ctx.node.attributes.int("blocksize")).map_err(|e| ctx.error(e))?;
    let [n, c, h, w] = &x.shape[..] else {
        return Err(ctx.error(format!("an input of shape {} is not [N, C, H, W]", x.shape)));
    };
    let area = block.checked_mul(block).ok_or_else(|| ctx.error("blocksize is too large"))?;
    let dims = [scaled(c, area, 1), scaled(h, 1, block), scaled(w, 1, block)];
    let dims = dims.into_iter().collect::<Result<Vec<_>, _>>().map_err(|e| ctx.error(e))?;
    Ok(vec![ValueType::new(x.dtype, std::iter::once(n.clone()).chain(dims).collect::<Shape>())])
}

fn eval(ctx: &EvalContext) -> Result<Vec<Tensor>, OpError> {
    let x = ctx.input(0)?;
    let b = block(ctx.node.attributes.int("blocksize")).map_err(|e| ctx.error(e))?;
    let [n, c, h, w] = image(x.shape()).map_err(|e| ctx.error(e))?;
    let moved = x.reshaped(&[n, c, h / b, b, w / b, b]).map(|x| permuted(&x, &[0, 3, 5, 1, 2, 4]));
    let moved = moved.and_then(|x| x.reshaped(&[n, c * b * b, h / b, w / b]));
    Ok(vec![moved.map_err(|e| ctx.error(e.to_string()))?])
}

/// One copy of a box over `[N, H, W, block, block, C]` of the output.
fn lower(ctx: &mut LowerContext) -> Result<(), OpError> {
    let b = block(ctx.node.attributes.int("blocksize")).map_err(|e| ctx.error(e))?;
    let [n, c, h, w] = image(ctx.shape(0)).map_err(|e| ctx.error(e))?;
    blocks(
        ctx,
        [n, h / b, w / b, b, b, c],
        |[batch, channel, row, column]| [batch, row * b, column * b, row, column, channel],
        |[batch, channel, row, column]| [batch, row, column, channel * b * c, channel * c, channel],
    )
}

fn grad(ctx: &mut GradContext) -> Result<Vec<Option<ValueId>>, OpError> {
    let g = ctx.grad()?;
    let block = block(ctx.node.attributes.int("blocksize")).map_err(|e| ctx.error(e))?;
    Ok(vec![Some(ctx.builder.depth_to_space(g, block, "DCR")?)])
}

impl Builder {
    /// `[N, C, H, W]` to `[N, C·b², H/b, W/b]`: the pixels of a block one after the other, each with all channels.
    pub fn space_to_depth(&mut self, x: ValueId, block: usize) -> Result<ValueId, OpError> {
        self.apply(&OP, &[x], Attributes::new().with("blocksize", block as i64))
    }
}

#[cfg(test)]
mod tests {
    use ocellus_graph::DataType;

    use crate::check;

    use super::*;

    #[test]
    fn undoes_depth_to_space() {
        let x = Tensor::of(&[1, 2, 2, 4], (0u8..16).collect());
        let y = check::eval(|b, v| b.space_to_depth(v[0], 2), std::slice::from_ref(&x));
        assert_eq!(y, Tensor::of(&[1, 8, 1, 2], vec![0u8, 2, 8, 10, 1, 3, 9, 11, 4, 6, 12, 14, 5, 7, 13, 15]));
        assert_eq!(check::eval(|b, v| b.depth_to_space(v[0], 2, "DCR"), &[y]), x);
    }

    #[test]
    fn misfits_are_refused() {
        let mut b = Builder::new("t");
        let x = b.input("x", DataType::F32, &[1, 1, 3, 2]);
        assert!(b.space_to_depth(x, 2).is_err());
        let x = b.input("x", DataType::F32, &[2, 2]);
        assert!(b.space_to_depth(x, 2).is_err());
    }

    #[test]
    fn gradient() {
        check::gradient(|b, v| b.space_to_depth(v[0], 2), &[&[2, 2, 4, 2]]);
    }
}
