//! Losses, composed from operators: one number per sample of the batch (axis 0), to be averaged by the step.

use ocellus_graph::{DataType, Tensor, ValueId};
use ocellus_ops::{Builder, OpError};

/// `(y - t)²`, averaged over all axes but the first.
///
/// # Errors
/// Shapes or types that differ.
pub fn mean_squared_error(b: &mut Builder, y: ValueId, t: ValueId) -> Result<ValueId, OpError> {
    let difference = b.sub(y, t)?;
    let square = b.mul(difference, difference)?;
    mean_per_sample(b, square)
}

/// `|y - t|`, averaged over all axes but the first.
///
/// # Errors
/// Shapes or types that differ.
pub fn mean_absolute_error(b: &mut Builder, y: ValueId, t: ValueId) -> Result<ValueId, OpError> {
    let difference = b.sub(y, t)?;
    let size = b.abs(difference)?;
    mean_per_sample(b, size)
}

/// `d² / (2 beta)` where `d = |y - t|` is below `beta`, `d - beta / 2` elsewhere (Girshick 2015, Fast R-CNN), averaged
/// over all axes but the first.
///
/// # Errors
/// Shapes or types that differ.
pub fn smooth_l1(b: &mut Builder, y: ValueId, t: ValueId, beta: f32) -> Result<ValueId, OpError> {
    let difference = b.sub(y, t)?;
    let size = b.abs(difference)?;
    // With q = min(d, beta): q (d - q / 2) / beta is both branches at once.
    let limit = b.scalar_like(size, f64::from(beta))?;
    let inner = b.min(size, limit)?;
    let half = b.scalar_like(size, 0.5)?;
    let half = b.mul(inner, half)?;
    let rest = b.sub(size, half)?;
    let product = b.mul(inner, rest)?;
    let loss = b.div(product, limit)?;
    mean_per_sample(b, loss)
}

/// Binary cross-entropy of the sigmoid of `x` against targets in `[0, 1]`, averaged over all axes but the first:
/// `max(x, 0) - x t + ln(1 + exp(-|x|))`, which overflows for no `x`.
///
/// # Errors
/// Shapes or types that differ.
pub fn binary_cross_entropy_with_logits(b: &mut Builder, x: ValueId, t: ValueId) -> Result<ValueId, OpError> {
    let positive = b.relu(x)?;
    let product = b.mul(x, t)?;
    let linear = b.sub(positive, product)?;
    let size = b.abs(x)?;
    let negative = b.neg(size)?;
    let exp = b.exp(negative)?;
    let one = b.scalar_like(x, 1.0)?;
    let sum = b.add(exp, one)?;
    let log = b.log(sum)?;
    let loss = b.add(linear, log)?;
    mean_per_sample(b, loss)
}

/// Softmax cross-entropy of `[N, classes]` logits against class ids `[N]` (i64). `smoothing` moves that part of the
/// target evenly over all classes (Szegedy et al. 2016).
///
/// # Errors
/// Logits that are not of rank 2.
pub fn softmax_cross_entropy(
    b: &mut Builder,
    logits: ValueId,
    labels: ValueId,
    smoothing: f32,
) -> Result<ValueId, OpError> {
    let classes = class_count(b, logits)?;
    let (smoothing, count) = (f64::from(smoothing), classes as f64);
    let target = target_rows(b, logits, labels, 1.0 - smoothing + smoothing / count, smoothing / count)?;
    let log = b.log_softmax(logits, 1)?;
    let product = b.mul(log, target)?;
    let sum = b.reduce_sum(product, &[1], false)?;
    b.neg(sum)
}

/// The linear support vector machine, one against the rest: `Σ max(0, 1 - t s)` over the classes with `t` = 1 for the
/// own class and -1 for others; squared where `squared` (Tang 2013).
///
/// # Errors
/// Scores that are not of rank 2.
pub fn hinge(b: &mut Builder, scores: ValueId, labels: ValueId, squared: bool) -> Result<ValueId, OpError> {
    let target = target_rows(b, scores, labels, 1.0, -1.0)?;
    let product = b.mul(scores, target)?;
    let one = b.scalar_like(scores, 1.0)?;
    let margin = b.sub(one, product)?;
    sum_of_margins(b, margin, None, squared)
}

