//! Floats of 16 bits: what weights are stored in, and how they are rounded and widened.
//!
//! [`F16`] is IEEE 754 binary16 (11 significant bits, up to 65504), [`Bf16`] the upper half of an f32 (8 significant bits,
//! the range of f32). Widening is exact. Rounding is to the nearest, half to even, so that a weight moves by at most `2^-11`
//! of itself (`2^-8` for bf16), or in f16 by `2^-25` where it is below `2^-14`.

/// IEEE 754 binary16, by its bits.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
#[repr(transparent)]
pub struct F16(pub u16);

/// The upper 16 bits of an f32, by its bits.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
#[repr(transparent)]
pub struct Bf16(pub u16);

/// A number that a weight is stored as.
pub(crate) trait Weight: Copy + Default + 'static {
    /// Its value.
    fn widen(self) -> f32;
}

impl Weight for f32 {
    #[inline(always)]
    fn widen(self) -> f32 {
        self
    }
}

impl Weight for F16 {
    #[inline(always)]
    fn widen(self) -> f32 {
        self.to_f32()
    }
}

impl Weight for Bf16 {
    #[inline(always)]
    fn widen(self) -> f32 {
        self.to_f32()
    }
}

/// Weights as they are stored.
#[derive(Clone, Copy, Debug)]
pub enum Weights<'a> {
    /// In 32 bits.
    F32(&'a [f32]),
    /// In IEEE's 16 bits.
    F16(&'a [F16]),
    /// In the upper 16 bits of f32.
    Bf16(&'a [Bf16]),
}

impl<'a> Weights<'a> {
    /// Elements.
    pub fn len(&self) -> usize {
        match self {
            Self::F32(w) => w.len(),
            Self::F16(w) => w.len(),
            Self::Bf16(w) => w.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A part of them; `None` where it is not within.
    pub fn get(&self, range: core::ops::Range<usize>) -> Option<Self> {
        Some(match self {
            Self::F32(w) => Self::F32(w.get(range)?),
            Self::F16(w) => Self::F16(w.get(range)?),
            Self::Bf16(w) => Self::Bf16(w.get(range)?),
        })
    }

    /// What they are stored in.
    pub fn storage(&self) -> Storage {
        match self {
            Self::F32(_) => Storage::F32,
            Self::F16(_) => Storage::F16,
            Self::Bf16(_) => Storage::Bf16,
        }
    }
}

/// What weights are stored in.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Storage {
    /// 32 bits.
    #[default]
    F32,
    /// IEEE's 16 bits.
    F16,
    /// The upper 16 bits of f32.
    Bf16,
}

impl Storage {
    /// Bytes of a weight.
    pub const fn bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
        }
    }

    /// The 16 bits of the nearest number; `None` for 32 bits, and where `v` is not finite or is beyond the greatest.
    pub fn halve(self, v: f32) -> Option<u16> {
        let (bits, exponent) = match self {
            Self::F32 => return None,
            Self::F16 => (F16::from_f32(v).0, 0x7C00),
            Self::Bf16 => (Bf16::from_f32(v).0, 0x7F80),
        };
        (bits & exponent != exponent).then_some(bits)
    }
}

impl F16 {
    /// The value, which f32 holds exactly.
    #[inline]
    pub fn to_f32(self) -> f32 {
        let (sign, magnitude) = (u32::from(self.0 & 0x8000) << 16, u32::from(self.0 & 0x7FFF));
        if magnitude >= 0x7C00 {
            return f32::from_bits(sign | 0x7F80_0000 | (magnitude & 0x3FF) << 13);
        }
        // The bits at their place in an f32 are the value times 2^-112, subnormal numbers included.
        let scaled = f32::from_bits(magnitude << 13) * f32::from_bits((127 + 112) << 23);
        f32::from_bits(sign | scaled.to_bits())
    }

    /// The nearest number, half to even; infinite from 65520 on.
    #[inline]
    pub fn from_f32(v: f32) -> Self {
        Self::from_f64(f64::from(v))
    }

    /// The nearest number, half to even, rounded once; infinite from 65520 on.
    pub fn from_f64(v: f64) -> Self {
        let bits = v.to_bits();
        let (sign, magnitude) = ((bits >> 48) as u16 & 0x8000, bits & (u64::MAX >> 1));
        let exponent = (magnitude >> 52) as i32 - 1023;
        if v.is_nan() {
            return Self(sign | 0x7E00);
        }
        if exponent >= 16 {
            return Self(sign | 0x7C00);
        }
        // Significant bits that are dropped: 42, and one more for every power of two below 2^-14.
        let dropped = 42 + (-14 - exponent).max(0);
        if dropped > 53 {
            return Self(sign);
        }
        let significand = magnitude & ((1 << 52) - 1) | 1 << 52;
        let (kept, rest) = (significand >> dropped, significand & ((1 << dropped) - 1));
        let half = 1u64 << (dropped - 1);
        let up = rest > half || (rest == half && kept & 1 == 1);
        // The leading bit adds one to the exponent where there is one; a carry moves on to the next power of two.
        let base = ((exponent + 14).max(0) as u16) << 10;
        Self(sign | base.wrapping_add(kept as u16).wrapping_add(u16::from(up)))
    }

    /// `a * b + c`, rounded once: IEEE's fusedMultiplyAdd.
    ///
    /// In f64 the product is exact. The sum is, too, wherever the next rounding could depend on it: a sum that f64 rounds
    /// has a term that is less than `2^-13` of the other, far from every middle between two numbers of 11 bits.
    #[inline]
    pub fn fma(a: Self, b: Self, c: Self) -> Self {
        let [a, b, c] = [a, b, c].map(|v| f64::from(v.to_f32()));
        Self::from_f64(a * b + c)
    }
}

impl Bf16 {
    /// The value, which f32 holds exactly.
    #[inline]
    pub fn to_f32(self) -> f32 {
        f32::from_bits(u32::from(self.0) << 16)
    }

    /// The nearest number, half to even; infinite where that is beyond the greatest.
    #[inline]
    pub fn from_f32(v: f32) -> Self {
        let bits = v.to_bits();
        if v.is_nan() {
            return Self((bits >> 16) as u16 | 0x40);
        }
        let odd = bits >> 16 & 1;
        Self((bits.wrapping_add(0x7FFF).wrapping_add(odd) >> 16) as u16)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::Samples;

    #[test]
    fn every_f16_survives_f32_and_f64() {
        for bits in 0..=u16::MAX {
            let v = F16(bits).to_f32();
            if v.is_nan() {
                assert!(F16::from_f32(v).to_f32().is_nan());
            } else {
                assert_eq!((F16::from_f32(v), F16::from_f64(f64::from(v))), (F16(bits), F16(bits)));
            }
        }
        let value = |bits: u16| F16(bits).to_f32();
        assert_eq!([value(1), value(0x3FF)], [2f32.powi(-24), 1023.0 * 2f32.powi(-24)]);
        assert_eq!([value(0x3C00), value(0xC000), value(0x7BFF), value(0x7C00)], [1.0, -2.0, 65504.0, f32::INFINITY]);
    }

    #[test]
    fn f16_rounds_to_the_nearest_and_half_to_even() {
        for bits in 0..0x7C00u16 {
            // The next number; behind the greatest stands infinity, as if it were 65536.
            let upper = if bits == 0x7BFF { 65536.0 } else { f64::from(F16(bits + 1).to_f32()) };
            let lower = f64::from(F16(bits).to_f32());
            let middle = (lower + upper) / 2.0;
            let even = if bits & 1 == 0 { bits } else { bits + 1 };
            let rounded = |v: f64| F16::from_f64(v).0;
            assert_eq!(rounded(middle), even, "{bits:#x}");
            assert_eq!(rounded(middle - middle * 1e-15), bits);
            assert_eq!(rounded(middle + middle * 1e-15), bits + 1);
            assert_eq!(rounded(-middle), 0x8000 | even);
        }
        assert_eq!(
            [F16::from_f64(1e300), F16::from_f64(1e-300), F16::from_f64(-0.0)].map(|v| v.0),
            [0x7C00, 0, 0x8000]
        );
    }

    #[test]
    fn bf16_rounds_to_the_nearest_and_half_to_even() {
        let rounded = |bits: u32| Bf16::from_f32(f32::from_bits(bits)).0;
        assert_eq!([rounded(0x3F80_8000), rounded(0x3F81_8000), rounded(0x3F80_8001)], [0x3F80, 0x3F82, 0x3F81]);
        assert_eq!([rounded(0x7F7F_FFFF), rounded(0xFF80_0000)], [0x7F80, 0xFF80]);
        assert!(Bf16::from_f32(f32::from_bits(0x7F80_0001)).to_f32().is_nan());
        assert_eq!(Bf16(0xC040).to_f32(), -3.0);
    }

    #[test]
    fn numbers_that_16_bits_do_not_hold_are_refused() {
        assert_eq!(Storage::F16.halve(65504.0), Some(0x7BFF));
        assert_eq!([Storage::F16.halve(65520.0), Storage::F16.halve(f32::NAN), Storage::F32.halve(1.0)], [None; 3]);
        assert_eq!([Storage::Bf16.halve(65520.0), Storage::Bf16.halve(f32::MAX)], [Some(0x4780), None]);
    }

    /// In integers: a product of two numbers is a multiple of 2^-48, and 128 bits hold every sum.
    #[test]
    fn a_fused_product_is_rounded_once() {
        let fixed = |v: F16| (f64::from(v.to_f32()) * 2f64.powi(24)) as i128;
        let mut samples = Samples::new(1);
        let mut finite = || {
            let bits = samples.bits() as u16;
            F16(if bits & 0x7C00 == 0x7C00 { bits & 0xBFFF } else { bits })
        };
        for _ in 0..200_000 {
            let [a, b, c] = [finite(), finite(), finite()];
            let exact = fixed(a) * fixed(b) + (fixed(c) << 24);
            let got = F16::fma(a, b, c);
            let own = |bits: u16| fixed(F16(bits)) << 24;
            // Twice the distance to the exact value, against the distances to the neighbours.
            if got.0 & 0x7C00 == 0x7C00 {
                assert!(exact.abs() >= 65520i128 << 48, "{a:?} {b:?} {c:?}");
                continue;
            }
            let magnitude = got.0 & 0x7FFF;
            let (distance, size) = ((own(got.0) - exact).abs(), exact.abs());
            let gap = |other: u16| (own(other) - size).abs();
            if magnitude < 0x7BFF {
                let up = gap(magnitude + 1);
                assert!(distance < up || (distance == up && magnitude & 1 == 0), "{a:?} {b:?} {c:?}");
            }
            if magnitude > 0 {
                let down = gap(magnitude - 1);
                assert!(distance < down || (distance == down && magnitude & 1 == 0), "{a:?} {b:?} {c:?}");
            }
        }
    }
}
