use std::vec;
use std::vec::Vec;

use super::*;
use crate::half::Weights;
use crate::recurrent::Direction;
use crate::samples::Samples;

const SIGMOID: unary::Params = unary::Params::of(unary::Function::Sigmoid);
const TANH: unary::Params = unary::Params::of(unary::Function::Tanh);
const HARD: unary::Params = unary::Params::of(unary::Function::HardSigmoid);
const ACTIVATIONS: [unary::Params; 4] = [SIGMOID, TANH, SIGMOID, TANH];

/// The operands of a layer, owned.
struct Layer {
    params: Params,
    x: Vec<f32>,
    w: Vec<f32>,
    r: Vec<f32>,
    bias: Option<Vec<f32>>,
    lengths: Option<Vec<i32>>,
    h0: Option<Vec<f32>>,
}

fn layer(sequence: Sequence, clip: f32, linear_before_reset: bool, options: bool) -> Layer {
    let s = &sequence;
    let mut samples = Samples::new(u64::from(s.hidden));
    let mut draw = |n: Option<u32>, size: f32| samples.floats(n.unwrap() as usize, -size, size);
    // Weights of size 1/√n keep the recurrence from amplifying what is rounded.
    let (wi, wh) = (1.0 / (s.inputs as f32).sqrt(), 1.0 / (s.hidden as f32).sqrt());
    Layer {
        params: Params { sequence, clip, linear_before_reset, activations: ACTIVATIONS },
        x: draw(s.x_len(), 2.0),
        w: draw(s.w_len(3), wi),
        r: draw(s.r_len(3), wh),
        bias: options.then(|| draw(s.bias_len(3), 0.5)),
        lengths: options.then(|| (0..s.batch as i32).map(|b| (s.steps as i32 - b).max(0)).collect()),
        h0: options.then(|| draw(s.state_len(), 1.0)),
    }
}

fn compute(isa: Isa, l: &Layer) -> [Vec<f32>; 2] {
    let s = &l.params.sequence;
    let zeros = |n: Option<u32>| vec![f32::NAN; n.unwrap() as usize];
    let (mut y, mut y_h, mut scratch) = (zeros(s.y_len()), zeros(s.state_len()), zeros(s.scratch_len(3)));
    let inputs = Inputs {
        x: &l.x,
        w: Weights::F32(&l.w),
        r: Weights::F32(&l.r),
        bias: l.bias.as_deref(),
        lengths: l.lengths.as_deref(),
        h0: l.h0.as_deref(),
    };
    run(isa, &l.params, &inputs, Outputs { y: &mut y, y_h: &mut y_h, scratch: &mut scratch });
    [y, y_h]
}

/// The layer in f64, from the formulas of ONNX GRU-14.
fn exact(l: &Layer) -> [Vec<f64>; 2] {
    let s = &l.params.sequence;
    let [steps, batch, inputs, hidden] = [s.steps, s.batch, s.inputs, s.hidden].map(|n| n as usize);
    let directions = s.directions() as usize;
    let at = |v: &Option<Vec<f32>>, k: usize| v.as_ref().map_or(0.0, |v| f64::from(v[k]));
    let sigma = |v: f64| 1.0 / (1.0 + (-v).exp());
    let clip = |v: f64| v.max(-f64::from(l.params.clip)).min(f64::from(l.params.clip));
    let (mut y, mut y_h) = (vec![0.0; steps * directions * batch * hidden], vec![]);
    for d in 0..directions {
        for b in 0..batch {
            let mut h: Vec<f64> = (0..hidden).map(|k| at(&l.h0, (d * batch + b) * hidden + k)).collect();
            let length = l.lengths.as_ref().map_or(steps, |n| n[b] as usize);
            let backward = d == 1 || s.direction == Direction::Reverse;
            for k in 0..length {
                let t = if backward { length - 1 - k } else { k };
                let row = |gate: usize, j: usize| d * 3 * hidden + gate * hidden + j;
                let wx = |gate, j| {
                    let w =
                        |i| f64::from(l.w[row(gate, j) * inputs + i]) * f64::from(l.x[(t * batch + b) * inputs + i]);
                    (0..inputs).map(w).sum::<f64>() + at(&l.bias, d * 6 * hidden + gate * hidden + j)
                };
                let rh = |gate, j, h: &[f64]| -> f64 {
                    (0..hidden).map(|i| f64::from(l.r[row(gate, j) * hidden + i]) * h[i]).sum()
                };
                let rb = |gate, j| at(&l.bias, d * 6 * hidden + (3 + gate) * hidden + j);
                let gate = |g, h: &[f64]| -> Vec<f64> {
                    (0..hidden).map(|j| sigma(clip(wx(g, j) + rh(g, j, h) + rb(g, j)))).collect()
                };
                let (z, r) = (gate(0, &h), gate(1, &h));
                let reset: Vec<f64> = h.iter().zip(&r).map(|(h, r)| h * r).collect();
                let new = |j: usize| {
                    let recurrent = if l.params.linear_before_reset {
                        r[j] * (rh(2, j, &h) + rb(2, j))
                    } else {
                        rh(2, j, &reset) + rb(2, j)
                    };
                    clip(wx(2, j) + recurrent).tanh()
                };
                h = (0..hidden).map(|j| (1.0 - z[j]) * new(j) + z[j] * h[j]).collect();
                let place = ((t * directions + d) * batch + b) * hidden;
                y[place..][..hidden].copy_from_slice(&h);
            }
            y_h.extend(h);
        }
    }
    [y, y_h]
}

