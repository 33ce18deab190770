use std::vec;
use std::vec::Vec;

use super::*;
use crate::half::Weights;
use crate::recurrent::Direction;
use crate::samples::Samples;

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

fn layer(sequence: Sequence, clip: f32, relu: bool, options: bool) -> Layer {
    let s = &sequence;
    let mut samples = Samples::new(u64::from(s.hidden));
    let mut draw = |n: Option<u32>, size: f32| samples.floats(n.unwrap() as usize, -size, size);
    // Weights of size 1/√n keep the recurrence from amplifying what is rounded.
    let (wi, wh) = (1.0 / (s.inputs as f32).sqrt(), 1.0 / (s.hidden as f32).sqrt());
    Layer {
        params: Params { sequence, clip, activations: [activation(relu); 2] },
        x: draw(s.x_len(), 2.0),
        w: draw(s.w_len(1), wi),
        r: draw(s.r_len(1), wh),
        bias: options.then(|| draw(s.bias_len(1), 0.5)),
        lengths: options.then(|| (0..s.batch as i32).map(|b| (s.steps as i32 - b).max(0)).collect()),
        h0: options.then(|| draw(s.state_len(), 1.0)),
    }
}

fn activation(relu: bool) -> unary::Params {
    unary::Params::of(if relu { unary::Function::Relu } else { unary::Function::Tanh })
}

fn compute(isa: Isa, l: &Layer) -> [Vec<f32>; 2] {
    let s = &l.params.sequence;
    let zeros = |n: Option<u32>| vec![f32::NAN; n.unwrap() as usize];
    let (mut y, mut y_h, mut scratch) = (zeros(s.y_len()), zeros(s.state_len()), zeros(s.scratch_len(1)));
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

/// The layer in f64, from the formulas of ONNX RNN-14.
fn exact(l: &Layer) -> [Vec<f64>; 2] {
    let s = &l.params.sequence;
    let [steps, batch, inputs, hidden] = [s.steps, s.batch, s.inputs, s.hidden].map(|n| n as usize);
    let directions = s.directions() as usize;
    let at = |v: &Option<Vec<f32>>, k: usize| v.as_ref().map_or(0.0, |v| f64::from(v[k]));
    let clip = |v: f64| v.max(-f64::from(l.params.clip)).min(f64::from(l.params.clip));
    let (mut y, mut y_h) = (vec![0.0; steps * directions * batch * hidden], vec![]);
    for d in 0..directions {
        for b in 0..batch {
            let mut h: Vec<f64> = (0..hidden).map(|k| at(&l.h0, (d * batch + b) * hidden + k)).collect();
            let length = l.lengths.as_ref().map_or(steps, |n| n[b] as usize);
            let backward = d == 1 || s.direction == Direction::Reverse;
            for k in 0..length {
                let t = if backward { length - 1 - k } else { k };
                let sum = |j: usize| {
                    let row = d * hidden + j;
                    let w = |i| f64::from(l.w[row * inputs + i]) * f64::from(l.x[(t * batch + b) * inputs + i]);
                    let r = |i: usize| f64::from(l.r[row * hidden + i]) * h[i];
                    let bias = at(&l.bias, d * 2 * hidden + j) + at(&l.bias, (d * 2 + 1) * hidden + j);
                    clip((0..inputs).map(w).sum::<f64>() + (0..hidden).map(r).sum::<f64>() + bias)
                };
                h = (0..hidden)
                    .map(|j| {
                        if l.params.activations[d].function == unary::Function::Relu {
                            sum(j).max(0.0)
                        } else {
                            sum(j).tanh()
                        }
                    })
                    .collect();
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
            for (clip, relu, options) in
                [(f32::INFINITY, false, false), (0.75, false, true), (f32::INFINITY, true, true), (1.5, true, false)]
            {
                let l = layer(Sequence { inputs, hidden, direction, ..SEQUENCE }, clip, relu, options);
                let want = exact(&l);
                for isa in Isa::available() {
                    for (got, want) in compute(isa, &l).iter().flatten().zip(want.iter().flatten()) {
                        // A step rounds its sums of n terms of size below 2 and at most doubles what it was given.
                        let error = 32.0 * f64::from(inputs + hidden + 20) * 2.0 / f64::from(1 << 24);
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
    for relu in [false, true] {
        let sequence = Sequence { direction: Direction::Forward, ..SEQUENCE };
        let mut whole = layer(sequence, f32::INFINITY, relu, true);
        whole.lengths = None;
        for isa in Isa::available() {
            let [y, y_h] = compute(isa, &whole);
            let (mut rows, mut h) = (Vec::new(), whole.h0.clone());
            for x in whole.x.chunks(3 * 7) {
                let mut one = layer(Sequence { steps: 1, ..sequence }, f32::INFINITY, relu, true);
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
