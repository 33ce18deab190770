//! `Gemm`: `alpha a b + beta c`, with either matrix transposed (ONNX Gemm-13).

use ocellus_graph::{Attributes, Dim, Node, Shape, Tensor, ValueId};

use super::conv_lower::fully_connected;
use super::elementwise::require_same_type;
use super::matmul::require_factor;
use super::matrix::{Product, turned};
use super::quantized::places;
use crate::shapes::broadcast;
use crate::{
    Affine, Builder, EvalContext, FoldContext, GradContext, InferContext, InputRole, LowerContext, OpDef, OpError,
    OutputScale, QuantRule, ValueType,
};

pub(crate) const OP: OpDef = OpDef {
    eval: Some(eval),
    grad: Some(grad),
    quant: Some(QuantRule { inputs: roles, output: OutputScale::Calibrated }),
    absorb: Some(absorb),
    upgrade: Some(|ctx| {
        ctx.node.attributes.remove("broadcast"); // Opset 6: without it `c` has the full shape, which needs no flag.
        Ok(())
    }),
    lower: Some(lower),
    ..OpDef::new("Gemm", infer)
};

/// The attributes of [`Builder::gemm`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Gemm {
    /// Factor of the product.
    pub alpha: f32,
    /// Factor of `c`.
    pub beta: f32,
    /// Whether `a` is transposed.
    pub trans_a: bool,
    /// Whether `b` is transposed.
    pub trans_b: bool,
}

impl Default for Gemm {
    fn default() -> Self {
        Self { alpha: 1.0, beta: 1.0, trans_a: false, trans_b: false }
    }
}

impl Gemm {
    fn of_node(node: &Node) -> Self {
        let float = |name| node.attributes.float(name).unwrap_or(1.0);
        let flag = |name| node.attributes.int(name).unwrap_or(0) != 0;
        Self { alpha: float("alpha"), beta: float("beta"), trans_a: flag("transA"), trans_b: flag("transB") }
    }

    fn attributes(self) -> Attributes {
        let mut attributes = Attributes::new();
        for (name, value) in [("alpha", self.alpha), ("beta", self.beta)] {
            if value != 1.0 {
                attributes.set(name, value);
            }
        }
        for (name, set) in [("transA", self.trans_a), ("transB", self.trans_b)] {
            if set {
                attributes.set(name, 1i64);
            }
        }
        attributes
    }
}

/// Integer arithmetic has no place for `alpha` and `beta`, nor a packed weight for a transposed `a`.
fn roles(node: &Node) -> Vec<InputRole> {
    let gemm = Gemm::of_node(node);
    if gemm.alpha != 1.0 || gemm.beta != 1.0 || gemm.trans_a {
        return Vec::new();
    }
    vec![InputRole::Activation, InputRole::Weight { axis: usize::from(!gemm.trans_b) }, InputRole::Bias]
}

fn infer(ctx: &InferContext) -> Result<Vec<ValueType>, OpError> {
    require_factor(ctx)?;
    require_same_type(ctx, 0, 1)?;
    let gemm = Gemm::of_node(ctx.node);
    let (a, b) = (ctx.input(0)?, ctx.input(1)?);
    if a.shape.rank() != 2 || b.shape.rank() != 2 {
        return Err(ctx.error(format!("inputs have shapes {} and {}; two matrices are expected", a.shape, b.shape)));
    }
    let (rows, inner) = (&a.shape[usize::from(gemm.trans_a)], &a.shape[usize::from(!gemm.trans_a)]);
    let (same, columns) = (&b.shape[usize::from(gemm.trans_b)], &b.shape[usize::from(!gemm.trans_b)]);
    if inner.known().zip(same.known()).is_some_and(|(m, n)| m != n) {
        let (ta, tb) = (gemm.trans_a, gemm.trans_b);
        let shapes = format!("{} (transA {ta}) and {} (transB {tb})", a.shape, b.shape);
        return Err(ctx.error(format!("matrices {shapes} cannot be multiplied: {inner} columns, {same} rows")));
    }
    let shape = Shape(vec![rows.clone(), columns.clone()]);
    if let Some(c) = ctx.optional(2) {
        require_same_type(ctx, 0, 2)?;
        require_summand(ctx, &c.shape, &shape)?;
    }
    Ok(vec![ValueType::new(a.dtype, shape)])
}

