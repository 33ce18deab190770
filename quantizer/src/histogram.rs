//! A histogram whose range grows with what it sees, in constant memory.

/// Bins of a histogram.
pub const BINS: usize = 2048;

/// Counts of values in [`BINS`] bins of one width, whatever their range and number.
///
/// Bin edges are whole multiples of the width, so zero is always an edge, and the width is a power of two: when a value
/// falls outside, the width doubles and neighbouring bins merge, which moves no count across an edge. The bins always
/// cover zero. Exact zeros (half of the values after a rectifier) are counted apart: they have no error in any scale.
#[derive(Clone, Debug)]
pub struct Histogram {
    counts: Vec<u64>,
    /// Index of the first bin: it begins at `first * width`.
    first: i64,
    width: f64,
    low: f32,
    high: f32,
    zeros: u64,
    total: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: Vec::new(), first: 0, width: 0.0, low: 0.0, high: 0.0, zeros: 0, total: 0 }
    }
}

impl Histogram {
    /// Adds finite values; others are the caller's to refuse.
    pub fn add(&mut self, values: &[f32]) {
        let finite = values.iter().copied().filter(|v| v.is_finite());
        let (low, high) = finite.clone().fold((0f32, 0f32), |(l, h), v| (l.min(v), h.max(v)));
        self.cover(low, high);
        let inverse = 1.0 / self.width;
        for v in finite {
            self.total += 1;
            if v == 0.0 {
                self.zeros += 1;
                continue;
            }
            // Multiplying by the inverse of a power of two is exact.
            let bin = (f64::from(v) * inverse).floor() as i64 - self.first;
            self.counts[bin as usize] += 1;
        }
    }

    /// Widens the bins until `[low, high]` and zero fit.
    fn cover(&mut self, low: f32, high: f32) {
        (self.low, self.high) = (self.low.min(low), self.high.max(high));
        let (low, high) = (f64::from(self.low), f64::from(self.high));
        let fits = |width: f64| (high / width).floor() - (low / width).floor() < BINS as f64;
        if low == high {
            return; // Nothing but zeros so far, which need no bins.
        }
        if self.counts.is_empty() {
            let least = (high - low) / BINS as f64;
            self.width = 2f64.powi(least.log2().floor() as i32);
            while !fits(self.width) {
                self.width *= 2.0;
            }
            self.first = (low / self.width).floor() as i64;
            self.counts = vec![0; BINS];
            return;
        }
        let mut doublings = 0;
        while !fits(self.width) {
            self.width *= 2.0;
            doublings += 1;
        }
        let first = (low / self.width).floor() as i64;
        if doublings == 0 && first >= self.first && high < (self.first + BINS as i64) as f64 * self.width {
            return;
        }
        let mut counts = vec![0; BINS];
        for (i, &count) in self.counts.iter().enumerate().filter(|(_, c)| **c > 0) {
            let bin = (self.first + i as i64) >> doublings.min(63);
            counts[(bin - first) as usize] += count;
        }
        (self.counts, self.first) = (counts, first);
    }

    /// The least and greatest value seen, and zero.
    pub fn range(&self) -> (f32, f32) {
        (self.low, self.high)
    }

    /// How many values were added.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// How many of them were exactly zero.
    pub fn zeros(&self) -> u64 {
        self.zeros
    }

    /// The width of a bin; 0 where only zeros were seen.
    pub fn width(&self) -> f64 {
        self.width
    }

