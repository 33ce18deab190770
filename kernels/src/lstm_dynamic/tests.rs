use std::vec;
use std::vec::Vec;

use super::*;
use crate::half::Weights;
use crate::lstm;
use crate::product_i8::{Columns, pack};
use crate::recurrent::Direction;
use crate::samples::Samples;
use crate::unary;

const SIGMOID: unary::Params = unary::Params::of(unary::Function::Sigmoid);
const TANH: unary::Params = unary::Params::of(unary::Function::Tanh);

/// The operands of a layer, owned.
struct Layer {
    params: Params,
    x: Vec<f32>,
    /// int8 weights `[D, 4 * H, I]` and `[D, 4 * H, H]`, each with scales and zero points.
    weights: [(Vec<i8>, Vec<f32>, Vec<i32>); 2],
    bias: Option<Vec<f32>>,
    lengths: Option<Vec<i32>>,
    h0: Option<Vec<f32>>,
    c0: Option<Vec<f32>>,
    peepholes: Option<Vec<f32>>,
}

fn layer(sequence: Sequence, options: bool) -> Layer {
    let s = &sequence;
    let activations = [SIGMOID, TANH, TANH, SIGMOID, TANH, TANH];
    let params = Params { sequence, clip: f32::INFINITY, input_forget: false, activations };
    let mut samples = Samples::new(u64::from(s.hidden));
    let mut matrix = |n: Option<u32>, width: u32| {
        let rows = (s.directions() * 4 * s.hidden) as usize;
        let scale = 1.0 / (64.0 * (width as f32).sqrt());
        let scales = samples.floats(rows, 0.5 * scale, scale);
        (samples.bytes(n.unwrap()), scales, (0..rows as i32).map(|k| if options { k % 3 - 1 } else { 0 }).collect())
    };
    let weights = [matrix(s.w_len(4), s.inputs), matrix(s.r_len(4), s.hidden)];
    let mut draw = |n: Option<u32>, size: f32| samples.floats(n.unwrap() as usize, -size, size);
    Layer {
        params,
        x: draw(s.x_len(), 2.0),
        weights,
        bias: options.then(|| draw(s.bias_len(4), 0.5)),
        lengths: options.then(|| (0..s.batch as i32).map(|b| (s.steps as i32 - b).max(0)).collect()),
        h0: options.then(|| draw(s.state_len(), 1.0)),
        c0: options.then(|| draw(s.state_len(), 1.0)),
        peepholes: options.then(|| draw(params.peepholes_len(), 0.7)),
    }
}

/// Packed weights, aligned as in a plan.
fn packed(shape: Shape, directions: usize, (rows, scales, zero_points): &(Vec<i8>, Vec<f32>, Vec<i32>)) -> Vec<u8> {
    let (one, n) = (shape.packed_bytes().unwrap() as usize, shape.outputs as usize);
    let mut bytes = vec![0; one * directions];
    for (d, to) in bytes.chunks_mut(one).enumerate() {
        let columns = Columns {
            rows: &rows[d * n * shape.inputs as usize..][..n * shape.inputs as usize],
            scales: &scales[d * n..][..n],
            zero_points: &zero_points[d * n..][..n],
        };
        assert!(pack(shape, &columns, to));
    }
    bytes
}

fn aligned<R>(bytes: &[u8], f: impl FnOnce(&mut [u8]) -> R) -> R {
    let mut buffer = vec![0u8; bytes.len() + 8];
    let start = buffer.as_ptr().align_offset(8);
    buffer[start..][..bytes.len()].copy_from_slice(bytes);
    f(&mut buffer[start..][..bytes.len()])
}

fn compute(isa: Isa, l: &Layer) -> [Vec<f32>; 3] {
    let s = &l.params.sequence;
    let zeros = |n: Option<u32>| vec![f32::NAN; n.unwrap() as usize];
    let (mut y, mut y_h, mut y_c) = (zeros(s.y_len()), zeros(s.state_len()), zeros(s.state_len()));
    let directions = s.directions() as usize;
    let (w, r) = (packed(w_shape(s), directions, &l.weights[0]), packed(r_shape(s), directions, &l.weights[1]));
    let scratch = vec![0xEE; 4 * scratch_words(s).unwrap() as usize];
    aligned(&w, |w| {
        aligned(&r, |r| {
            aligned(&scratch, |scratch| {
                let (bias, lengths, h0) = (l.bias.as_deref(), l.lengths.as_deref(), l.h0.as_deref());
                let inputs = Inputs { x: &l.x, w, r, bias, lengths, h0 };
                let more = More { c0: l.c0.as_deref(), peepholes: l.peepholes.as_deref() };
                let outputs = Outputs { y: &mut y, y_h: &mut y_h, y_c: &mut y_c, scratch: &mut [] };
                run(isa, &l.params, &inputs, &more, outputs, scratch);
            });
        });
    });
    [y, y_h, y_c]
}