/// `c` broadcasts to the product, never the other way round.
fn require_summand(ctx: &InferContext, c: &Shape, product: &Shape) -> Result<(), OpError> {
    let grows = |d: &Dim, p: &Dim| d.known().zip(p.known()).is_some_and(|(d, p)| d != p && d != 1);
    let fits = c.rank() <= 2
        && broadcast(c, product).is_some()
        && !c.iter().rev().zip(product.iter().rev()).any(|(d, p)| grows(d, p));
    if fits {
        return Ok(());
    }
    Err(ctx.error(format!("input 2 of shape {c} does not broadcast to the product's shape {product}")))
}

fn eval(ctx: &EvalContext) -> Result<Vec<Tensor>, OpError> {
    let gemm = Gemm::of_node(ctx.node);
    let (a, b) = (ctx.input(0)?, ctx.input(1)?);
    let (&[ar, ac], &[br, bc]) = (a.shape(), b.shape()) else { return Err(ctx.error("takes two matrices")) };
    let a_shape = if gemm.trans_a { [ac, ar] } else { [ar, ac] };
    let b_shape = if gemm.trans_b { [bc, br] } else { [br, bc] };
    let product = Product::new(ctx.node, &a_shape, &b_shape)?;
    let c = ctx.optional(2);
    let places = c.map(|c| places(ctx, 2, c.shape(), c.len(), &product.shape)).transpose()?;
    if a.dtype().is_float() {
        let side = |t: &Tensor, trans: bool| match (t.to_f64(), trans) {
            (v, true) => turned(&v, t.shape()[0], t.shape()[1]),
            (v, false) => v,
        };
        let mut y = product.compute(&side(a, gemm.trans_a), &side(b, gemm.trans_b), 0.0, |sum, x, y| sum + x * y);
        y.iter_mut().for_each(|v| *v *= f64::from(gemm.alpha));
        if let Some((c, places)) = c.zip(places) {
            let c = c.to_f64();
            y.iter_mut().zip(places).for_each(|(v, at)| *v += f64::from(gemm.beta) * c[at]);
        }
        return Ok(vec![Tensor::from_f64(a.dtype(), &product.shape, &y)]);
    }
    if gemm.alpha.fract() != 0.0 || gemm.beta.fract() != 0.0 {
        let (alpha, beta) = (gemm.alpha, gemm.beta);
        return Err(ctx.error(format!("alpha {alpha} and beta {beta} have to be whole numbers for {}", a.dtype())));
    }
    let side = |t: &Tensor, trans: bool| match (t.to_i64(), trans) {
        (v, true) => turned(&v, t.shape()[0], t.shape()[1]),
        (v, false) => v,
    };
    let add = |sum: i64, x: i64, y: i64| sum.wrapping_add(x.wrapping_mul(y));
    let mut y = product.compute(&side(a, gemm.trans_a), &side(b, gemm.trans_b), 0, add);
    y.iter_mut().for_each(|v| *v = v.wrapping_mul(gemm.alpha as i64));
    if let Some((c, places)) = c.zip(places) {
        let c = c.to_i64();
        y.iter_mut().zip(places).for_each(|(v, at)| *v = add(*v, gemm.beta as i64, c[at]));
    }
    Ok(vec![Tensor::from_i64(a.dtype(), &product.shape, &y)])
}

/// A fully connected layer where `b` and `c` are constant, a product and a sum otherwise.
fn lower(ctx: &mut LowerContext) -> Result<(), OpError> {
    let gemm = Gemm::of_node(ctx.node);
    let rows = ctx.shape(0)[usize::from(gemm.trans_a)];
    let per_column = !ctx.has(2) || ctx.constant(2).is_some_and(|c| c.len() == 1 || c.shape().last() == Some(&c.len()));
    match ctx.constant(1) {
        Some(w) if per_column && (!gemm.trans_a || rows == 1) => {
            fully_connected(ctx, rows, &w, gemm.trans_b, (gemm.alpha, gemm.beta))
        }
        _ => Err(ctx.error("needs a constant b, one constant c per column and no transposed a on the device")),
    }
}