/// The multi-class hinge of Weston and Watkins (1999): `Σ max(0, 1 + s_j - s_y)` over the classes `j` but the own `y`;
/// squared where `squared`.
///
/// # Errors
/// Scores that are not of rank 2.
pub fn multi_class_hinge(b: &mut Builder, scores: ValueId, labels: ValueId, squared: bool) -> Result<ValueId, OpError> {
    let own = target_rows(b, scores, labels, 1.0, 0.0)?;
    let others = target_rows(b, scores, labels, 0.0, 1.0)?;
    let product = b.mul(scores, own)?;
    let score = b.reduce_sum(product, &[1], true)?;
    let difference = b.sub(scores, score)?;
    let one = b.scalar_like(scores, 1.0)?;
    let margin = b.add(difference, one)?;
    sum_of_margins(b, margin, Some(others), squared)
}

fn sum_of_margins(b: &mut Builder, margin: ValueId, mask: Option<ValueId>, squared: bool) -> Result<ValueId, OpError> {
    let mut loss = b.relu(margin)?;
    if let Some(mask) = mask {
        loss = b.mul(loss, mask)?;
    }
    if squared {
        loss = b.mul(loss, loss)?;
    }
    b.reduce_sum(loss, &[1], false)
}

/// For every label a row of `classes` values: `own` at the label's place, `other` elsewhere.
///
/// # Errors
/// Scores that are not of rank 2.
pub fn target_rows(
    b: &mut Builder,
    scores: ValueId,
    labels: ValueId,
    own: f64,
    other: f64,
) -> Result<ValueId, OpError> {
    let classes = class_count(b, scores)?;
    let rows: Vec<f64> = (0..classes * classes).map(|i| if i / classes == i % classes { own } else { other }).collect();
    let dtype = b.dtype(scores)?;
    let table = b.constant("target_rows", Tensor::from_f64(dtype, &[classes, classes], &rows));
    b.gather(table, labels, 0)
}

/// How many rows of `[N, classes]` scores have their first greatest value at the label `[N]`: a scalar f32.
///
/// # Errors
/// Scores that are not of rank 2.
pub fn correct_count(b: &mut Builder, scores: ValueId, labels: ValueId) -> Result<ValueId, OpError> {
    class_count(b, scores)?;
    let answers = b.arg_max(scores, 1, false)?;
    let same = b.equal(answers, labels)?;
    let same = b.cast(same, DataType::F32)?;
    b.reduce_sum(same, &[0], false)
}

fn class_count(b: &Builder, scores: ValueId) -> Result<usize, OpError> {
    match b.shape(scores)?[..] {
        [_, classes] => Ok(classes),
        ref other => {
            let name = &b.graph().value(scores).name;
            let problem = format!("a loss over classes takes scores [samples, classes]; {name:?} has shape {other:?}");
            Err(OpError::graph(&b.graph().name, problem))
        }
    }
}

fn mean_per_sample(b: &mut Builder, loss: ValueId) -> Result<ValueId, OpError> {
    let axes: Vec<i64> = (1..b.shape(loss)?.len() as i64).collect();
    if axes.is_empty() { Ok(loss) } else { b.reduce_mean(loss, &axes, false) }
}

#[cfg(test)]
mod tests {
    use ocellus_ops::check;

    use super::*;

    fn close(found: &Tensor, expected: &[f64]) {
        let found = found.to_f64();
        assert_eq!(found.len(), expected.len());
        for (a, b) in found.iter().zip(expected) {
            assert!((a - b).abs() < 1e-12 * (1.0 + b.abs()), "{found:?} {expected:?}");
        }
    }

    fn labels(b: &mut Builder, ids: &[i64]) -> ValueId {
        b.constant("labels", Tensor::vector(ids))
    }

    #[test]
    fn regression_values_and_gradients() {
        let y = Tensor::of(&[2, 2], vec![1.0f64, 2.0, -1.0, 0.25]);
        let t = Tensor::of(&[2, 2], vec![0.0f64, 4.0, -1.5, 0.0]);
        let pair = [y, t];
        close(&check::eval(|b, v| mean_squared_error(b, v[0], v[1]), &pair), &[2.5, 0.15625]);
        close(&check::eval(|b, v| mean_absolute_error(b, v[0], v[1]), &pair), &[1.5, 0.375]);
        close(&check::eval(|b, v| smooth_l1(b, v[0], v[1], 1.0), &pair), &[1.0, 0.078125]);
        check::gradient_at(|b, v| mean_squared_error(b, v[0], v[1]), &pair);
        check::gradient_at(|b, v| mean_absolute_error(b, v[0], v[1]), &pair);
        check::gradient_at(|b, v| smooth_l1(b, v[0], v[1], 0.7), &pair);
    }

