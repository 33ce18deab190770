//! `DepthToSpace`: channels become blocks of pixels (ONNX DepthToSpace-13).

use ocellus_graph::{Attributes, Dim, Shape, Tensor, ValueId};

use super::movement::MOVES;
use super::transpose::permuted;
use crate::lower::DeviceTensor;
use crate::lower::moves::{Box6, copy};
use crate::{Builder, EvalContext, GradContext, InferContext, LowerContext, OpDef, OpError, ValueType};

pub(crate) const OP: OpDef = OpDef {
    eval: Some(eval),
    grad: Some(grad),
    quant: Some(MOVES),
    lower: Some(lower),
    ..OpDef::new("DepthToSpace", infer)
};

/// The largest block size: its square fits.
const MOST_BLOCK: usize = 1 << 16;

/// The block size, which has to be there and positive.
pub(super) fn block(given: Option<i64>) -> Result<usize, String> {
    given
        .and_then(|n| usize::try_from(n).ok())
        .filter(|&n| (1..=MOST_BLOCK).contains(&n))
        .ok_or_else(|| "blocksize has to be there, positive, and no more than 65536".to_owned())
}

/// The four sizes of an image batch `[N, C, H, W]`.
pub(super) fn image(shape: &[usize]) -> Result<[usize; 4], String> {
    shape.try_into().map_err(|_| format!("an input of shape {shape:?} is not [N, C, H, W]"))
}

/// A size times or divided by a factor.
pub(super) fn scaled(d: &Dim, times: usize, by: usize) -> Result<Dim, String> {
    match d {
        Dim::Known(n) if n % by == 0 => {
            (n / by).checked_mul(times).map(Dim::Known).ok_or_else(|| "is larger than memory".to_owned())
        }
        Dim::Known(n) => Err(format!("a size of {n} is no multiple of {by}")),
        _ => Ok(Dim::Unknown),
    }
}

/// Whether the channels of one pixel block come first (`DCR`), or the blocks of one channel (`CRD`).
fn depth_first(mode: &str) -> Result<bool, String> {
    match mode {
        "DCR" => Ok(true),
        "CRD" => Ok(false),
        _ => Err(format!("mode {mode:?} is neither DCR nor CRD")),
    }
}

fn infer(ctx: &InferContext) -> Result<Vec<ValueType>, OpError> {
    let x = ctx.input(0)?;
    let block = block(ctx.node.attributes.int("blocksize")).map_err(|e| ctx.error(e))?;
    depth_first(&ctx.string("mode", "DCR")).map_err(|e| ctx.error(e))?;
    let [n, c, h, w] = &x.shape[..] else {
        return Err(ctx.error(format!("an input of shape {} is not [N, C, H, W]", x.shape)));
    };
    let area = block.checked_mul(block).ok_or_else(|| ctx.error("blocksize is too large"))?;
    let dims = [scaled(c, 1, area), scaled(h, block, 1), scaled(w, block, 1)];
    let dims = dims.into_iter().collect::<Result<Vec<_>, _>>().map_err(|e| ctx.error(e))?;
    Ok(vec![ValueType::new(x.dtype, std::iter::once(n.clone()).chain(dims).collect::<Shape>())])
}

/// The two shapes and the permutation between them: reshape, transpose, reshape.
fn steps([n, c, h, w]: [usize; 4], block: usize, depth_first: bool) -> ([usize; 6], [usize; 6], [usize; 4]) {
    let depth = c / (block * block);
    let shape = [n, depth, h * block, w * block];
    if depth_first {
        ([n, block, block, depth, h, w], [0, 3, 4, 1, 5, 2], shape)
    } else {
        ([n, depth, block, block, h, w], [0, 1, 4, 2, 5, 3], shape)
    }
}

fn eval(ctx: &EvalContext) -> Result<Vec<Tensor>, OpError> {
    let x = ctx.input(0)?;
    let block = block(ctx.node.attributes.int("blocksize")).map_err(|e| ctx.error(e))?;
    let depth_first = depth_first(&ctx.string("mode", "DCR")).map_err(|e| ctx.error(e))?;
    let (apart, perm, shape) = steps(image(x.shape()).map_err(|e| ctx.error(e))?, block, depth_first);
    let moved = x.reshaped(&apart).map(|x| permuted(&x, &perm)).and_then(|x| x.reshaped(&shape));
    Ok(vec![moved.map_err(|e| ctx.error(e.to_string()))?])
}