/// The new weight, and a bias vector, where `c` is one number per column.
fn absorb(ctx: &FoldContext, affine: &Affine) -> Option<(Tensor, Tensor)> {
    let gemm = Gemm::of_node(ctx.node);
    let weight = ctx.constant(1)?;
    let &[rows, columns] = weight.shape() else { return None };
    let outputs = if gemm.trans_b { rows } else { columns };
    if affine.scale.len() != outputs || affine.shift.len() != outputs || gemm.beta == 0.0 {
        return None;
    }
    let bias = match ctx.node.input(2) {
        None => vec![0.0; outputs],
        Some(_) => {
            let c = ctx.constant(2)?;
            let values = c.to_f64();
            match values.len() {
                1 => vec![values[0]; outputs],
                n if n == outputs && c.shape().last() == Some(&n) => values,
                _ => return None,
            }
        }
    };
    let channel = |i: usize| if gemm.trans_b { i / columns } else { i % columns };
    let scaled: Vec<f64> = weight.to_f64().iter().enumerate().map(|(i, w)| w * affine.scale[channel(i)]).collect();
    let shifts = affine.shift.iter().map(|t| t / f64::from(gemm.beta));
    let bias: Vec<f64> = bias.iter().zip(&affine.scale).zip(shifts).map(|((b, s), t)| b * s + t).collect();
    let dtype = weight.dtype();
    Some((Tensor::from_f64(dtype, weight.shape(), &scaled), Tensor::from_f64(dtype, &[outputs], &bias)))
}

/// With `A = op(a)`, `B = op(b)`: `dA = alpha g Bᵀ`, `dB = alpha Aᵀ g`, `dc = beta Σ g`.
fn grad(ctx: &mut GradContext) -> Result<Vec<Option<ValueId>>, OpError> {
    let (g, a, b) = (ctx.grad()?, ctx.input(0)?, ctx.input(1)?);
    let Gemm { alpha, beta, trans_a, trans_b } = Gemm::of_node(&ctx.node);
    let (need_a, need_b, need_c) = (ctx.needs(0), ctx.needs(1), ctx.needs(2));
    let c = ctx.node.input(2);
    let builder = &mut *ctx.builder;
    let mut product =
        |x, y, tx, ty| builder.gemm(x, y, None, &Gemm { alpha, trans_a: tx, trans_b: ty, ..Gemm::default() }).map(Some);
    let mut grads = vec![None; ctx.node.inputs.len()];
    if need_a {
        grads[0] = if trans_a { product(b, g, trans_b, true)? } else { product(g, b, false, !trans_b)? };
    }
    if need_b {
        grads[1] = if trans_b { product(g, a, true, trans_a)? } else { product(a, g, !trans_a, false)? };
    }
    if let (Some(c), true) = (c, need_c) {
        let sum = builder.sum_to_shape_of(g, c)?;
        let factor = builder.scalar_like(sum, f64::from(beta))?;
        grads[2] = Some(if beta == 1.0 { sum } else { builder.mul(sum, factor)? });
    }
    Ok(grads)
}

impl Builder {
    /// `alpha op(a) op(b) + beta c` of matrices; `c` broadcasts to the product.
    pub fn gemm(&mut self, a: ValueId, b: ValueId, c: Option<ValueId>, gemm: &Gemm) -> Result<ValueId, OpError> {
        let mut inputs = vec![Some(a), Some(b)];
        inputs.extend(c.map(Some));
        Ok(self.apply_many(&OP, &inputs, gemm.attributes(), 1)?[0])
    }
}

#[cfg(test)]
mod tests {
    use ocellus_graph::DataType;

    use super::*;
    use crate::check;

    const FLAGS: [(bool, bool); 4] = [(false, false), (false, true), (true, false), (true, true)];

    fn side(rows: usize, columns: usize, turn: bool) -> Vec<usize> {
        if turn { vec![columns, rows] } else { vec![rows, columns] }
    }

