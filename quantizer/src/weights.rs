//! Integer weights and biases, channel by channel.

use ocellus_graph::Tensor;

use crate::QuantizeError;
use crate::params::Params;

/// The greatest integer weight; -128 is left out, so that negation never overflows.
pub const LIMIT: i32 = 127;

/// The greatest integer bias: half of what an accumulator holds, so that the products have the other half.
const BIAS_LIMIT: f64 = (1u64 << 30) as f64;

/// What surrounds the weights of a node.
#[derive(Clone, Copy, Debug)]
pub struct Surroundings<'a> {
    /// Name and operator of the node, for messages.
    pub node: &'a str,
    /// Scale and zero point of input 0.
    pub input: Params,
    /// Scale and zero point of the output, after a joined clamp.
    pub output: Params,
    /// The output-channel axis of the weights.
    pub axis: usize,
}

/// Weights and bias of a node in integers.
#[derive(Clone, Debug, PartialEq)]
pub struct IntegerWeights {
    /// int8, of the shape of the weights.
    pub weights: Tensor,
    /// The scale of every output channel.
    pub scales: Vec<f32>,
    /// int32, one per output channel.
    pub bias: Option<Vec<i32>>,
    /// The scale of every bias: that of the input times that of the channel, in f32.
    pub bias_scales: Vec<f32>,
    /// Signal to quantization noise of the weights in dB; `None` where they are exact.
    pub sqnr_db: Option<f64>,
}

impl IntegerWeights {
    /// What the integers stand for, less the float weights that they were made of.
    pub fn error(&self, float: &Tensor, axis: usize) -> Tensor {
        let values = float.to_f32();
        let integers = self.weights.to_f32();
        let of = |((c, q), w): ((usize, &f32), &f32)| q * self.scales[c] - w;
        let errors = channels_of(float.shape(), axis).zip(&integers).zip(&values).map(of).collect();
        Tensor::of(float.shape(), errors)
    }
}

/// The output channel of every element in order.
fn channels_of(shape: &[usize], axis: usize) -> impl Iterator<Item = usize> + '_ {
    let inner: usize = shape[axis + 1..].iter().product();
    let count = shape[axis];
    (0..shape.iter().product()).map(move |offset| offset / inner % count)
}

/// Quantizes weights to int8 with one scale per output channel and zero point 0, and a bias (one number per channel) to
/// int32 in the scale of the accumulator.
///
/// The scale of a channel is `max |w| / 127`, more where that of the accumulator would not be a normal f32, or where
/// the bias would not fit in 31 bits: beside such a bias the weights hardly count.
///
/// # Errors
/// A weight or bias that is not finite, a channel whose worst accumulator exceeds int32, or whose scales do not fit f32.
pub fn quantize_weights(
    weights: &Tensor,
    bias: Option<&[f32]>,
    around: Surroundings,
) -> Result<IntegerWeights, QuantizeError> {
    let values = weights.to_f32();
    let mut largest = vec![0f32; weights.shape()[around.axis]];
    for (c, &w) in channels_of(weights.shape(), around.axis).zip(&values) {
        if !w.is_finite() {
            return Err(refusal(around, c, format!("a weight is {w}; finite weights are expected")));
        }
        largest[c] = largest[c].max(w.abs());
    }
    let spare = largest.iter().fold(0f32, |a, &b| a.max(b));
    let mut scales = Vec::with_capacity(largest.len());
    for (c, &m) in largest.iter().enumerate() {
        scales.push(channel_scale(around, c, m, spare, bias.map_or(0.0, |b| b[c]))?);
    }
    let quantize = |(c, &w): (usize, &f32)| (w / scales[c]).round_ties_even().clamp(-127.0, 127.0) as i8;
    let integers: Vec<i8> = channels_of(weights.shape(), around.axis).zip(&values).map(quantize).collect();
    let bias_scales: Vec<f32> = scales.iter().map(|s| around.input.scale * s).collect();
    let bias: Option<Vec<i32>> = bias.map(|bias| {
        let quantize = |(b, s): (&f32, &f32)| (f64::from(*b) / f64::from(*s)).round_ties_even() as i32;
        bias.iter().zip(&bias_scales).map(quantize).collect()
    });
    check_accumulators(weights.shape(), &integers, bias.as_deref(), around)?;
    let back = channels_of(weights.shape(), around.axis).zip(&integers).map(|(c, &q)| f32::from(q) * scales[c]);
    let noise: f64 = values.iter().zip(back).map(|(a, b)| (f64::from(*a) - f64::from(b)).powi(2)).sum();
    let signal: f64 = values.iter().map(|v| f64::from(*v).powi(2)).sum();
    let sqnr_db = crate::report::decibels(signal, noise);
    let weights = Tensor::of(weights.shape(), integers);
    Ok(IntegerWeights { weights, scales, bias, bias_scales, sqnr_db })
}