const SEQUENCE: Sequence = Sequence { steps: 5, batch: 3, inputs: 7, hidden: 9, direction: Direction::Both };

#[test]
fn every_variant_follows_the_formulas() {
    for (inputs, hidden) in [(1, 1), (7, 9), (16, 16), (33, 17), (8, 40)] {
        for direction in [Direction::Forward, Direction::Reverse, Direction::Both] {
            for (clip, linear, options) in
                [(f32::INFINITY, false, false), (0.75, false, true), (f32::INFINITY, true, true), (1.5, true, false)]
            {
                let l = layer(Sequence { inputs, hidden, direction, ..SEQUENCE }, clip, linear, options);
                let want = exact(&l);
                for isa in Isa::available() {
                    for (got, want) in compute(isa, &l).iter().flatten().zip(want.iter().flatten()) {
                        // States are of size 1; a step rounds its sums of n terms of size below 2, and the gates do not
                        // amplify it.
                        let error = 5.0 * f64::from(inputs + hidden + 20) * 2.0 / f64::from(1 << 24);
                        let level = isa.level();
                        assert!((f64::from(*got) - want).abs() <= error, "{level:?} {:?}: {got} for {want}", l.params);
                    }
                }
            }
        }
    }
}

#[test]
fn single_steps_equal_one_run_bit_for_bit() {
    for linear in [false, true] {
        let sequence = Sequence { direction: Direction::Forward, ..SEQUENCE };
        let mut whole = layer(sequence, f32::INFINITY, linear, true);
        whole.lengths = None;
        for isa in Isa::available() {
            let [y, y_h] = compute(isa, &whole);
            let (mut rows, mut h) = (Vec::new(), whole.h0.clone());
            for x in whole.x.chunks(3 * 7) {
                let mut one = layer(Sequence { steps: 1, ..sequence }, f32::INFINITY, linear, true);
                (one.w, one.r, one.bias) = (whole.w.clone(), whole.r.clone(), whole.bias.clone());
                (one.x, one.h0, one.lengths) = (x.to_vec(), h, None);
                let [y, y_h] = compute(isa, &one);
                rows.extend(y);
                h = Some(y_h);
            }
            assert_eq!((rows, h), (y, Some(y_h)), "{:?}", isa.level());
        }
    }
}

#[test]
fn short_sequences_keep_their_state_and_end_in_zeros() {
    let mut l = layer(Sequence { direction: Direction::Reverse, ..SEQUENCE }, f32::INFINITY, false, true);
    l.lengths = Some(vec![2, 0, 5]);
    for isa in Isa::available() {
        let [y, y_h] = compute(isa, &l);
        let row = |t: usize, b: usize| &y[(t * 3 + b) * 9..][..9];
        assert_eq!(row(0, 0), &y_h[..9]);
        assert!((2..5).all(|t| row(t, 0) == [0.0; 9]) && (0..5).all(|t| row(t, 1) == [0.0; 9]));
        assert_eq!(&y_h[9..18], &l.h0.as_ref().unwrap()[9..18]);
        assert_eq!(row(0, 2), &y_h[18..]);
    }
}

#[test]
fn wrong_lengths_leave_the_outputs() {
    for isa in Isa::available() {
        for k in 0..5 {
            let mut l = layer(SEQUENCE, 1.0, false, true);
            let short = [&mut l.x, &mut l.w, &mut l.r].into_iter();
            let options = [&mut l.bias, &mut l.h0].into_iter().map(|o| o.as_mut().unwrap());
            short.chain(options).nth(k).unwrap().pop();
            assert!(compute(isa, &l).iter().flatten().all(|y| y.is_nan()));
        }
    }
}

#[test]
fn every_direction_has_its_own_activations() {
    let plain = layer(SEQUENCE, f32::INFINITY, false, true);
    for other in 0..2 {
        let mut l = layer(SEQUENCE, f32::INFINITY, false, true);
        l.params.activations[2 + other] = unary::Params { alpha: 0.3, beta: 0.4, ..HARD };
        for isa in Isa::available() {
            let (a, b) = (&compute(isa, &plain)[1], &compute(isa, &l)[1]);
            let first = (SEQUENCE.batch * SEQUENCE.hidden) as usize;
            assert_eq!(a[..first], b[..first]);
            assert_ne!(a[first..], b[first..], "{other}");
        }
    }
}