    #[test]
    fn all_flags_agree_with_the_plain_product() {
        let a = [1f32, 2., 3., 4., 5., 6.];
        let b = [1f32, 0., 2., 0., 1., 1.];
        for (trans_a, trans_b) in FLAGS {
            let (at, bt) = (turned(&a, 2, 3), turned(&b, 3, 2));
            let gemm = Gemm { alpha: 0.5, beta: 2.0, trans_a, trans_b };
            let inputs = [
                Tensor::of(&side(2, 3, trans_a), if trans_a { at } else { a.to_vec() }),
                Tensor::of(&side(3, 2, trans_b), if trans_b { bt } else { b.to_vec() }),
                Tensor::of(&[2, 1], vec![1f32, -1.]),
            ];
            let y = check::eval(|builder, v| builder.gemm(v[0], v[1], Some(v[2]), &gemm), &inputs);
            assert_eq!(y, Tensor::of(&[2, 2], vec![6f32, 3.5, 8., 1.]), "{gemm:?}");
        }
    }

    #[test]
    fn integers_are_exact_and_halves_refused() {
        let big = Tensor::of(&[1, 1], vec![1i64 << 40]);
        let double = Gemm { alpha: 2.0, ..Gemm::default() };
        let y = check::eval(|b, v| b.gemm(v[0], v[1], None, &double), &[big.clone(), Tensor::of(&[1, 1], vec![3i64])]);
        assert_eq!(y, Tensor::of(&[1, 1], vec![6i64 << 40]));
        let node = Node::new("Gemm", [], []).with_attributes(Gemm { alpha: 0.5, ..double }.attributes());
        assert!(crate::evaluate_node(&node, &[Some(&big), Some(&big)]).is_err());
    }

    #[test]
    fn misfits_are_refused() {
        let mut b = Builder::new("bad");
        let x = b.input("x", DataType::F32, &[2, 3]);
        let w = b.input("w", DataType::F32, &[3, 4]);
        let wide = b.input("wide", DataType::F32, &[5, 2, 4]);
        let tall = b.input("tall", DataType::F32, &[2]);
        let message = |r: Result<ValueId, OpError>| r.unwrap_err().to_string();
        assert!(message(b.gemm(x, x, None, &Gemm::default())).contains("cannot be multiplied"));
        assert!(message(b.gemm(x, wide, None, &Gemm::default())).contains("two matrices"));
        assert!(message(b.gemm(x, w, Some(tall), &Gemm::default())).contains("does not broadcast"));
    }

    #[test]
    fn gradient() {
        for (trans_a, trans_b) in FLAGS {
            let gemm = Gemm { alpha: 1.5, beta: -0.5, trans_a, trans_b };
            let shapes = [side(2, 3, trans_a), side(3, 4, trans_b)];
            for c in [&[4][..], &[2, 1], &[2, 4], &[]] {
                check::gradient(|b, v| b.gemm(v[0], v[1], Some(v[2]), &gemm), &[&shapes[0], &shapes[1], c]);
            }
        }
    }

    #[test]
    fn absorbs_a_scale_per_column() {
        let w = Tensor::of(&[2, 2], vec![1f32, 2., 3., 4.]);
        let affine = Affine { scale: vec![2.0, 10.0], shift: vec![1.0, 0.0] };
        for (trans_b, expected) in [(false, [2f32, 20., 6., 40.]), (true, [2., 4., 30., 40.])] {
            let gemm = Gemm { trans_b, ..Gemm::default() };
            let inputs = [0, 1, 2].map(|i| Some(ValueId(i)));
            let node = Node::new("Gemm", inputs, []).with_attributes(gemm.attributes());
            let c = Tensor::of(&[1, 2], vec![5f32, 6.]);
            let ctx = FoldContext { node: &node, constants: &[None, Some(w.clone()), Some(c)], types: &[] };
            let (w, c) = absorb(&ctx, &affine).unwrap();
            assert_eq!((w.to_f32(), c), (expected.to_vec(), Tensor::vector(&[11f32, 60.])));
        }
    }

    #[test]
    fn quantization_follows_the_flags() {
        let axis = |gemm: Gemm| roles(&Node::new("Gemm", [], []).with_attributes(gemm.attributes())).get(1).copied();
        assert_eq!(axis(Gemm::default()), Some(InputRole::Weight { axis: 1 }));
        assert_eq!(axis(Gemm { trans_b: true, ..Gemm::default() }), Some(InputRole::Weight { axis: 0 }));
        assert_eq!(axis(Gemm { alpha: 0.5, ..Gemm::default() }), None);
    }
}
