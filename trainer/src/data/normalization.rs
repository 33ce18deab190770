//! From bytes to the network's numbers.

use serde::{Deserialize, Serialize};

/// `(pixel / 255 - mean) / std` per channel, through a table of 256 entries so that every machine agrees to the bit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Normalization {
    /// Mean of each channel, of pixels in `[0, 1]`.
    pub mean: Vec<f32>,
    /// Standard deviation of each channel, of pixels in `[0, 1]`.
    pub std: Vec<f32>,
}

impl Normalization {
    /// The same mean and deviation for every one of `channels` channels.
    pub fn uniform(channels: usize, mean: f32, std: f32) -> Self {
        Self { mean: vec![mean; channels], std: vec![std; channels] }
    }

    /// The 256 values of every channel.
    pub fn tables(&self) -> Vec<[f32; 256]> {
        let table = |(&mean, &std): (&f32, &f32)| {
            std::array::from_fn(|p| ((p as f64 / 255.0 - f64::from(mean)) / f64::from(std)) as f32)
        };
        self.mean.iter().zip(&self.std).map(table).collect()
    }

    /// Whether there is one mean and one positive deviation for each of `channels` channels.
    pub fn fits(&self, channels: usize) -> bool {
        let finite = self.mean.iter().all(|m| m.is_finite()) && self.std.iter().all(|s| s.is_finite() && *s > 0.0);
        self.mean.len() == channels && self.std.len() == channels && finite
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_the_formula() {
        let n = Normalization { mean: vec![0.5, 0.25], std: vec![0.5, 0.125] };
        let t = n.tables();
        assert_eq!((t[0][0], t[0][255], t[1][255]), (-1.0, 1.0, 6.0));
        assert!(n.fits(2) && !n.fits(1) && !Normalization::uniform(1, 0.0, 0.0).fits(1));
    }
}