/// One copy of a box over `[N, H, block, W, block, C]` of the output.
fn lower(ctx: &mut LowerContext) -> Result<(), OpError> {
    let block = block(ctx.node.attributes.int("blocksize")).map_err(|e| ctx.error(e))?;
    let depth_first = depth_first(ctx.node.attributes.string("mode").unwrap_or("DCR")).map_err(|e| ctx.error(e))?;
    let [n, c, h, w] = image(ctx.shape(0)).map_err(|e| ctx.error(e))?;
    let depth = c / (block * block);
    let sizes = [n, h, block, w, block, depth];
    // The channel of x that goes to row i, column j and channel d of a block.
    let [per_row, per_column, per_depth] =
        if depth_first { [block * depth, depth, 1] } else { [block, 1, block * block] };
    blocks(
        ctx,
        sizes,
        |[batch, channel, row, column]| {
            [batch, row, channel * per_row, column, channel * per_column, channel * per_depth]
        },
        |[batch, channel, row, column]| [batch, row * block, row, column * block, column, channel],
    )
}

/// Copies a box between input 0 and output 0, with the strides that `x` and `y` make of those of the two tensors.
pub(super) fn blocks(
    ctx: &mut LowerContext,
    sizes: [usize; 6],
    x: impl Fn([usize; 4]) -> [usize; 6],
    y: impl Fn([usize; 4]) -> [usize; 6],
) -> Result<(), OpError> {
    let from = ctx.any(0)?;
    let tensor = &ctx.program.tensors[from];
    let image_strides = |t: &DeviceTensor| image(&t.strides());
    let to = DeviceTensor::new(tensor.element, &ctx.outputs[0].0, tensor.quant);
    let x = image_strides(tensor).map(x).map_err(|e| ctx.error(e))?;
    let y = image_strides(&to).map(y).map_err(|e| ctx.error(e))?;
    let to = ctx.program.add(to);
    let x_strides = x.iter().map(|&s| s as i64).collect();
    let area = Box6 { sizes: sizes.to_vec(), x_strides, y_strides: y.to_vec(), x_offset: 0, y_offset: 0 };
    copy(ctx, from, to, area)?;
    ctx.bind(0, to);
    Ok(())
}

/// The way back: SpaceToDepth for `DCR`, three steps for `CRD`, which it does not know.
fn grad(ctx: &mut GradContext) -> Result<Vec<Option<ValueId>>, OpError> {
    let (g, x) = (ctx.grad()?, ctx.input(0)?);
    let block = block(ctx.node.attributes.int("blocksize")).map_err(|e| ctx.error(e))?;
    if depth_first(&ctx.string("mode", "DCR")).map_err(|e| ctx.error(e))? {
        return Ok(vec![Some(ctx.builder.space_to_depth(g, block)?)]);
    }
    let shape = image(&ctx.builder.shape(x)?).map_err(|e| ctx.error(e))?;
    let (apart, perm, _) = steps(shape, block, false);
    let moved = perm.map(|i| apart[i]);
    let mut inverse = [0; 6];
    perm.iter().enumerate().for_each(|(to, &from)| inverse[from] = to);
    let g = ctx.builder.reshape_to(g, &moved)?;
    let g = ctx.builder.transpose(g, &inverse)?;
    Ok(vec![Some(ctx.builder.reshape_to(g, &shape)?)])
}

impl Builder {
    /// `[N, C, H, W]` to `[N, C/b², H·b, W·b]`; `mode` is `DCR` or `CRD` (the pixel shuffle of other frameworks).
    pub fn depth_to_space(&mut self, x: ValueId, block: usize, mode: &str) -> Result<ValueId, OpError> {
        self.apply(&OP, &[x], Attributes::new().with("blocksize", block as i64).with("mode", mode))
    }
}

#[cfg(test)]
mod tests {
    use ocellus_graph::DataType;

    use crate::check;

    use super::*;

    #[test]
    fn both_orders() {
        let x = Tensor::of(&[1, 8, 1, 2], (0u8..16).collect());
        let run = |mode: &'static str| check::eval(|b, v| b.depth_to_space(v[0], 2, mode), std::slice::from_ref(&x));
        let expected = vec![0u8, 4, 1, 5, 8, 12, 9, 13, 2, 6, 3, 7, 10, 14, 11, 15];
        assert_eq!(run("DCR"), Tensor::of(&[1, 2, 2, 4], expected));
        let expected = vec![0u8, 2, 1, 3, 4, 6, 5, 7, 8, 10, 9, 11, 12, 14, 13, 15];
        assert_eq!(run("CRD"), Tensor::of(&[1, 2, 2, 4], expected));
    }

    #[test]
    fn misfits_are_refused() {
        let mut b = Builder::new("t");
        let x = b.input("x", DataType::F32, &[1, 6, 2, 2]);
        assert!(b.depth_to_space(x, 2, "DCR").unwrap_err().to_string().contains("no multiple of 4"));
        assert!(b.depth_to_space(x, 0, "DCR").is_err());
        assert!(b.depth_to_space(x, 1, "RCD").is_err());
    }

    #[test]
    fn gradient() {
        for mode in ["DCR", "CRD"] {
            check::gradient(|b, v| b.depth_to_space(v[0], 2, mode), &[&[2, 8, 1, 2]]);
        }
    }
}
