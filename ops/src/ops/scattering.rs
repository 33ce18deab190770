//! What ScatterElements and ScatterND share: writing updates into a copy of the data, and the gradients of doing so.

use ocellus_graph::{DataType, Dim, Shape, Tensor, ValueId};

use super::elementwise::{from_integers, integers, is_exact};
use super::movement::pick_from_all;
use crate::{Builder, InferContext, OpError};

/// Refuses a reduction that is not known, and updates (input 2) that differ from data (input 0) in type or are not of
/// this shape.
pub(super) fn check_updates(ctx: &InferContext, shape: &Shape) -> Result<(), OpError> {
    let (data, updates) = (ctx.input(0)?, ctx.input(2)?);
    Reduction::parse(&ctx.string("reduction", "none")).map_err(|e| ctx.error(e))?;
    if data.dtype != updates.dtype {
        return Err(ctx.error(format!("data has type {}, updates {}", data.dtype, updates.dtype)));
    }
    let agree = |(a, b): (&Dim, &Dim)| a.known().zip(b.known()).is_none_or(|(a, b)| a == b);
    if updates.shape.rank() != shape.rank() || !updates.shape.iter().zip(shape.iter()).all(agree) {
        return Err(ctx.error(format!("updates have shape {}, the indices ask for {shape}", updates.shape)));
    }
    Ok(())
}

/// How an update meets what is already there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Reduction {
    None,
    Add,
    Mul,
    Max,
    Min,
}

impl Reduction {
    /// The reduction of this name.
    pub fn parse(name: &str) -> Result<Self, String> {
        Ok(match name {
            "none" => Self::None,
            "add" => Self::Add,
            "mul" => Self::Mul,
            "max" => Self::Max,
            "min" => Self::Min,
            _ => return Err(format!("reduction {name:?} is none of none, add, mul, max, min")),
        })
    }

    fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Add => "add",
            Self::Mul => "mul",
            Self::Max => "max",
            Self::Min => "min",
        }
    }

    fn float(self, a: f64, b: f64) -> f64 {
        match self {
            Self::None => b,
            Self::Add => a + b,
            Self::Mul => a * b,
            // A NaN on either side wins.
            Self::Max => {
                if a.is_nan() || a > b {
                    a
                } else {
                    b
                }
            }
            Self::Min => {
                if a.is_nan() || a < b {
                    a
                } else {
                    b
                }
            }
        }
    }

    fn integer(self, a: i128, b: i128) -> i128 {
        match self {
            Self::None => b,
            Self::Add => i128::from((a + b) as i64),
            Self::Mul => i128::from(a.wrapping_mul(b) as i64),
            Self::Max => a.max(b),
            Self::Min => a.min(b),
        }
    }
}

/// `data` after update `k` has met element `places[k]`, in order.
pub(super) fn scattered(
    data: &Tensor,
    updates: &Tensor,
    places: &[usize],
    reduction: Reduction,
) -> Result<Tensor, String> {
    let mismatch = || format!("data has type {}, updates {}", data.dtype(), updates.dtype());
    if data.dtype() != updates.dtype() {
        return Err(mismatch());
    }
    if reduction == Reduction::None {
        let mut sources: Vec<usize> = (0..data.len()).collect();
        for (k, &place) in places.iter().enumerate() {
            sources[place] = data.len() + k;
        }
        return pick_from_all(&[data, updates], data.shape(), &sources).ok_or_else(mismatch);
    }
    if data.dtype() == DataType::String {
        return Err("text cannot be reduced".to_owned());
    }
    if is_exact(data.dtype()) {
        let (mut values, updates) = (integers(data), integers(updates));
        for (&place, update) in places.iter().zip(updates) {
            values[place] = reduction.integer(values[place], update);
        }
        return Ok(from_integers(data.dtype(), data.shape(), &values));
    }
    let (mut values, updates) = (data.to_f64(), updates.to_f64());
    for (&place, update) in places.iter().zip(updates) {
        values[place] = reduction.float(values[place], update);
    }
    Ok(Tensor::from_f64(data.dtype(), data.shape(), &values))
}

/// Emits a scatter of updates into data.
type EmitScatter<'a> = &'a dyn Fn(&mut Builder, ValueId, ValueId, &str) -> Result<ValueId, OpError>;

/// Emits a gather of the places that the updates go to.
type EmitGather<'a> = &'a dyn Fn(&mut Builder, ValueId) -> Result<ValueId, OpError>;

/// The values that a scatter and its gradients move, and how.
pub(super) struct Scatter<'a> {
    /// Emits a scatter of updates into data.
    pub scatter: EmitScatter<'a>,
    /// Emits a gather of the places that the updates go to.
    pub gather: EmitGather<'a>,
}