    #[test]
    fn binary_cross_entropy_is_stable() {
        let x = Tensor::vector(&[0.0f64, 2.0, -3.0, 800.0, -800.0]);
        let t = Tensor::vector(&[1.0f64, 0.0, 0.5, 0.0, 0.0]);
        let softplus = |v: f64| libm::log1p(libm::exp(v));
        let expected = [softplus(0.0), softplus(2.0), softplus(-3.0) + 1.5, 800.0, 0.0];
        close(&check::eval(|b, v| binary_cross_entropy_with_logits(b, v[0], v[1]), &[x, t]), &expected);
        let x = Tensor::of(&[2, 2], vec![0.4f64, -1.2, 2.0, -0.1]);
        let t = Tensor::of(&[2, 2], vec![1.0f64, 0.0, 0.3, 0.9]);
        check::gradient_at(|b, v| binary_cross_entropy_with_logits(b, v[0], v[1]), &[x, t]);
    }

    #[test]
    fn cross_entropy_with_and_without_smoothing() {
        let x = Tensor::of(&[2, 3], vec![1.0f64, 2.0, 0.0, -1.0, 500.0, 3.0]);
        let log_sum = libm::log(libm::exp(1.0) + libm::exp(2.0) + 1.0);
        let plain = |b: &mut Builder, v: &[ValueId]| {
            let ids = labels(b, &[0, 1]);
            softmax_cross_entropy(b, v[0], ids, 0.0)
        };
        close(&check::eval(plain, std::slice::from_ref(&x)), &[log_sum - 1.0, 0.0]);
        let smooth = |b: &mut Builder, v: &[ValueId]| {
            let ids = labels(b, &[0, 1]);
            softmax_cross_entropy(b, v[0], ids, 0.25)
        };
        let expected = [log_sum - 0.75 - 0.25 / 3.0 * 3.0, 500.0 - 375.0 - 0.25 / 3.0 * 502.0];
        close(&check::eval(smooth, &[x]), &expected);
        check::gradient(smooth, &[&[2, 3]]);
        check::gradient_at(plain, &[Tensor::of(&[2, 3], vec![0.5f64; 6])]);
    }

    #[test]
    fn hinges() {
        let x = Tensor::of(&[2, 3], vec![0.5f64, 2.0, -2.0, 0.1, 0.2, 0.4]);
        for squared in [false, true] {
            let one = |b: &mut Builder, v: &[ValueId]| {
                let ids = labels(b, &[1, 0]);
                hinge(b, v[0], ids, squared)
            };
            let multi = |b: &mut Builder, v: &[ValueId]| {
                let ids = labels(b, &[1, 0]);
                multi_class_hinge(b, v[0], ids, squared)
            };
            let power = |v: f64| if squared { v * v } else { v };
            let expected = [power(1.5), power(0.9) + power(1.2) + power(1.4)];
            close(&check::eval(one, std::slice::from_ref(&x)), &expected);
            close(&check::eval(multi, std::slice::from_ref(&x)), &[0.0, power(1.1) + power(1.3)]);
            check::gradient_at(one, std::slice::from_ref(&x));
            check::gradient_at(multi, std::slice::from_ref(&x));
        }
    }

    #[test]
    fn right_answers_are_counted() {
        let x = Tensor::of(&[3, 2], vec![0.5f32, 2.0, 1.0, 1.0, 3.0, 2.0]);
        let count = |b: &mut Builder, v: &[ValueId]| {
            let ids = labels(b, &[1, 1, 0]);
            correct_count(b, v[0], ids)
        };
        assert_eq!(check::eval(count, &[x]), Tensor::scalar(2f32));
        let mut b = Builder::new("bad");
        let x = b.input("x", DataType::F32, &[2, 3, 4]);
        let ids = labels(&mut b, &[0, 1]);
        assert!(softmax_cross_entropy(&mut b, x, ids, 0.0).unwrap_err().to_string().contains("[2, 3, 4]"));
    }
}
