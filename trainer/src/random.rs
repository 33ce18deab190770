//! Random numbers without state: every number is a function of (seed, name, step, index).
//!
//! Philox 4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011). No random node is in a
//! training graph: masks, shuffles and initial weights come from here, so that a run resumes to the same bits from its
//! step number alone, on every machine and with any number of threads.

const MULTIPLIERS: [u32; 2] = [0xD251_1F53, 0xCD9E_8D57];
const WEYL: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];

/// Ten rounds of Philox 4x32.
fn philox(mut counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    for _ in 0..10 {
        let a = u64::from(MULTIPLIERS[0]) * u64::from(counter[0]);
        let b = u64::from(MULTIPLIERS[1]) * u64::from(counter[2]);
        let (low_a, high_a, low_b, high_b) = (a as u32, (a >> 32) as u32, b as u32, (b >> 32) as u32);
        counter = [high_b ^ counter[1] ^ key[0], low_b, high_a ^ counter[3] ^ key[1], low_a];
        key = [key[0].wrapping_add(WEYL[0]), key[1].wrapping_add(WEYL[1])];
    }
    counter
}

/// FNV-1a, so that a stream depends on its name alone.
fn hash(name: &str) -> u64 {
    name.bytes().fold(0xCBF2_9CE4_8422_2325, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01B3))
}

/// A sequence of random numbers, read from the front.
#[derive(Clone, Debug)]
pub struct Random {
    key: [u32; 2],
    step: u64,
    block: u64,
    words: [u32; 4],
    used: usize,
}

impl Random {
    /// The sequence of this seed, name and step.
    pub fn new(seed: u64, name: &str, step: u64) -> Self {
        // A stream of its own for every (seed, name): one block of Philox under the hash of the name mixes both.
        let h = hash(name);
        let mixed = philox([seed as u32, (seed >> 32) as u32, 0, 0], [h as u32, (h >> 32) as u32]);
        Self { key: [mixed[0], mixed[1]], step, block: 0, words: [0; 4], used: 4 }
    }

    /// 32 random bits.
    pub fn bits(&mut self) -> u32 {
        if self.used == 4 {
            let (b, s) = (self.block, self.step);
            self.words = philox([b as u32, (b >> 32) as u32, s as u32, (s >> 32) as u32], self.key);
            self.block += 1;
            self.used = 0;
        }
        self.used += 1;
        self.words[self.used - 1]
    }

    /// A number in `[0, 1)`, a multiple of 2^-24, so that it is exact in f32 and never rounds up to 1.
    pub fn uniform(&mut self) -> f32 {
        (self.bits() >> 8) as f32 * (1.0 / 16_777_216.0)
    }

    /// A number of the standard normal distribution (Box and Muller, in f64 with portable functions).
    pub fn normal(&mut self) -> f64 {
        // The first uniform is in (0, 1]: its logarithm is finite.
        let radius = libm::sqrt(-2.0 * libm::log((f64::from(self.bits()) + 1.0) / 4_294_967_296.0));
        let angle = 2.0 * std::f64::consts::PI * f64::from(self.bits()) / 4_294_967_296.0;
        radius * libm::cos(angle)
    }

    /// An integer in `0..bound`, each equally likely; 0 where the bound is 0.
    pub fn below(&mut self, bound: usize) -> usize {
        let bound = bound as u64;
        if bound <= 1 {
            return 0;
        }
        // Lemire's multiplication with rejection on 64 bits.
        let threshold = bound.wrapping_neg() % bound;
        loop {
            let word = u64::from(self.bits()) << 32 | u64::from(self.bits());
            let product = u128::from(word) * u128::from(bound);
            if product as u64 >= threshold {
                return (product >> 64) as usize;
            }
        }
    }

    /// Puts a slice into random order (Fisher and Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i + 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_answers_of_philox() {
        // The known-answer vectors of the Random123 library.
        assert_eq!(philox([0; 4], [0; 2]), [0x6627_E8D5, 0xE169_C58D, 0xBC57_AC4C, 0x9B00_DBD8]);
        assert_eq!(philox([u32::MAX; 4], [u32::MAX; 2]), [0x408F_276D, 0x41C8_3B0E, 0xA20B_C7C6, 0x6D54_51FD]);
        let pi = philox([0x243F_6A88, 0x85A3_08D3, 0x1319_8A2E, 0x0370_7344], [0xA409_3822, 0x299F_31D0]);
        assert_eq!(pi, [0xD16C_FE09, 0x94FD_CCEB, 0x5001_E420, 0x2412_6EA1]);
    }

    #[test]
    fn streams_are_reproducible_and_apart() {
        let take = |seed, name, step| {
            let mut r = Random::new(seed, name, step);
            [r.bits(), r.bits(), r.bits(), r.bits(), r.bits()]
        };
        assert_eq!(take(1, "dropout", 7), take(1, "dropout", 7));
        let all = [take(1, "dropout", 7), take(2, "dropout", 7), take(1, "dropout2", 7), take(1, "dropout", 8)];
        for (i, a) in all.iter().enumerate() {
            assert!(all[..i].iter().all(|b| b != a));
        }
    }

    #[test]
    fn moments() {
        let mut r = Random::new(5, "moments", 0);
        let n = 40_000;
        let uniform: f64 = (0..n).map(|_| f64::from(r.uniform())).sum::<f64>() / f64::from(n);
        assert!((uniform - 0.5).abs() < 0.01, "{uniform}");
        let normals: Vec<f64> = (0..n).map(|_| r.normal()).collect();
        let mean = normals.iter().sum::<f64>() / f64::from(n);
        let variance = normals.iter().map(|v| v * v).sum::<f64>() / f64::from(n);
        assert!(mean.abs() < 0.02 && (variance - 1.0).abs() < 0.03, "{mean} {variance}");
        let mut counts = [0usize; 7];
        (0..70_000).for_each(|_| counts[r.below(7)] += 1);
        assert!(counts.iter().all(|&c| (9_500..10_500).contains(&c)), "{counts:?}");
    }

    #[test]
    fn a_shuffle_keeps_every_item() {
        let mut items: Vec<usize> = (0..100).collect();
        Random::new(3, "shuffle", 0).shuffle(&mut items);
        assert_ne!(items, (0..100).collect::<Vec<_>>());
        items.sort_unstable();
        assert_eq!(items, (0..100).collect::<Vec<_>>());
    }
}
