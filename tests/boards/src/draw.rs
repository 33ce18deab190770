//! Repeatable numbers.

/// A small generator (splitmix64): the same numbers on every machine.
#[derive(Clone, Debug)]
pub struct Draw(u64);

impl Draw {
    /// The sequence of this seed.
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0xD134_2543_DE82_EF95))
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `n`.
    pub fn below(&mut self, n: u32) -> u32 {
        (((self.bits() >> 32) * u64::from(n)) >> 32) as u32
    }

    /// A number of `low..=high`.
    pub fn between(&mut self, low: i32, high: i32) -> i32 {
        low + self.below((high - low + 1) as u32) as i32
    }

    /// One of these.
    pub fn pick<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len() as u32) as usize]
    }

    /// True once in `n` times.
    pub fn once_in(&mut self, n: u32) -> bool {
        self.below(n) == 0
    }

    /// A float of `low..high`.
    pub fn float(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * ((self.bits() >> 40) as f32 / (1 << 24) as f32)
    }

    /// Bytes: mostly of any value, sometimes only the extremes, sometimes all the same.
    pub fn bytes(&mut self, all: &mut [i8]) {
        let kind = self.below(8);
        let one = self.pick(&[-128, 127, 0, 1]);
        for eight in all.chunks_mut(8) {
            for (to, from) in eight.iter_mut().zip(self.bits().to_le_bytes()) {
                *to = match kind {
                    0 => [-128, 127][usize::from(from & 1)],
                    1 => one,
                    _ => from as i8,
                };
            }
        }
    }

    /// Biases: mostly small, sometimes at the ends of int32, where sums wrap.
    pub fn biases(&mut self, all: &mut [i32]) {
        let ends = self.once_in(16);
        for to in all {
            *to = if ends { self.pick(&[i32::MIN, i32::MAX]) } else { self.between(-20_000, 20_000) };
        }
    }

    /// Multipliers that bring sums of `terms` products to int8; once in a while of every size, also not a number.
    pub fn multipliers(&mut self, terms: u32, all: &mut [f32]) {
        let spread = 4000.0 * square_root(terms as f32);
        let odd = self.once_in(16);
        for to in all {
            *to = self.float(10.0 / spread, 200.0 / spread);
            if odd {
                *to = self.pick(&[*to, 1e-8, 0.5, f32::INFINITY, f32::NAN, 3e38, f32::MIN_POSITIVE]);
            }
        }
    }
}

/// A square root by Newton's steps, whose every step is the same on all machines.
fn square_root(x: f32) -> f32 {
    let mut y = x.max(1.0);
    for _ in 0..24 {
        y = 0.5 * (y + x / y);
    }
    y
}
