//! Reproducible numbers for the tests of this crate.

/// Evenly spread numbers in [-1, 1).
pub fn uniform(count: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    };
    (0..count).map(|_| next()).collect()
}

/// Nearly normal numbers of deviation 1: sums of twelve even ones.
pub fn normal(count: usize, seed: u64) -> Vec<f32> {
    uniform(count * 12, seed).chunks_exact(12).map(|c| c.iter().sum::<f32>() / 2.0).collect()
}