/// The float layer on the same weights, and with x as its levels have it. Only the states are not quantized in it.
fn float(l: &Layer) -> [Vec<f32>; 3] {
    let s = &l.params.sequence;
    let real = |(rows, scales, zeros): &(Vec<i8>, Vec<f32>, Vec<i32>), width: usize| -> Vec<f32> {
        let value = |(k, &w): (usize, &i8)| (i32::from(w) - zeros[k / width]) as f32 * scales[k / width];
        rows.iter().enumerate().map(value).collect()
    };
    let (w, r) = (real(&l.weights[0], s.inputs as usize), real(&l.weights[1], s.hidden as usize));
    let mut levels = vec![0; l.x.len()];
    let q = quantize_dynamic_run(&l.x, &mut levels);
    let x: Vec<f32> = levels.iter().map(|&v| (f32::from(v) - f32::from(q.zero_point)) * q.scale).collect();
    let zeros = |n: Option<u32>| vec![0.0; n.unwrap() as usize];
    let (mut y, mut y_h, mut y_c) = (zeros(s.y_len()), zeros(s.state_len()), zeros(s.state_len()));
    let mut scratch = zeros(s.scratch_len(4));
    let (bias, lengths, h0) = (l.bias.as_deref(), l.lengths.as_deref(), l.h0.as_deref());
    let inputs = recurrent::Inputs { x: &x, w: Weights::F32(&w), r: Weights::F32(&r), bias, lengths, h0 };
    let more = More { c0: l.c0.as_deref(), peepholes: l.peepholes.as_deref() };
    let outputs = Outputs { y: &mut y, y_h: &mut y_h, y_c: &mut y_c, scratch: &mut scratch };
    lstm::run(Isa::PORTABLE, &l.params, &inputs, &more, outputs);
    [y, y_h, y_c]
}

fn quantize_dynamic_run(x: &[f32], levels: &mut [u8]) -> Quantization {
    crate::quantize_dynamic::run(Isa::PORTABLE, x, levels)
}

const SEQUENCE: Sequence = Sequence { steps: 6, batch: 3, inputs: 7, hidden: 9, direction: Direction::Both };

#[test]
fn every_variant_follows_the_float_layer() {
    for (inputs, hidden) in [(1, 1), (7, 9), (16, 16), (33, 17), (8, 40), (64, 80)] {
        for direction in [Direction::Forward, Direction::Reverse, Direction::Both] {
            for options in [false, true] {
                let l = layer(Sequence { inputs, hidden, direction, ..SEQUENCE }, options);
                let want = float(&l);
                for isa in Isa::available() {
                    for (got, want) in compute(isa, &l).iter().flatten().zip(want.iter().flatten()) {
                        // A state of size 1 is off by half of 1/127 at most; a step passes less than that on.
                        let level = isa.level();
                        assert!((got - want).abs() <= 0.05, "{level:?} {:?}: {got} for {want}", l.params);
                    }
                }
            }
        }
    }
}

#[test]
fn variants_differ_by_their_activations_alone() {
    for (inputs, hidden) in [(7, 9), (33, 17), (64, 80)] {
        let l = layer(Sequence { inputs, hidden, ..SEQUENCE }, true);
        let want = compute(Isa::PORTABLE, &l);
        for isa in Isa::available() {
            for (got, want) in compute(isa, &l).iter().flatten().zip(want.iter().flatten()) {
                // Where a level flips by a rounding of the state, the difference is that of one step of it.
                assert!((got - want).abs() <= 0.02, "{:?}: {got} for {want}", isa.level());
            }
        }
    }
}

#[test]
fn wrong_lengths_leave_the_outputs() {
    for isa in Isa::available() {
        for k in 0..5 {
            let mut l = layer(SEQUENCE, true);
            let short = [&mut l.x].into_iter();
            let options = [&mut l.bias, &mut l.h0, &mut l.c0, &mut l.peepholes].into_iter();
            short.chain(options.map(|o| o.as_mut().unwrap())).nth(k).unwrap().pop();
            assert!(compute(isa, &l).iter().flatten().all(|y| y.is_nan()));
        }
    }
}
