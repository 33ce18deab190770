//! What modules around a plan are made of; `ocellus compile --rust` and the crate `ocellus-build` write them.

/// Content at an address that suits weights: a multiple of 64.
#[repr(C, align(64))]
pub struct Aligned<T: ?Sized>(pub T);

/// The checksum that a plan's header holds, at compile time: a module compares it with the one that it was written for, so
/// that a plan that was exchanged since does not compile. 0 for what is shorter than a header.
pub const fn checksum(plan: &[u8]) -> u32 {
    match plan.split_at_checked(16) {
        Some((_, &[a, b, c, d, ..])) => u32::from_le_bytes([a, b, c, d]),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_is_aligned_and_has_a_checksum() {
        static BYTES: &Aligned<[u8]> = &Aligned([7; 24]);
        assert!(BYTES.0.as_ptr().addr().is_multiple_of(64));
        assert_eq!((checksum(&BYTES.0), checksum(&BYTES.0[..19])), (0x0707_0707, 0));
    }
}