    /// The bins that hold values, from below: index (the bin begins at `index * width`) and count.
    pub fn bins(&self) -> impl DoubleEndedIterator<Item = (i64, u64)> + Clone + '_ {
        self.counts.iter().enumerate().filter(|(_, c)| **c > 0).map(|(i, &c)| (self.first + i as i64, c))
    }

    /// The value below which `share` of all values lie, spread evenly inside its bin; zeros lie at zero.
    pub fn quantile(&self, share: f64) -> f64 {
        let wanted = share.clamp(0.0, 1.0) * self.total as f64;
        let mut below = 0.0;
        let mut zeros_passed = self.zeros == 0;
        for (i, count) in self.bins() {
            if i >= 0 && !zeros_passed {
                below += self.zeros as f64;
                zeros_passed = true;
                if below >= wanted {
                    return 0.0;
                }
            }
            if below + count as f64 >= wanted {
                let inside = (wanted - below) / count as f64;
                let value = (i as f64 + inside) * self.width;
                return value.clamp(self.low.into(), self.high.into());
            }
            below += count as f64;
        }
        if zeros_passed { self.high.into() } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{normal, uniform};

    /// Every bin holds exactly the values that lie in it.
    fn check(values: &[f32], h: &Histogram) {
        assert_eq!(h.total(), values.len() as u64);
        assert_eq!(h.zeros(), values.iter().filter(|v| **v == 0.0).count() as u64);
        let counted: u64 = h.bins().map(|b| b.1).sum();
        assert_eq!(counted + h.zeros(), h.total());
        for (i, count) in h.bins() {
            let (from, to) = (i as f64 * h.width(), (i + 1) as f64 * h.width());
            let inside = |v: &&f32| **v != 0.0 && (from..to).contains(&f64::from(**v));
            assert_eq!(values.iter().filter(inside).count() as u64, count, "bin {from}..{to}");
        }
        let (low, high) = values.iter().fold((0f32, 0f32), |(l, h), &v| (l.min(v), h.max(v)));
        assert_eq!(h.range(), (low, high));
    }

    #[test]
    fn bins_stay_exact_while_the_range_grows() {
        let mut h = Histogram::default();
        let mut all = Vec::new();
        for (round, size) in [1e-3f32, 0.0, 1.0, -7.0, 0.5, 1000.0, -3e4].into_iter().enumerate() {
            let values: Vec<f32> = uniform(300, round as u64).into_iter().map(|v| v * size).collect();
            h.add(&values);
            all.extend(values);
            check(&all, &h);
        }
    }

    #[test]
    fn at_least_a_quarter_of_the_bins_is_in_use() {
        for scale in [1e-30f32, 0.37, 5e20] {
            let values: Vec<f32> = uniform(100_000, 3).into_iter().map(|v| v * scale).collect();
            let mut h = Histogram::default();
            h.add(&values);
            assert!(h.bins().count() >= BINS / 4, "{}", h.bins().count());
        }
    }

    #[test]
    fn memory_does_not_grow_with_the_number_of_values() {
        let mut h = Histogram::default();
        for round in 0..2000 {
            h.add(&normal(64, round));
            h.add(&[1.5f32.powi(round as i32 % 60)]);
            assert!(h.counts.capacity() <= BINS);
        }
        assert_eq!(h.total(), 2000 * 65);
    }

    #[test]
    fn extremes_fit() {
        let values = [f32::MAX, f32::MIN, f32::MIN_POSITIVE, -f32::MIN_POSITIVE, 0.0];
        let mut h = Histogram::default();
        for v in values {
            h.add(&[v]);
        }
        check(&values, &h);
        let mut tiny = Histogram::default();
        tiny.add(&[1e-45]);
        tiny.add(&[f32::MAX]);
        check(&[1e-45, f32::MAX], &tiny);
    }

    #[test]
    fn quantiles_agree_with_sorting() {
        let mut values = normal(20_000, 5);
        values.extend(std::iter::repeat_n(0.0, 5_000));
        let mut h = Histogram::default();
        values.chunks(777).for_each(|c| h.add(c));
        values.sort_by(f32::total_cmp);
        for share in [0.0001, 0.01, 0.3, 0.45, 0.5, 0.55, 0.9, 0.999, 1.0] {
            let place = ((share * values.len() as f64) as usize).min(values.len() - 1);
            let (found, expected) = (h.quantile(share), f64::from(values[place]));
            // In the tails, neighbouring values lie further apart than a bin.
            let gap = f64::from(values[place.saturating_sub(2)] - values[(place + 2).min(values.len() - 1)]).abs();
            assert!((found - expected).abs() <= h.width() + gap, "{share}: {found}, sorted {expected}");
        }
    }

    #[test]
    fn only_zeros_need_no_bins() {
        let mut h = Histogram::default();
        h.add(&[0.0; 10]);
        assert_eq!((h.total(), h.zeros(), h.bins().count()), (10, 10, 0));
        assert_eq!(h.quantile(0.999), 0.0);
        h.add(&[2.0]);
        assert_eq!(h.bins().count(), 1);
    }
}
