//! The reference.

/// The least and the greatest of `x` and 0; a NaN counts for nothing.
pub(super) fn range(x: &[f32]) -> (f32, f32) {
    let (mut low, mut high) = (0f32, 0f32);
    for &x in x {
        low = if x < low { x } else { low };
        high = if x > high { x } else { high };
    }
    (low, high)
}
