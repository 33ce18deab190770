//! The range with the least mean square error.

use crate::histogram::Histogram;
use crate::params::Activations;

/// Steps of the search from the whole range down to 1 / STEPS of it.
const STEPS: u32 = 64;

/// The sum of squared errors of quantizing what the histogram holds with the scale of `[low, high]`: inside a bin the
/// values are spread evenly, so a bin far smaller than a step has the error of its middle, and its own variance where
/// it is clipped.
pub fn error(histogram: &Histogram, activations: Activations, low: f64, high: f64) -> f64 {
    let params = activations.params(low, high);
    let (from, to) = params.range();
    let (from, to, scale) = (f64::from(from), f64::from(to), f64::from(params.scale));
    let width = histogram.width();
    let mut sum = 0.0;
    for (i, count) in histogram.bins() {
        let x = (i as f64 + 0.5) * width;
        let nearest = (x / scale).round_ties_even() * scale;
        let e = x - nearest.clamp(from, to);
        sum += count as f64 * (e * e);
    }
    sum
}

/// The range `[low, high]` inside what was seen whose scale has the least mean square error: both ends shrink together
/// first, then each by itself as long as that helps.
pub fn range(histogram: &Histogram, activations: Activations) -> (f64, f64) {
    let (low, high) = histogram.range();
    let (low, high) = (f64::from(low), f64::from(high));
    let cost = |a: u32, b: u32| {
        let part = |k: u32| f64::from(k) / f64::from(STEPS);
        error(histogram, activations, low * part(a), high * part(b))
    };
    let mut best = (cost(STEPS, STEPS), STEPS, STEPS);
    let consider = |best: &mut (f64, u32, u32), a: u32, b: u32| {
        let e = cost(a, b);
        if e < best.0 {
            *best = (e, a, b);
        }
    };
    for k in 1..STEPS {
        consider(&mut best, k, k);
    }
    if low < 0.0 && high > 0.0 && activations == Activations::Asymmetric {
        for _ in 0..4 {
            let before = best;
            (1..=STEPS).for_each(|a| consider(&mut best, a, before.2));
            let a = best.1;
            (1..=STEPS).for_each(|b| consider(&mut best, a, b));
            if best == before {
                break;
            }
        }
    }
    let part = |k: u32| f64::from(k) / f64::from(STEPS);
    (low * part(best.1), high * part(best.2))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{normal, uniform};

    fn histogram(values: &[f32]) -> Histogram {
        let mut h = Histogram::default();
        values.chunks(1000).for_each(|c| h.add(c));
        h
    }

    /// The error on the values themselves.
    fn exact(values: &[f32], activations: Activations, low: f64, high: f64) -> f64 {
        let p = activations.params(low, high);
        values.iter().map(|&v| f64::from(v - p.dequantize(p.quantize(v))).powi(2)).sum::<f64>() / values.len() as f64
    }

    #[test]
    fn no_grid_point_of_the_values_themselves_is_much_better() {
        let relu: Vec<f32> = normal(6000, 3).into_iter().map(|v| v.max(0.0)).collect();
        let mut outlier = uniform(6000, 4);
        outlier.push(9.0);
        let skewed: Vec<f32> = normal(6000, 5).into_iter().map(|v| if v < 0.0 { v * 0.1 } else { v * v }).collect();
        for values in [normal(6000, 1), relu, outlier, skewed] {
            for activations in [Activations::Asymmetric, Activations::Symmetric] {
                let h = histogram(&values);
                let (low, high) = range(&h, activations);
                let (l, u) = h.range();
                let found = exact(&values, activations, low, high);
                let grid = (1..=24).flat_map(|a| (1..=24).map(move |b| (f64::from(a) / 24.0, f64::from(b) / 24.0)));
                let best = grid
                    .map(|(a, b)| exact(&values, activations, f64::from(l) * a, f64::from(u) * b))
                    .fold(f64::INFINITY, f64::min);
                assert!(found <= best * 1.05, "{activations:?}: {found}, brute force {best}");
            }
        }
    }

    #[test]
    fn an_outlier_is_clipped_and_an_even_spread_is_not() {
        let even = histogram(&uniform(20_000, 1));
        let (low, high) = range(&even, Activations::Asymmetric);
        assert!(low < -0.97 && high > 0.97, "{low}..{high}");
        let mut values = uniform(600_000, 1);
        values.push(3.0);
        let (low, high) = range(&histogram(&values), Activations::Asymmetric);
        assert!(low < -0.95 && (0.95..2.0).contains(&high), "{low}..{high}");
    }

    #[test]
    fn zeros_alone_have_an_empty_range() {
        assert_eq!(range(&histogram(&[0.0; 4]), Activations::Asymmetric), (0.0, 0.0));
    }
}
