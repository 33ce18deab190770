//! `LRN`: local response normalization across channels (ONNX LRN-13; AlexNet, section 3.3).

use ocellus_graph::{Attributes, Node, Tensor, ValueId};

use super::elementwise::require_float;
use crate::{Builder, EvalContext, GradContext, InferContext, OpDef, OpError, ValueType};

pub(crate) const OP: OpDef = OpDef {
    eval: Some(eval),
    grad: Some(grad),
    lower: Some(super::normalization_lower::lrn),
    ..OpDef::new("LRN", infer)
};

/// The attributes with ONNX's defaults.
struct Settings {
    size: usize,
    alpha: f64,
    beta: f64,
    bias: f64,
}

impl Settings {
    fn of_node(node: &Node) -> Result<Self, OpError> {
        let size = node.attributes.int("size").unwrap_or(0);
        if !(1..=1 << 31).contains(&size) {
            return Err(OpError::at(node, format!("size is {size}; at least 1 is expected")));
        }
        let float = |name, default| f64::from(node.attributes.float(name).unwrap_or(default));
        Ok(Self {
            size: size as usize,
            alpha: float("alpha", 1e-4),
            beta: float("beta", 0.75),
            bias: float("bias", 1.0),
        })
    }

    /// The channels whose squares weigh on channel `c`.
    fn neighbours(&self, c: usize, channels: usize) -> std::ops::Range<usize> {
        let before = (self.size - 1) / 2;
        c.saturating_sub(before)..(c + self.size - before).min(channels)
    }

    /// `[C, C]`: 1 where the column's channel weighs on the row's.
    fn band(&self, channels: usize) -> Vec<f64> {
        let row = |c: usize| {
            let near = self.neighbours(c, channels);
            (0..channels).map(move |k| f64::from(u8::from(near.contains(&k))))
        };
        (0..channels).flat_map(row).collect()
    }

    fn scale(&self) -> f64 {
        self.alpha / self.size as f64
    }
}

fn infer(ctx: &InferContext) -> Result<Vec<ValueType>, OpError> {
    require_float(ctx, 0)?;
    Settings::of_node(ctx.node)?;
    let x = ctx.input(0)?;
    if x.shape.rank() < 3 {
        return Err(ctx.error(format!("input 0 has shape {}; [N, C, spatial...] is expected", x.shape)));
    }
    Ok(vec![x.clone()])
}

fn eval(ctx: &EvalContext) -> Result<Vec<Tensor>, OpError> {
    let x = ctx.input(0)?;
    let s = Settings::of_node(ctx.node)?;
    let channels = x.shape().get(1).copied().unwrap_or(0);
    let plane: usize = x.shape().iter().skip(2).product();
    let values = x.to_f64();
    let mut y = Vec::with_capacity(values.len());
    for sample in values.chunks_exact((channels * plane).max(1)) {
        for (at, v) in sample.iter().enumerate() {
            let (c, place) = (at / plane, at % plane);
            let sum: f64 = s.neighbours(c, channels).map(|k| sample[k * plane + place].powi(2)).sum();
            y.push(v / libm::pow(s.bias + s.scale() * sum, s.beta));
        }
    }
    Ok(vec![Tensor::from_f64(x.dtype(), x.shape(), &y)])
}

/// With `d = bias + alpha / size * B x²` (B the band of neighbours) and `y = x d^-beta`:
/// `dx = g d^-beta - 2 alpha beta / size * x * Bᵀ(g x d^(-beta-1))`.
fn grad(ctx: &mut GradContext) -> Result<Vec<Option<ValueId>>, OpError> {
    let (g, x) = (ctx.grad()?, ctx.input(0)?);
    let s = Settings::of_node(&ctx.node)?;
    let b = &mut *ctx.builder;
    let shape = b.shape(x)?;
    let (channels, dtype) = (shape[1], b.dtype(x)?);
    let (rows, whole) = ([shape[0] as i64, channels as i64, -1], shape.iter().map(|&n| n as i64).collect::<Vec<_>>());
    let band = s.band(channels);
    let turned = super::matrix::turned(&band, channels, channels);
    let band = b.constant("band", Tensor::from_f64(dtype, &[channels, channels], &band));
    let turned = b.constant("band", Tensor::from_f64(dtype, &[channels, channels], &turned));
    let (x, g) = (b.reshape(x, &rows)?, b.reshape(g, &rows)?);
    let square = b.mul(x, x)?;
    let sum = b.matmul(band, square)?;
    let (scale, bias) = (b.scalar_like(x, s.scale())?, b.scalar_like(x, s.bias)?);
    let scaled = b.mul(sum, scale)?;
    let d = b.add(scaled, bias)?;
    let exponent = b.scalar_like(x, -s.beta)?;
    let power = b.pow(d, exponent)?;
    let own = b.mul(g, power)?;
    let weighed = b.mul(own, x)?;
    let weighed = b.div(weighed, d)?;
    let spread = b.matmul(turned, weighed)?;
    let factor = b.scalar_like(x, 2.0 * s.beta * s.scale())?;
    let others = b.mul(spread, x)?;
    let others = b.mul(others, factor)?;
    let dx = b.sub(own, others)?;
    Ok(vec![Some(b.reshape(dx, &whole)?)])
}

impl Builder {
    /// `x / (bias + alpha / size * Σ x²)^beta`, the sum over `size` neighbouring channels of `x` `[N, C, ...]`.
    pub fn lrn(&mut self, x: ValueId, size: i64, alpha: f32, beta: f32, bias: f32) -> Result<ValueId, OpError> {
        let attributes =
            Attributes::new().with("size", size).with("alpha", alpha).with("beta", beta).with("bias", bias);
        self.apply(&OP, &[x], attributes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check;

    #[test]
    fn an_even_window_reaches_further_up() {
        let s = Settings { size: 4, alpha: 1.0, beta: 1.0, bias: 0.0 };
        assert_eq!((s.neighbours(0, 6), s.neighbours(2, 6), s.neighbours(5, 6)), (0..3, 1..5, 4..6));
    }

    #[test]
    fn divides_by_the_neighbours_energy() {
        let x = Tensor::of(&[1, 3, 1], vec![1f32, 2., 3.]);
        let y = check::eval(|b, v| b.lrn(v[0], 3, 3.0, 1.0, 1.0), &[x]);
        assert_eq!(y, Tensor::of(&[1, 3, 1], vec![1f32 / 6., 2. / 15., 3. / 14.]));
    }

    #[test]
    fn gradient() {
        check::gradient(|b, v| b.lrn(v[0], 3, 0.5, 0.75, 1.0), &[&[2, 5, 2, 2]]);
        check::gradient(|b, v| b.lrn(v[0], 4, 2.0, 0.5, 2.0), &[&[1, 6, 3]]);
    }
}
