use std::vec;
use std::vec::Vec;

use super::*;
use crate::half::Weights;
use crate::recurrent::Direction;
use crate::samples::Samples;

const SIGMOID: unary::Params = unary::Params::of(unary::Function::Sigmoid);
const TANH: unary::Params = unary::Params::of(unary::Function::Tanh);
const HARD: unary::Params = unary::Params::of(unary::Function::HardSigmoid);
const ACTIVATIONS: [unary::Params; 6] = [SIGMOID, TANH, TANH, SIGMOID, TANH, TANH];

/// The operands of a layer, owned.
struct Layer {
    params: Params,
    x: Vec<f32>,
    w: Vec<f32>,
    r: Vec<f32>,
    bias: Option<Vec<f32>>,
    lengths: Option<Vec<i32>>,
    h0: Option<Vec<f32>>,
    c0: Option<Vec<f32>>,
    peepholes: Option<Vec<f32>>,
}

fn layer(sequence: Sequence, clip: f32, input_forget: bool, options: bool) -> Layer {
    let (params, s) = (Params { sequence, clip, input_forget, activations: ACTIVATIONS }, &sequence);
    let mut samples = Samples::new(u64::from(s.hidden));
    let mut draw = |n: Option<u32>, size: f32| samples.floats(n.unwrap() as usize, -size, size);
    // Weights of size 1/√n keep the recurrence from amplifying what is rounded.
    let (wi, wh) = (1.0 / (s.inputs as f32).sqrt(), 1.0 / (s.hidden as f32).sqrt());
    Layer {
        params,
        x: draw(s.x_len(), 2.0),
        w: draw(s.w_len(4), wi),
        r: draw(s.r_len(4), wh),
        bias: options.then(|| draw(s.bias_len(4), 0.5)),
        lengths: options.then(|| (0..s.batch as i32).map(|b| (s.steps as i32 - b).max(0)).collect()),
        h0: options.then(|| draw(s.state_len(), 1.0)),
        c0: options.then(|| draw(s.state_len(), 1.0)),
        peepholes: options.then(|| draw(params.peepholes_len(), 0.7)),
    }
}

fn compute(isa: Isa, l: &Layer) -> [Vec<f32>; 3] {
    let s = &l.params.sequence;
    let zeros = |n: Option<u32>| vec![f32::NAN; n.unwrap() as usize];
    let (mut y, mut y_h, mut y_c) = (zeros(s.y_len()), zeros(s.state_len()), zeros(s.state_len()));
    let mut scratch = zeros(s.scratch_len(4));
    let inputs = Inputs {
        x: &l.x,
        w: Weights::F32(&l.w),
        r: Weights::F32(&l.r),
        bias: l.bias.as_deref(),
        lengths: l.lengths.as_deref(),
        h0: l.h0.as_deref(),
    };
    let more = More { c0: l.c0.as_deref(), peepholes: l.peepholes.as_deref() };
    let outputs = Outputs { y: &mut y, y_h: &mut y_h, y_c: &mut y_c, scratch: &mut scratch };
    run(isa, &l.params, &inputs, &more, outputs);
    [y, y_h, y_c]
}

/// The layer in f64, from the formulas of ONNX LSTM-14.
fn exact(l: &Layer) -> [Vec<f64>; 3] {
    let s = &l.params.sequence;
    let [steps, batch, inputs, hidden] = [s.steps, s.batch, s.inputs, s.hidden].map(|n| n as usize);
    let directions = s.directions() as usize;
    let at = |v: &Option<Vec<f32>>, k: usize| v.as_ref().map_or(0.0, |v| f64::from(v[k]));
    let sigma = |v: f64| 1.0 / (1.0 + (-v).exp());
    let clip = |v: f64| v.max(-f64::from(l.params.clip)).min(f64::from(l.params.clip));
    let (mut y, mut y_h, mut y_c) = (vec![0.0; steps * directions * batch * hidden], vec![], vec![]);
    for d in 0..directions {
        for b in 0..batch {
            let state = (d * batch + b) * hidden;
            let mut h: Vec<f64> = (0..hidden).map(|k| at(&l.h0, state + k)).collect();
            let mut c: Vec<f64> = (0..hidden).map(|k| at(&l.c0, state + k)).collect();
            let length = l.lengths.as_ref().map_or(steps, |n| n[b] as usize);
            let backward = d == 1 || s.direction == Direction::Reverse;
            for k in 0..length {
                let t = if backward { length - 1 - k } else { k };
                let sum = |gate: usize, j: usize, h: &[f64]| {
                    let row = gate * hidden + j;
                    let x = (0..inputs).map(|i| {
                        f64::from(l.w[(d * 4 * hidden + row) * inputs + i])
                            * f64::from(l.x[(t * batch + b) * inputs + i])
                    });
                    let r = (0..hidden).map(|i| f64::from(l.r[(d * 4 * hidden + row) * hidden + i]) * h[i]);
                    let bias = at(&l.bias, d * 8 * hidden + row) + at(&l.bias, d * 8 * hidden + 4 * hidden + row);
                    x.sum::<f64>() + r.sum::<f64>() + bias
                };
                let p = |gate: usize, j: usize| at(&l.peepholes, (d * 3 + gate) * hidden + j);
                let (old_h, old_c) = (h.clone(), c.clone());
                for j in 0..hidden {
                    let i = sigma(clip(sum(0, j, &old_h) + p(0, j) * old_c[j]));
                    let f = sigma(clip(sum(2, j, &old_h) + p(2, j) * old_c[j]));
                    let f = if l.params.input_forget { 1.0 - i } else { f };
                    c[j] = f * old_c[j] + i * clip(sum(3, j, &old_h)).tanh();
                    let o = sigma(clip(sum(1, j, &old_h) + p(1, j) * c[j]));
                    h[j] = o * c[j].tanh();
                    y[((t * directions + d) * batch + b) * hidden + j] = h[j];
                }
            }
            y_h.extend(h);
            y_c.extend(c);
        }
    }
    [y, y_h, y_c]
}

