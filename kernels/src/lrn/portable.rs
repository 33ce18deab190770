//! The reference: one output at a time.

use super::Params;
use crate::rows::{rows, rows_mut};

pub(super) fn run(params: &Params, x: &[f32], y: &mut [f32]) {
    let channels = params.channels as usize;
    // Half of the others lies before, the odd one after.
    let before = (params.size.wrapping_sub(1) >> 1) as usize;
    let after = (params.size >> 1) as usize;
    let scale = params.alpha / params.size as f32;
    for (x, y) in rows(x, channels).zip(rows_mut(y, channels)) {
        for (c, (y, &center)) in y.iter_mut().zip(x).enumerate() {
            let end = c.saturating_add(after).saturating_add(1).min(channels);
            let window = x.get(c.saturating_sub(before)..end).unwrap_or(&[]);
            let sum: f32 = window.iter().map(|x| x * x).sum();
            *y = center / libm::powf(params.bias + scale * sum, params.beta);
        }
    }
}
