//! Cortex-M: shares by the core's divider of 32 bits, where dividing 64 bits is a loop.

use super::Params;
use super::portable;

/// The greatest sum: 16 and a half times it still fit into 32 bits.
const GREATEST: u64 = 1 << 27;

/// Computes `y`.
pub(super) fn run(params: &Params, x: &[i8], exponentials: &[u32; 256], y: &mut [i8]) -> bool {
    portable::run(params, x, exponentials, y, share);
    true
}

/// `min((e * 256 + sum / 2) / sum, 255) - 128` of an `e` that is not above the sum: four bits of the quotient, then the
/// other four with the rounding.
fn share(e: u64, sum: u64) -> i8 {
    if sum > GREATEST {
        return portable::share(e, sum);
    }
    let (e, sum) = ((e as u32) << 4, sum as u32);
    let divide = |n: u32| n.checked_div(sum).unwrap_or(0);
    let high = divide(e);
    let rest = e.wrapping_sub(high.wrapping_mul(sum));
    let low = divide((rest << 4).wrapping_add(sum >> 1));
    let all = (high << 4).wrapping_add(low);
    (all.min(255) as u8 ^ 0x80).cast_signed()
}