const SEQUENCE: Sequence = Sequence { steps: 5, batch: 3, inputs: 7, hidden: 9, direction: Direction::Both };

#[test]
fn every_variant_follows_the_formulas() {
    for (inputs, hidden) in [(1, 1), (7, 9), (16, 16), (33, 17), (8, 40)] {
        for direction in [Direction::Forward, Direction::Reverse, Direction::Both] {
            for (clip, input_forget, options) in [(f32::INFINITY, false, false), (0.75, false, true), (4.0, true, true)]
            {
                let l = layer(Sequence { inputs, hidden, direction, ..SEQUENCE }, clip, input_forget, options);
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
    let sequence = Sequence { direction: Direction::Forward, ..SEQUENCE };
    let mut whole = layer(sequence, f32::INFINITY, false, true);
    whole.lengths = None;
    for isa in Isa::available() {
        let [y, y_h, y_c] = compute(isa, &whole);
        let (mut rows, mut h, mut c) = (Vec::new(), whole.h0.clone(), whole.c0.clone());
        for x in whole.x.chunks(3 * 7) {
            let mut one = layer(Sequence { steps: 1, ..sequence }, f32::INFINITY, false, true);
            (one.w, one.r) = (whole.w.clone(), whole.r.clone());
            (one.bias, one.peepholes) = (whole.bias.clone(), whole.peepholes.clone());
            (one.x, one.h0, one.c0, one.lengths) = (x.to_vec(), h, c, None);
            let [y, y_h, y_c] = compute(isa, &one);
            rows.extend(y);
            (h, c) = (Some(y_h), Some(y_c));
        }
        assert_eq!((rows, h, c), (y, Some(y_h), Some(y_c)), "{:?}", isa.level());
    }
}

#[test]
fn short_sequences_keep_their_state_and_end_in_zeros() {
    let mut l = layer(Sequence { direction: Direction::Forward, ..SEQUENCE }, f32::INFINITY, false, true);
    l.lengths = Some(vec![2, 0, 5]);
    for isa in Isa::available() {
        let [y, y_h, _] = compute(isa, &l);
        let row = |t: usize, b: usize| &y[(t * 3 + b) * 9..][..9];
        assert_eq!(row(1, 0), &y_h[..9]);
        assert!((2..5).all(|t| row(t, 0) == [0.0; 9]) && (0..5).all(|t| row(t, 1) == [0.0; 9]));
        assert_eq!(&y_h[9..18], &l.h0.as_ref().unwrap()[9..18]);
        assert_eq!(row(4, 2), &y_h[18..]);
    }
}

#[test]
fn wrong_lengths_leave_the_outputs() {
    for isa in Isa::available() {
        for k in 0..6 {
            let mut l = layer(SEQUENCE, 1.0, false, true);
            let short = [&mut l.x, &mut l.w, &mut l.r].into_iter();
            let options = [&mut l.bias, &mut l.c0, &mut l.peepholes].into_iter().map(|o| o.as_mut().unwrap());
            short.chain(options).nth(k).unwrap().pop();
            assert!(compute(isa, &l).iter().flatten().all(|y| y.is_nan()));
        }
    }
}

#[test]
fn every_direction_has_its_own_activations() {
    let plain = layer(SEQUENCE, f32::INFINITY, false, true);
    for other in 0..3 {
        let mut l = layer(SEQUENCE, f32::INFINITY, false, true);
        l.params.activations[3 + other] = unary::Params { alpha: 0.3, beta: 0.4, ..HARD };
        for isa in Isa::available() {
            let (a, b) = (&compute(isa, &plain)[1], &compute(isa, &l)[1]);
            let first = (SEQUENCE.batch * SEQUENCE.hidden) as usize;
            assert_eq!(a[..first], b[..first]);
            assert_ne!(a[first..], b[first..], "{other}");
        }
    }
}
