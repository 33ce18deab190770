//! Scale and zero point of one tensor.

use ocellus_graph::{DataType, Tensor};
use serde::{Deserialize, Serialize};

/// How 8-bit activations are laid out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Activations {
    /// uint8 with a zero point: the whole range of values is used.
    #[default]
    Asymmetric,
    /// int8 with zero point 0, for engines that need it: a tensor without negatives uses half of the steps.
    Symmetric,
}

impl Activations {
    /// The element type.
    pub fn dtype(self) -> DataType {
        match self {
            Self::Asymmetric => DataType::U8,
            Self::Symmetric => DataType::I8,
        }
    }

    /// The least and greatest integer in use. Symmetric leaves -128 out.
    pub fn limits(self) -> (i32, i32) {
        match self {
            Self::Asymmetric => (0, 255),
            Self::Symmetric => (-127, 127),
        }
    }

    /// The scale and zero point whose representable range covers `[low, high]` and zero, zero exactly.
    ///
    /// The scale is finite and normal. A range of nothing but zero becomes `[0, 1]`.
    pub fn params(self, low: f64, high: f64) -> Params {
        let (low, high) = (low.min(0.0), high.max(0.0));
        let (low, high) = if low == high { (0.0, 1.0) } else { (low, high) };
        let (qmin, qmax) = self.limits();
        let scale = match self {
            Self::Asymmetric => (high - low) / f64::from(qmax - qmin),
            Self::Symmetric => high.max(-low) / f64::from(qmax),
        };
        let scale = (scale as f32).clamp(f32::MIN_POSITIVE, f32::MAX);
        let zero_point = match self {
            Self::Asymmetric => (f64::from(qmin) - low / f64::from(scale)).round_ties_even() as i32,
            Self::Symmetric => 0,
        };
        Params { scale, zero_point: zero_point.clamp(qmin, qmax), activations: self }
    }
}

/// Scale and zero point of a tensor of activations: `x = (q - zero_point) * scale`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Params {
    /// The step between neighbouring integers; finite and normal.
    pub scale: f32,
    /// The integer that stands for zero.
    pub zero_point: i32,
    /// The layout.
    pub activations: Activations,
}

impl Params {
    /// Reads `value / scale` as ONNX QuantizeLinear does: f32, halves to even, saturated to the element type.
    pub fn quantize(self, value: f32) -> i32 {
        let (qmin, qmax) = self.type_limits();
        let steps = (value / self.scale).round_ties_even();
        // Saturates in f32 first, so that adding the zero point cannot overflow.
        (steps.clamp(-65536.0, 65536.0) as i32 + self.zero_point).clamp(qmin, qmax)
    }

    /// The float that an integer stands for.
    pub fn dequantize(self, q: i32) -> f32 {
        (q - self.zero_point) as f32 * self.scale
    }

    /// The least and greatest integer of the element type, which ONNX saturates to.
    pub fn type_limits(self) -> (i32, i32) {
        match self.activations {
            Activations::Asymmetric => (0, 255),
            Activations::Symmetric => (-128, 127),
        }
    }

    /// The least and greatest float that the integers stand for.
    pub fn range(self) -> (f32, f32) {
        let (qmin, qmax) = self.type_limits();
        (self.dequantize(qmin), self.dequantize(qmax))
    }

    /// A constant tensor in these integers.
    pub fn quantize_tensor(self, tensor: &Tensor) -> Tensor {
        let values: Vec<i64> = tensor.to_f32().iter().map(|&v| self.quantize(v).into()).collect();
        Tensor::from_i64(self.activations.dtype(), tensor.shape(), &values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_is_exact_and_the_range_is_covered_to_half_a_step() {
        for (low, high) in [(-1.0, 3.0), (0.0, 6.0), (-5.0, 0.0), (0.25, 0.5), (-0.3, 1e-3), (-1e-30, 1e30), (2.0, 2.0)]
        {
            for activations in [Activations::Asymmetric, Activations::Symmetric] {
                let p = activations.params(low, high);
                assert!(p.scale.is_normal());
                assert_eq!(p.dequantize(p.quantize(0.0)), 0.0);
                let (from, to) = p.range();
                let slack = f64::from(p.scale) * 0.501;
                assert!(f64::from(from) <= low + slack && f64::from(to) >= high - slack, "{low}..{high}: {from}..{to}");
                for k in 0..=100 {
                    let v = (low + (high - low) * f64::from(k) / 100.0) as f32;
                    let back = p.dequantize(p.quantize(v));
                    assert!(f64::from((back - v).abs()) <= slack * 2.0, "{v} became {back}, scale {}", p.scale);
                }
            }
        }
    }

    #[test]
    fn known_scales() {
        let p = Activations::Asymmetric.params(0.0, 1.0);
        assert_eq!((p.scale, p.zero_point), (1.0 / 255.0, 0));
        let p = Activations::Asymmetric.params(-1.0, 2.0);
        assert_eq!((p.scale, p.zero_point), (3.0 / 255.0, 85));
        let p = Activations::Symmetric.params(-1.0, 0.5);
        assert_eq!((p.scale, p.zero_point), (1.0 / 127.0, 0));
    }

    #[test]
    fn constants_zeros_and_extremes_have_harmless_scales() {
        for activations in [Activations::Asymmetric, Activations::Symmetric] {
            assert_eq!(activations.params(0.0, 0.0), activations.params(0.0, 1.0));
            let tiny = activations.params(0.0, 1e-44);
            assert_eq!(tiny.scale, f32::MIN_POSITIVE);
            let huge = activations.params(-f64::from(f32::MAX), f64::from(f32::MAX));
            assert!(huge.scale.is_finite());
            let constant = activations.params(0.7, 0.7);
            assert!((constant.dequantize(constant.quantize(0.7)) - 0.7).abs() < 1e-6);
        }
    }

    #[test]
    fn quantizing_saturates_and_rounds_halves_to_even() {
        let p = Params { scale: 2.0, zero_point: 10, activations: Activations::Asymmetric };
        let q = |v| p.quantize(v);
        assert_eq!([q(1.0), q(3.0), q(-1.0), q(1e30), q(-1e30), q(f32::INFINITY)], [10, 12, 10, 255, 0, 255]);
        let p = Params { scale: 1.0, zero_point: 0, activations: Activations::Symmetric };
        assert_eq!([p.quantize(-200.0), p.quantize(200.0)], [-128, 127]);
    }
}
