//! Convolution of bytes with zero points to real numbers, `y = clamp((Σ (x - x_zero) * (w - w_zero[o])) as f32 * scale + bias[o])`:
//! what stands around ConvInteger or MatMulInteger where a model is quantized as it runs. The product is rounded before the sum.
//!
//! Input and weights as in [`conv_integer`](crate::conv_integer); one scale for all outputs, or one for every output channel. Every variant gives the
//! same bits.

use core::ops::Range;

use crate::Isa;
use crate::conv_integer::{Job, run_job};
pub use crate::conv_integer::{Operands, Params};
pub use crate::product_i8::Affine;

/// Convolves. Operands of other lengths than the parameters give leave `y` as it is.
pub fn run(isa: Isa, params: &Params, operands: &Operands<'_>, affine: &Affine<'_>, y: &mut [f32]) {
    run_pixels(isa, params, operands, affine, 0..params.geometry.pixels().unwrap_or(0), y);
}

/// Computes the output pixels of a range only, counted over batch, rows and columns; `y` is that part of the output.
pub fn run_pixels(
    isa: Isa,
    params: &Params,
    operands: &Operands<'_>,
    affine: &Affine<'_>,
    pixels: Range<u32>,
    y: &mut [f32],
) {
    let channels = params.geometry.out_channels as usize;
    let fits = affine.bias.len() == channels && (affine.scales.len() == 1 || affine.scales.len() == channels);
    if let Some(job) = Job::new(params, operands, &pixels, y.len()).filter(|_| fits) {
        run_job(isa, &job, affine, &pixels, y);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conv_integer::tests::cases;
    use crate::samples::{Samples, cuts_agree};

    #[test]
    fn every_variant_follows_the_definition() {
        for (k, case) in cases().into_iter().enumerate() {
            let (p, channels) = (&case.params, case.params.geometry.out_channels as usize);
            let mut samples = Samples::new(k as u64);
            let (scales, bias) = (samples.floats(channels, 0.001, 0.01), samples.floats(channels, -1.0, 1.0));
            for scales in [&scales[..], &scales[..1]] {
                let affine = Affine { scales, bias: &bias, low: -3.0, high: f32::INFINITY };
                let sums = case.sums.iter().enumerate();
                let want = |(k, &sum): (usize, &i32)| {
                    let channel = k % channels;
                    (sum as f32 * scales[channel % scales.len()] + bias[channel]).max(-3.0)
                };
                let want: std::vec::Vec<f32> = sums.map(want).collect();
                for isa in Isa::available() {
                    let mut y = std::vec![7.0; want.len()];
                    run(isa, p, &case.operands(), &affine, &mut y);
                    assert!(y == want, "{:?} {p:?}", isa.level());
                    let run_part = |pixels, y: &mut [f32]| run_pixels(isa, p, &case.operands(), &affine, pixels, y);
                    cuts_agree(p.geometry.pixels().unwrap(), channels, &y, run_part);
                }
            }
        }
    }

    #[test]
    fn other_lengths_leave_the_output() {
        let case = &cases()[4];
        let channels = case.params.geometry.out_channels as usize;
        let (scales, bias) = (std::vec![1.0; channels + 1], std::vec![0.0; channels]);
        let mut y = std::vec![7.0; case.sums.len()];
        for (scales, bias) in [(&scales[..], &bias[..]), (&scales[..1], &bias[1..])] {
            let affine = Affine { scales, bias, low: f32::NEG_INFINITY, high: f32::INFINITY };
            run(Isa::PORTABLE, &case.params, &case.operands(), &affine, &mut y);
        }
        assert!(y.iter().all(|&y| y == 7.0));
    }
}
