//! `Cast`: elements of another type (ONNX Cast-21).

use ocellus_graph::{Attributes, DataType, Tensor, TensorData, ValueId};

use crate::{Builder, EvalContext, GradContext, InferContext, OpDef, OpError, UpgradeContext, ValueType};

pub(crate) const OP: OpDef = OpDef {
    eval: Some(eval),
    grad: Some(grad),
    lower: Some(super::movement_lower::cast),
    upgrade: Some(upgrade),
    ..OpDef::new("Cast", infer)
};

/// Opset 24 lets the rounding to an 8-bit float be chosen, which no type here is.
pub(super) fn upgrade(ctx: &mut UpgradeContext) -> Result<(), OpError> {
    ctx.node.attributes.remove("round_mode");
    Ok(())
}

/// The type that an attribute names by its ONNX number.
pub(super) fn named_type(code: i64) -> Result<DataType, String> {
    i32::try_from(code)
        .ok()
        .and_then(DataType::from_onnx_code)
        .ok_or_else(|| format!("element type {code} of ONNX is not supported"))
}

fn target(code: Option<i64>) -> Result<DataType, String> {
    named_type(code.ok_or("has no attribute to")?)
}

fn infer(ctx: &InferContext) -> Result<Vec<ValueType>, OpError> {
    let to = target(ctx.node.attributes.int("to")).map_err(|e| ctx.error(e))?;
    Ok(vec![ValueType::new(to, ctx.input(0)?.shape.clone())])
}

fn eval(ctx: &EvalContext) -> Result<Vec<Tensor>, OpError> {
    let to = target(ctx.node.attributes.int("to")).map_err(|e| ctx.error(e))?;
    Ok(vec![converted(ctx.input(0)?, to).map_err(|e| ctx.error(e))?])
}

/// Every element as `to`: floats are rounded once, truncated towards zero on the way to integers (saturating);
/// integers wrap; text is plain or scientific decimal, `NaN`, `INF`, `+INF` or `-INF`.
pub(super) fn converted(x: &Tensor, to: DataType) -> Result<Tensor, String> {
    let data = match (x.data(), to) {
        (TensorData::String(v), _) if to != DataType::String => parse(v, to)?,
        (_, DataType::String) if x.dtype() != DataType::String => TensorData::String(print(x)),
        // Straight to f32: by way of f64 there would be two roundings.
        (TensorData::I64(v), DataType::F32) => TensorData::F32(v.iter().map(|&v| v as f32).collect()),
        (TensorData::U64(v), DataType::F32) => TensorData::F32(v.iter().map(|&v| v as f32).collect()),
        _ => return Ok(x.cast(to)),
    };
    Tensor::new(x.shape(), data).map_err(|e| e.to_string())
}

/// Numbers as text, in the fewest digits that give back the same number.
fn print(x: &Tensor) -> Vec<String> {
    let float = |v: String| match v.as_str() {
        "inf" => "INF".to_owned(),
        "-inf" => "-INF".to_owned(),
        _ => v,
    };
    match x.data() {
        TensorData::F32(v) => v.iter().map(|v| float(v.to_string())).collect(),
        TensorData::F64(v) => v.iter().map(|v| float(v.to_string())).collect(),
        TensorData::F16(v) => v.iter().map(|v| float(v.to_string())).collect(),
        TensorData::BF16(v) => v.iter().map(|v| float(v.to_string())).collect(),
        TensorData::U64(v) => v.iter().map(u64::to_string).collect(),
        _ => x.to_i64().iter().map(i64::to_string).collect(),
    }
}

/// Text as numbers. Integers of up to 64 bits are exact.
fn parse(texts: &[String], to: DataType) -> Result<TensorData, String> {
    let bad = |s: &String| format!("the text {s:?} is not a number");
    if to.is_integer() {
        let integer = |s: &String| {
            let s_trimmed = s.trim();
            let exact = s_trimmed.parse::<i64>().or_else(|_| s_trimmed.parse::<u64>().map(|v| v as i64));
            exact.or_else(|_| s_trimmed.parse::<f64>().map(|v| v as i64)).map_err(|_| bad(s))
        };
        return Ok(TensorData::from_i64(to, &texts.iter().map(integer).collect::<Result<Vec<_>, _>>()?));
    }
    if to == DataType::F32 {
        let values: Result<Vec<f32>, String> = texts.iter().map(|s| s.trim().parse().map_err(|_| bad(s))).collect();
        return Ok(TensorData::F32(values?));
    }
    let values: Result<Vec<f64>, String> = texts.iter().map(|s| s.trim().parse().map_err(|_| bad(s))).collect();
    Ok(TensorData::from_f64(to, &values?))
}

