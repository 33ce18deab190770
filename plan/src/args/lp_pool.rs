//! Lp pooling.

use super::PoolGeometry;
use crate::words::arguments;

arguments! {
    /// `(Σ |x|^p)^(1/p)` over the taps inside the input.
    ///
    /// Writes: y f32. Reads: x f32.
    LpPool = 14 "lp_pool" {
        /// The geometry.
        geometry: PoolGeometry,
        /// p, at least 1.
        p: u32,
    }
}
