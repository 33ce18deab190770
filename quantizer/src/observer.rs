//! What is remembered of a tensor's values, and the range chosen from it.

use serde::{Deserialize, Serialize};

use crate::histogram::Histogram;
use crate::params::{Activations, Params};
use crate::{QuantizeError, entropy, mean_square};

/// How the range of a tensor is chosen from the values that it had.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// From the least to the greatest value.
    MinMax,
    /// Between the tails: this share of the values in percent (such as 99.99) lies inside, half of the rest on
    /// either side.
    Percentile(f64),
    /// Least mean square error.
    #[default]
    Mse,
    /// Least Kullback-Leibler divergence (TensorRT's entropy calibration).
    Entropy,
}

impl Method {
    /// Checks the method's number.
    ///
    /// # Errors
    /// A percentile outside (50, 100].
    pub fn check(self) -> Result<(), QuantizeError> {
        match self {
            Self::Percentile(p) if !(p > 50.0 && p <= 100.0) => Err(QuantizeError::Option {
                option: "percentile",
                found: p.to_string(),
                expected: "more than 50 and at most 100 is expected, such as 99.99",
            }),
            _ => Ok(()),
        }
    }
}

impl std::fmt::Display for Method {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::MinMax => f.write_str("minmax"),
            Self::Percentile(p) => write!(f, "percentile {p}"),
            Self::Mse => f.write_str("mse"),
            Self::Entropy => f.write_str("entropy"),
        }
    }
}

impl std::str::FromStr for Method {
    type Err = QuantizeError;

    /// Reads `minmax`, `percentile` (99.99), `percentile:99.9`, `mse` or `entropy`.
    fn from_str(text: &str) -> Result<Self, QuantizeError> {
        let unknown = || QuantizeError::Option {
            option: "method",
            found: format!("{text:?}"),
            expected: "minmax, percentile, percentile:99.9, mse or entropy is expected",
        };
        let method = match text.split_once(':') {
            None => match text {
                "minmax" => Self::MinMax,
                "percentile" => Self::Percentile(99.99),
                "mse" => Self::Mse,
                "entropy" => Self::Entropy,
                _ => return Err(unknown()),
            },
            Some(("percentile", p)) => Self::Percentile(p.parse().map_err(|_| unknown())?),
            Some(_) => return Err(unknown()),
        };
        method.check()?;
        Ok(method)
    }
}

/// A tensor under observation, in memory that does not depend on how much it sees.
#[derive(Clone, Debug)]
pub struct Observer {
    method: Method,
    histogram: Histogram,
}

impl Observer {
    /// An observer that has seen nothing.
    pub fn new(method: Method) -> Self {
        Self { method, histogram: Histogram::default() }
    }

    /// Takes values in. Returns the first that is not finite, where there is one, and then takes none.
    ///
    /// # Errors
    /// A NaN or an infinity.
    pub fn observe(&mut self, values: &[f32]) -> Result<(), f32> {
        match values.iter().find(|v| !v.is_finite()) {
            Some(&v) => Err(v),
            None => {
                self.histogram.add(values);
                Ok(())
            }
        }
    }

    /// How many values were seen.
    pub fn count(&self) -> u64 {
        self.histogram.total()
    }

    /// The range that the method chooses for this layout of integers; zero is always in it.
    pub fn range(&self, activations: Activations) -> (f64, f64) {
        let h = &self.histogram;
        let (low, high) = h.range();
        let (low, high) = match self.method {
            Method::MinMax => (low.into(), high.into()),
            Method::Percentile(p) => {
                let tail = (100.0 - p) / 200.0;
                (h.quantile(tail).min(0.0), h.quantile(1.0 - tail).max(0.0))
            }
            Method::Mse => mean_square::range(h, activations),
            Method::Entropy => entropy::range(h),
        };
        // Where all but a few values are zero, those few are all there is.
        if low == high { (h.range().0.into(), h.range().1.into()) } else { (low, high) }
    }

    /// The scale and zero point of that range.
    pub fn params(&self, activations: Activations) -> Params {
        let (low, high) = self.range(activations);
        activations.params(low, high)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::normal;

    fn seen(method: Method, values: &[f32]) -> Observer {
        let mut o = Observer::new(method);
        values.chunks(501).for_each(|c| o.observe(c).unwrap());
        o
    }

    #[test]
    fn min_max_is_exact() {
        let values = normal(5000, 1);
        let (low, high) = values.iter().fold((0f32, 0f32), |(l, h), &v| (l.min(v), h.max(v)));
        assert_eq!(seen(Method::MinMax, &values).range(Activations::Asymmetric), (low.into(), high.into()));
        assert_eq!(seen(Method::MinMax, &[2.0, 3.0]).range(Activations::Asymmetric), (0.0, 3.0));
    }

    #[test]
    fn percentile_agrees_with_sorting() {
        let mut values = normal(50_000, 2);
        let (low, high) = seen(Method::Percentile(99.0), &values).range(Activations::Asymmetric);
        values.sort_by(f32::total_cmp);
        let (from, to) = (f64::from(values[250]), f64::from(values[49_750]));
        assert!((low - from).abs() < 0.02 && (high - to).abs() < 0.02, "{low}..{high}, sorted {from}..{to}");
    }

    #[test]
    fn a_tensor_that_is_nearly_always_zero_keeps_its_few_values() {
        let mut values = vec![0f32; 100_000];
        values[7] = 2.0;
        let (low, high) = seen(Method::Percentile(99.9), &values).range(Activations::Asymmetric);
        assert_eq!((low, high), (0.0, 2.0));
    }

    #[test]
    fn every_method_keeps_inside_what_was_seen() {
        for method in [Method::MinMax, Method::Percentile(99.9), Method::Mse, Method::Entropy] {
            for values in [vec![0.0], vec![0.5; 10], vec![-3.0], normal(4000, 8)] {
                for activations in [Activations::Asymmetric, Activations::Symmetric] {
                    let o = seen(method, &values);
                    let (low, high) = o.range(activations);
                    let (l, h) = o.histogram.range();
                    assert!(low >= l.into() && high <= h.into() && low <= 0.0 && high >= 0.0, "{method}");
                    assert!(o.params(activations).scale.is_normal());
                }
            }
        }
    }

    #[test]
    fn constants_are_represented() {
        for method in [Method::MinMax, Method::Percentile(99.9), Method::Mse, Method::Entropy] {
            let p = seen(method, &[0.6; 100]).params(Activations::Asymmetric);
            assert!((p.dequantize(p.quantize(0.6)) - 0.6).abs() < 0.003, "{method}");
        }
    }

    #[test]
    fn what_is_not_finite_is_refused() {
        let mut o = Observer::new(Method::Mse);
        assert!(o.observe(&[1.0, f32::NAN]).unwrap_err().is_nan());
        assert_eq!(o.observe(&[f32::INFINITY]), Err(f32::INFINITY));
        assert_eq!(o.count(), 0);
    }

    #[test]
    fn methods_are_read_from_text() {
        let read = |t: &str| t.parse::<Method>();
        assert_eq!(read("percentile:99.9").unwrap(), Method::Percentile(99.9));
        assert_eq!(read("entropy").unwrap(), Method::Entropy);
        assert!(read("percentile:20").unwrap_err().to_string().contains("20"));
        assert!(read("kl").unwrap_err().to_string().contains("minmax, percentile"));
    }
}