impl Scatter<'_> {
    /// The gradients of data and updates from `g`, that of the result `y`.
    ///
    /// `none` wants distinct indices, as ONNX does. `max` and `min` share the gradient among equals.
    pub fn gradients(
        &self,
        b: &mut Builder,
        (g, y): (ValueId, ValueId),
        (data, updates): (ValueId, ValueId),
        reduction: Reduction,
    ) -> Result<(ValueId, ValueId), OpError> {
        match reduction {
            Reduction::None => {
                let zeros = b.zeros_like(updates)?;
                Ok(((self.scatter)(b, g, zeros, "none")?, (self.gather)(b, g)?))
            }
            Reduction::Add => Ok((g, (self.gather)(b, g)?)),
            Reduction::Mul => self.product(b, g, data, updates),
            Reduction::Max | Reduction::Min => self.extreme(b, (g, y), (data, updates)),
        }
    }

    /// Every factor gets `g` times the product of the others; a factor of 0 is divided out by leaving it out.
    fn product(
        &self,
        b: &mut Builder,
        g: ValueId,
        data: ValueId,
        updates: ValueId,
    ) -> Result<(ValueId, ValueId), OpError> {
        let name = Reduction::Mul.name();
        let dtype = b.dtype(g)?;
        let (zero, one) = (b.scalar_like(g, 0.0)?, b.scalar_like(g, 1.0)?);
        let shape = b.shape(data)?;
        let ones = b.constant("ones", Tensor::full(dtype, &shape, 1.0));
        let others = (self.scatter)(b, ones, updates, name)?;
        let d_data = b.mul(g, others)?;
        let (data_is_zero, update_is_zero) = (b.equal(data, zero)?, b.equal(updates, zero)?);
        let (data_or_one, update_or_one) =
            (b.where_(data_is_zero, one, data)?, b.where_(update_is_zero, one, updates)?);
        let product = (self.scatter)(b, data_or_one, update_or_one, name)?;
        let (data_zeros, update_zeros) = (b.cast(data_is_zero, dtype)?, b.cast(update_is_zero, dtype)?);
        let zeros = (self.scatter)(b, data_zeros, update_zeros, Reduction::Add.name())?;
        let zeros = (self.gather)(b, zeros)?;
        let other_zeros = b.sub(zeros, update_zeros)?;
        let alone = b.equal(other_zeros, zero)?;
        let share = b.mul(g, product)?;
        let share = (self.gather)(b, share)?;
        let share = b.div(share, update_or_one)?;
        Ok((d_data, b.where_(alone, share, zero)?))
    }

    /// Every element that equals the result gets its part of `g`.
    fn extreme(
        &self,
        b: &mut Builder,
        (g, y): (ValueId, ValueId),
        (data, updates): (ValueId, ValueId),
    ) -> Result<(ValueId, ValueId), OpError> {
        let dtype = b.dtype(g)?;
        let best = (self.gather)(b, y)?;
        let (data_wins, update_wins) = (b.equal(data, y)?, b.equal(updates, best)?);
        let (data_wins, update_wins) = (b.cast(data_wins, dtype)?, b.cast(update_wins, dtype)?);
        let winners = (self.scatter)(b, data_wins, update_wins, Reduction::Add.name())?;
        let share = b.div(g, winners)?;
        let d_data = b.mul(share, data_wins)?;
        let share = (self.gather)(b, share)?;
        Ok((d_data, b.mul(share, update_wins)?))
    }

    /// The gradients in the order of the inputs: data, indices, updates.
    pub fn in_order((data, updates): (ValueId, ValueId)) -> Vec<Option<ValueId>> {
        vec![Some(data), None, Some(updates)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reductions_are_exact_in_integers_and_wrap() {
        let data = Tensor::vector(&[250u8, 3]);
        let run = |r| scattered(&data, &Tensor::vector(&[10u8, 2]), &[0, 0], r).unwrap();
        assert_eq!(run(Reduction::None), Tensor::vector(&[2u8, 3]));
        assert_eq!(run(Reduction::Add), Tensor::vector(&[6u8, 3]));
        assert_eq!(run(Reduction::Max), Tensor::vector(&[250u8, 3]));
        assert_eq!(run(Reduction::Min), Tensor::vector(&[2u8, 3]));
        let big = scattered(&Tensor::vector(&[i64::MAX]), &Tensor::vector(&[2i64]), &[0], Reduction::Mul).unwrap();
        assert_eq!(big, Tensor::vector(&[-2i64]));
    }

    #[test]
    fn types_have_to_agree() {
        let float = Tensor::vector(&[1f32]);
        assert!(scattered(&float, &Tensor::vector(&[1i32]), &[0], Reduction::None).is_err());
        assert!(Reduction::parse("mean").is_err());
    }
}