/// `g` back in the input's type; nothing flows through integers.
fn grad(ctx: &mut GradContext) -> Result<Vec<Option<ValueId>>, OpError> {
    let (g, x) = (ctx.grad()?, ctx.input(0)?);
    let (from, to) = (ctx.builder.dtype(x)?, ctx.builder.dtype(ctx.output(0)?)?);
    if !from.is_float() || !to.is_float() {
        return Ok(vec![None]);
    }
    Ok(vec![Some(ctx.builder.cast(g, from)?)])
}

impl Builder {
    /// `x` as elements of type `to`; `x` itself where it has that type.
    pub fn cast(&mut self, x: ValueId, to: DataType) -> Result<ValueId, OpError> {
        if self.dtype(x)? == to {
            return Ok(x);
        }
        self.apply(&OP, &[x], Attributes::new().with("to", i64::from(to.onnx_code())))
    }
}

#[cfg(test)]
mod tests {
    use crate::check;

    use super::*;

    fn text(values: &[&str]) -> Tensor {
        Tensor::new(&[values.len()], TensorData::String(values.iter().map(|s| (*s).to_owned()).collect())).unwrap()
    }

    #[test]
    fn floats_truncate_and_integers_wrap() {
        let x = Tensor::vector(&[-1.9f32, 2.5, 300.0, f32::NAN]);
        let to = |dtype| check::eval(|b, v| b.cast(v[0], dtype), std::slice::from_ref(&x));
        assert_eq!(to(DataType::I32), Tensor::vector(&[-1i32, 2, 300, 0]));
        assert_eq!(to(DataType::U8), Tensor::vector(&[0u8, 2, 255, 0]));
        assert_eq!(to(DataType::Bool), Tensor::vector(&[true; 4]));
        let y = check::eval(|b, v| b.cast(v[0], DataType::I8), &[Tensor::vector(&[200i64, -1])]);
        assert_eq!(y, Tensor::vector(&[-56i8, -1]));
    }

    #[test]
    fn halves_round_to_nearest_even() {
        let x = Tensor::vector(&[1.0f32 + 1.0 / 2048.0, 1.0 + 3.0 / 2048.0, 65520.0]);
        let half = converted(&x, DataType::F16).unwrap();
        assert_eq!(half.to_f64(), [1.0, 1.0 + 2.0 / 1024.0, f64::INFINITY]);
        assert_eq!(converted(&Tensor::scalar(1.0f32 + 1.0 / 256.0), DataType::BF16).unwrap().to_f64(), [1.0]);
    }

    #[test]
    fn large_integers_are_rounded_once() {
        // Halfway between two f32 but for the last bit, which f64 would drop.
        let x = Tensor::scalar((1i64 << 60) + (1i64 << 36) + 1);
        assert_eq!(converted(&x, DataType::F32).unwrap().to_f32()[0], ((1i64 << 60) + (1i64 << 37)) as f32);
    }

    #[test]
    fn text_round_trips() {
        let x = Tensor::vector(&[0.1f32, -2.5, f32::INFINITY]);
        assert_eq!(converted(&x, DataType::String).unwrap(), text(&["0.1", "-2.5", "INF"]));
        assert_eq!(converted(&text(&["0.1", "-2.5", "+INF"]), DataType::F32).unwrap(), x);
        assert_eq!(converted(&text(&["1e-3", "NaN"]), DataType::F64).unwrap().to_f64()[0], 0.001);
        let big = Tensor::scalar(u64::MAX);
        let printed = converted(&big, DataType::String).unwrap();
        assert_eq!(converted(&printed, DataType::U64).unwrap(), big);
        assert!(converted(&text(&["seven"]), DataType::I32).is_err());
    }

    #[test]
    fn unknown_types_are_refused() {
        let mut b = Builder::new("t");
        let x = b.input("x", DataType::F32, &[1]);
        let float8 = b.apply(&OP, &[x], Attributes::new().with("to", 17i64));
        assert!(float8.unwrap_err().to_string().contains("type 17"));
        assert!(b.apply(&OP, &[x], Attributes::new()).is_err());
    }

    #[test]
    fn gradient_flows_through_floats() {
        // f64 to f32 and back: differences in f64 would see the rounding, so the rule is looked at itself.
        let mut b = Builder::new("t");
        let x = b.input("x", DataType::F64, &[2]);
        let y = b.cast(x, DataType::F32).unwrap();
        let g = b.constant("g", Tensor::vector(&[1f32, 2.]));
        let dx = check::backward(&mut b, y, g, &[x]).unwrap()[0].unwrap();
        assert_eq!(b.dtype(dx).unwrap(), DataType::F64);
        let y = b.cast(x, DataType::I32).unwrap();
        assert_eq!(check::backward(&mut b, y, g, &[x]).unwrap(), [None]);
    }
}
