//! The range that keeps most information: least Kullback-Leibler divergence, as TensorRT's calibrator does it
//! (Migacz, "8-bit Inference with TensorRT", 2017).

use crate::histogram::Histogram;

/// Thresholds are tried in steps of this many bins.
const STRIDE: usize = 4;

/// Probability given to places that a distribution lacks and the other one has.
const SMOOTHING: f64 = 1e-4;

/// The counts of absolute values, from zero upwards.
fn magnitudes(histogram: &Histogram) -> Vec<f64> {
    let place = |i: i64| if i >= 0 { i } else { -1 - i } as usize;
    let len = histogram.bins().map(|(i, _)| place(i) + 1).max().unwrap_or(0);
    let mut counts = vec![0.0; len];
    for (i, count) in histogram.bins() {
        counts[place(i)] += count as f64;
    }
    counts
}

/// Gives `SMOOTHING` to every empty place, taken evenly from the others; `None` where nothing is there to take from.
fn smoothed(values: &[f64]) -> Option<Vec<f64>> {
    let total: f64 = values.iter().sum();
    let empty = values.iter().filter(|v| **v == 0.0).count() as f64;
    let full = values.len() as f64 - empty;
    if total <= 0.0 {
        return None;
    }
    let share = SMOOTHING * empty / full;
    let smooth = |v: &f64| if *v == 0.0 { SMOOTHING } else { (v / total - share).max(SMOOTHING) };
    Some(values.iter().map(smooth).collect())
}

fn divergence(p: &[f64], q: &[f64]) -> Option<f64> {
    let (p, q) = (smoothed(p)?, smoothed(q)?);
    let (sum_p, sum_q): (f64, f64) = (p.iter().sum(), q.iter().sum());
    Some(p.iter().zip(&q).map(|(p, q)| (p / sum_p) * ((p / sum_p) / (q / sum_q)).ln()).sum())
}

/// What is left of `counts` when only `levels` steps tell them apart: every step's count spread evenly over those of
/// its bins that hold something.
fn coarse(counts: &[f64], levels: usize) -> Vec<f64> {
    let mut result = vec![0.0; counts.len()];
    for level in 0..levels {
        let (from, to) = (level * counts.len() / levels, (level + 1) * counts.len() / levels);
        let sum: f64 = counts[from..to].iter().sum();
        let full = counts[from..to].iter().filter(|v| **v > 0.0).count();
        for k in from..to {
            if counts[k] > 0.0 {
                result[k] = sum / full as f64;
            }
        }
    }
    result
}

/// The divergence of clipping the magnitudes at bin `bins`.
fn clipped(counts: &[f64], bins: usize, levels: usize) -> Option<f64> {
    let mut reference = counts[..bins].to_vec();
    reference[bins - 1] += counts[bins..].iter().sum::<f64>();
    divergence(&reference, &coarse(&counts[..bins], levels))
}

/// The range `[low, high]` inside what was seen whose clipping loses least information. Tensors of one sign have 256
/// levels for their magnitudes, others 128.
pub fn range(histogram: &Histogram) -> (f64, f64) {
    let (low, high) = histogram.range();
    let (low, high) = (f64::from(low), f64::from(high));
    let levels = if low < 0.0 && high > 0.0 { 128 } else { 256 };
    let counts = magnitudes(histogram);
    let candidates = (levels..counts.len()).step_by(STRIDE).chain([counts.len()]).filter(|&n| n >= levels);
    let best = candidates.filter_map(|n| Some((clipped(&counts, n, levels)?, n))).min_by(|a, b| a.0.total_cmp(&b.0));
    match best {
        Some((_, bins)) if bins < counts.len() => {
            let limit = bins as f64 * histogram.width();
            (low.max(-limit), high.min(limit))
        }
        _ => (low, high),
    }
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

    #[test]
    fn no_threshold_is_much_better() {
        for values in [normal(30_000, 1), normal(30_000, 2).iter().map(|v| v.max(0.0)).collect(), uniform(30_000, 3)] {
            let h = histogram(&values);
            let levels = if values.iter().any(|v| *v < 0.0) { 128 } else { 256 };
            let counts = magnitudes(&h);
            let all = (levels..=counts.len()).filter_map(|n| clipped(&counts, n, levels));
            let best = all.fold(f64::INFINITY, f64::min);
            let (low, high) = range(&h);
            let bins = (high.max(-low) / h.width()).ceil() as usize;
            let found = clipped(&counts, bins.min(counts.len()), levels).unwrap();
            assert!(found <= best * 1.05 + 1e-6, "{found}, brute force {best}");
        }
    }

    #[test]
    fn magnitudes_fold_the_negative_side() {
        let h = histogram(&[-0.75, -0.25, 0.25, 1.0, 1.0]);
        let counts = magnitudes(&h);
        assert_eq!(counts.iter().sum::<f64>(), 5.0);
        let at = |v: f64| counts[(v / h.width()) as usize];
        assert_eq!(at(1.0), 2.0);
        // A bin holds its lower edge: -0.75 is the far edge of its bin once that is folded, 0.25 the near one.
        assert_eq!([at(0.75 - h.width()), at(0.75), at(0.25), at(0.25 - h.width())], [1.0, 0.0, 1.0, 1.0]);
    }

    #[test]
    fn far_outliers_are_clipped() {
        let mut values = normal(100_000, 4);
        values.push(40.0);
        let (low, high) = range(&histogram(&values));
        assert!(high < 30.0 && low < -3.0, "{low}..{high}");
    }

    #[test]
    fn few_values_keep_their_range() {
        assert_eq!(range(&histogram(&[0.0; 3])), (0.0, 0.0));
        assert_eq!(range(&histogram(&[0.5])), (0.0, 0.5));
        let (low, high) = range(&histogram(&[-1.0, 0.5, 2.0]));
        assert!(low >= -1.0 && high <= 2.0);
    }
}