fn refusal(around: Surroundings, channel: usize, problem: String) -> QuantizeError {
    QuantizeError::Channel { node: around.node.to_owned(), channel, problem }
}

/// The scale of a channel whose largest weight is `largest`; `spare` is that of the whole tensor, for channels of zeros.
fn channel_scale(
    around: Surroundings,
    channel: usize,
    largest: f32,
    spare: f32,
    bias: f32,
) -> Result<f32, QuantizeError> {
    if !bias.is_finite() {
        return Err(refusal(around, channel, format!("the bias is {bias}; a finite bias is expected")));
    }
    let (sx, sy) = (f64::from(around.input.scale), f64::from(around.output.scale));
    let least = 2.0 * f64::from(f32::MIN_POSITIVE);
    let floor = (least / sx).max(least * sy / sx).max(least).max(f64::from(bias).abs() / (sx * BIAS_LIMIT));
    let own = match (largest, bias) {
        // A channel of zeros: its bias alone sets the scale, or any harmless scale will do.
        (0.0, b) if b != 0.0 => 0.0,
        (0.0, _) if spare == 0.0 => 1.0,
        (0.0, _) => f64::from(spare) / f64::from(LIMIT),
        _ => f64::from(largest) / f64::from(LIMIT),
    };
    let scale = own.max(floor) as f32;
    let multiplier = around.input.scale * scale / around.output.scale;
    if scale.is_normal() && (around.input.scale * scale).is_normal() && multiplier.is_normal() {
        return Ok(scale);
    }
    Err(refusal(
        around,
        channel,
        format!(
            "input scale {sx:e}, weight scale {scale:e} and output scale {sy:e} have no normal f32 product; rescale the \
             weights or keep the node float"
        ),
    ))
}

/// Refuses a channel whose accumulator could exceed int32 for some input.
fn check_accumulators(
    shape: &[usize],
    weights: &[i8],
    bias: Option<&[i32]>,
    around: Surroundings,
) -> Result<(), QuantizeError> {
    let (qmin, qmax) = around.input.type_limits();
    let (from, to) = (i64::from(qmin - around.input.zero_point), i64::from(qmax - around.input.zero_point));
    let start = |c: usize| i64::from(bias.map_or(0, |b| b[c]));
    let mut bounds: Vec<(i64, i64)> = (0..shape[around.axis]).map(|c| (start(c), start(c))).collect();
    for (c, &w) in channels_of(shape, around.axis).zip(weights) {
        let (a, b) = (i64::from(w) * from, i64::from(w) * to);
        bounds[c].0 += a.min(b);
        bounds[c].1 += a.max(b);
    }
    for (c, &(low, high)) in bounds.iter().enumerate() {
        if low < i64::from(i32::MIN) || high > i64::from(i32::MAX) {
            let problem = format!(
                "its accumulator can reach {low} to {high}, which exceeds int32; split the layer into smaller sums or \
                 keep the node float"
            );
            return Err(refusal(around, c, problem));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::params::Activations;
    use crate::samples::normal;

    fn around(input: (f64, f64), output: (f64, f64), axis: usize) -> Surroundings<'static> {
        let (input, output) =
            (Activations::Asymmetric.params(input.0, input.1), Activations::Asymmetric.params(output.0, output.1));
        Surroundings { node: "node \"conv\" (Conv)", input, output, axis }
    }

    #[test]
    fn scales_are_per_output_channel_on_any_axis() {
        let w = Tensor::of(&[2, 3], vec![1.27f32, 0.5, -0.2, -0.635, 0.25, 0.1]);
        let rows = quantize_weights(&w, None, around((-1.0, 1.0), (-1.0, 1.0), 0)).unwrap();
        assert_eq!(rows.scales, [(1.27f32 as f64 / 127.0) as f32, (0.635f32 as f64 / 127.0) as f32]);
        assert_eq!(rows.weights, Tensor::of(&[2, 3], vec![127i8, 50, -20, -127, 50, 20]));
        let columns = quantize_weights(&w, None, around((-1.0, 1.0), (-1.0, 1.0), 1)).unwrap();
        assert_eq!(columns.weights, Tensor::of(&[2, 3], vec![127i8, 127, -127, -64, 64, 64]));
    }

    #[test]
    fn the_bias_has_the_scale_of_the_accumulator() {
        let w = Tensor::of(&[2, 1], vec![0.5f32, 0.25]);
        let a = around((0.0, 2.55), (-4.0, 4.0), 0);
        let q = quantize_weights(&w, Some(&[1.5, -2.5]), a).unwrap();
        for c in 0..2 {
            assert_eq!(q.bias_scales[c], a.input.scale * q.scales[c]);
            let back = f64::from(q.bias.as_ref().unwrap()[c]) * f64::from(q.bias_scales[c]);
            assert!((back - [1.5, -2.5][c]).abs() <= f64::from(q.bias_scales[c]) * 0.5);
        }
    }

    #[test]
    fn a_channel_of_zeros_gets_a_harmless_scale_and_keeps_its_bias() {
        let w = Tensor::of(&[3, 2], vec![0f32, 0.0, 0.0, 0.0, 0.4, -0.3]);
        let a = around((-1.0, 1.0), (-9.0, 9.0), 0);
        let q = quantize_weights(&w, Some(&[0.0, 0.123456, 0.5]), a).unwrap();
        assert!(q.scales.iter().all(|s| s.is_normal()));
        assert_eq!(q.weights.view::<i8>().unwrap()[..4], [0; 4]);
        let back = f64::from(q.bias.as_ref().unwrap()[1]) * f64::from(q.bias_scales[1]);
        assert!((back - 0.123456).abs() < 1e-7, "{back}");
        let nothing = quantize_weights(&Tensor::of(&[1, 2], vec![0f32; 2]), None, a).unwrap();
        assert_eq!(nothing.scales, [1.0]);
        assert_eq!(nothing.sqnr_db, None);
    }

    #[test]
    fn a_bias_far_above_its_weights_still_fits() {
        let w = Tensor::of(&[1, 2], vec![1e-9f32, -1e-9]);
        let q = quantize_weights(&w, Some(&[100.0]), around((0.0, 1.0), (0.0, 100.0), 0)).unwrap();
        let back = f64::from(q.bias.as_ref().unwrap()[0]) * f64::from(q.bias_scales[0]);
        assert!((back - 100.0).abs() < 1e-4, "{back}");
    }

    #[test]
    fn tiny_weights_have_normal_scales() {
        let w = Tensor::of(&[1, 2], vec![1e-44f32, 0.0]);
        let q = quantize_weights(&w, None, around((0.0, 1e-20), (0.0, 1e10), 0)).unwrap();
        assert!(q.scales[0].is_normal() && q.bias_scales[0].is_normal());
    }

    #[test]
    fn overflows_are_refused_with_node_and_channel() {
        // 70,000 products of 127 by 255 exceed 2^31.
        let w = Tensor::of(&[2, 70_000], [vec![0.001f32; 70_000], vec![1.0; 70_000]].concat());
        let e = quantize_weights(&w, None, around((0.0, 1.0), (0.0, 1.0), 0)).unwrap_err().to_string();
        assert!(e.contains("\"conv\"") && e.contains("channel 0") && e.contains("exceeds int32"), "{e}");
        let mixed: Vec<f32> = (0..70_000).map(|i| if i % 2 == 0 { 1.0 } else { -1.0 }).collect();
        let w = Tensor::of(&[1, 70_000], mixed);
        quantize_weights(&w, None, around((0.0, 1.0), (0.0, 1.0), 0)).expect("half of each sign stays below");
    }

    #[test]
    fn what_is_not_finite_is_refused() {
        let w = Tensor::of(&[2, 1], vec![1.0, f32::NAN]);
        let e = quantize_weights(&w, None, around((0.0, 1.0), (0.0, 1.0), 0)).unwrap_err().to_string();
        assert!(e.contains("channel 1") && e.contains("NaN"), "{e}");
        let w = Tensor::of(&[1, 1], vec![1.0f32]);
        let e =
            quantize_weights(&w, Some(&[f32::INFINITY]), around((0.0, 1.0), (0.0, 1.0), 0)).unwrap_err().to_string();
        assert!(e.contains("bias is inf"), "{e}");
        let w = Tensor::of(&[1, 1], vec![3e38f32]);
        let e = quantize_weights(&w, None, around((0.0, 3e38), (0.0, 1.0), 0)).unwrap_err().to_string();
        assert!(e.contains("no normal f32 product"), "{e}");
    }

    #[test]
    fn noise_of_eight_bits() {
        let w = Tensor::of(&[8, 500], normal(4000, 1));
        let q = quantize_weights(&w, None, around((-1.0, 1.0), (-1.0, 1.0), 0)).unwrap();
        let db = q.sqnr_db.unwrap();
        assert!((38.0..44.0).contains(&db), "{db}");
    }
}
