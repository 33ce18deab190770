//! Steps of recurrent layers in int8, as a compiler makes them of products, sums and tables.
//!
//! - LSTM: `c = table_f(f) * c + table_i(i) * table_g(g)`, `h = table_o(o) * table(c)`.
//! - GRU: `h = table_z(z) * h + table(z) * table_n(n + table_r(r) * m)`, with `m` the candidate's product with `h`.

use ocellus_kernels::broadcast::Broadcast;
use ocellus_kernels::conv_i8::{Operands, Params, layouts, pack, packed_len};
use ocellus_kernels::{Isa, add_i8, conv_i8, mul_i8, table_i8};

use super::geometry::{output, product, zero_point};
use super::of;
use crate::scratch::PIXELS;
use crate::{Draw, Scratch};

/// Most inputs and most elements of a state.
const MOST: usize = 32;
/// Most gates.
const GATES: usize = 4;

/// The step of one kind of layer: from the gates of x and those of h to the new states.
type Step = fn(Isa, &mut Draw, gates: [&mut [i8]; 2], states: [&mut [i8]; 2]);

pub(super) fn lstm(isa: Isa, draw: &mut Draw, scratch: &mut Scratch) -> u32 {
    layer(isa, draw, scratch, 4, lstm_step)
}

pub(super) fn gru(isa: Isa, draw: &mut Draw, scratch: &mut Scratch) -> u32 {
    layer(isa, draw, scratch, 3, gru_step)
}

/// The checksum of the states after one to three steps, each with weights of its own.
fn layer(isa: Isa, draw: &mut Draw, scratch: &mut Scratch, gates: usize, step: Step) -> u32 {
    let [inputs, hidden] = [0; 2].map(|_: usize| 1 + draw.below(MOST as u32) as usize);
    let (mut h, mut c) = ([0; MOST], [0; MOST]);
    draw.bytes(&mut h[..hidden]);
    draw.bytes(&mut c[..hidden]);
    for _ in 0..1 + draw.below(3) {
        let mut x = [0; MOST];
        draw.bytes(&mut x[..inputs]);
        let [mut of_x, mut of_h] = [[0; GATES * MOST]; 2];
        let count = gates * hidden;
        dense(isa, draw, scratch, &x[..inputs], &mut of_x[..count]);
        dense(isa, draw, scratch, &h[..hidden], &mut of_h[..count]);
        step(isa, draw, [&mut of_x[..count], &mut of_h[..count]], [&mut h[..hidden], &mut c[..hidden]]);
    }
    of(&h[..hidden]) ^ of(&c[..hidden]).rotate_left(1)
}

fn lstm_step(isa: Isa, draw: &mut Draw, [gates, of_h]: [&mut [i8]; 2], [h, c]: [&mut [i8]; 2]) {
    add(isa, draw, gates, of_h);
    let mut parts = gates.chunks_mut(h.len());
    let [i, o, f, g] = [(); 4].map(|()| parts.next().unwrap_or_default());
    for gate in [&mut *i, &mut *o, &mut *f, &mut *g] {
        look_up(isa, draw, gate);
    }
    mul(isa, draw, c, f);
    mul(isa, draw, i, g);
    add(isa, draw, c, i);
    h.copy_from_slice(c);
    look_up(isa, draw, h);
    mul(isa, draw, h, o);
}

fn gru_step(isa: Isa, draw: &mut Draw, [of_x, of_h]: [&mut [i8]; 2], [h, rest]: [&mut [i8]; 2]) {
    let (gates, candidate) = of_x.split_at_mut(2 * h.len());
    let (gates_of_h, m) = of_h.split_at_mut(2 * h.len());
    add(isa, draw, gates, gates_of_h);
    let (z, r) = gates.split_at_mut(h.len());
    look_up(isa, draw, r);
    mul(isa, draw, m, r);
    add(isa, draw, candidate, m);
    look_up(isa, draw, candidate);
    rest.copy_from_slice(z);
    look_up(isa, draw, z);
    look_up(isa, draw, rest);
    mul(isa, draw, h, z);
    mul(isa, draw, candidate, rest);
    add(isa, draw, h, candidate);
}

/// A product with drawn weights, in the layout that the instruction set reads best.
fn dense(isa: Isa, draw: &mut Draw, scratch: &mut Scratch, x: &[i8], y: &mut [i8]) {
    let geometry = product(x.len() as u32, y.len() as u32);
    let rows = &mut scratch.weights[..x.len() * y.len()];
    let (bias, multipliers) = (&mut scratch.bias[..y.len()], &mut scratch.multipliers[..y.len()]);
    draw.bytes(rows);
    draw.biases(bias);
    draw.multipliers(x.len() as u32, multipliers);
    let (input_zero_point, output) = (zero_point(draw), output(draw));
    for &layout in layouts(isa.level()) {
        let len = packed_len(&geometry, layout).unwrap_or(0) as usize;
        let Some(packed) = scratch.packed.get_mut(..len).filter(|p| !p.is_empty()) else { continue };
        if pack(&geometry, layout, rows, packed) {
            let operands = Operands { x, weights: packed, bias, multipliers, table: None };
            return conv_i8::run(isa, &Params { geometry, input_zero_point, output, layout }, &operands, y);
        }
    }
}

/// Two operands of the same length.
fn alike(len: usize) -> Broadcast {
    let n = len.min(PIXELS) as u32;
    let strides = [n, n, n, n, n, 1];
    Broadcast { sizes: [1, 1, 1, 1, 1, n], a_strides: strides, b_strides: strides }
}

/// `a + b`, in the place of a.
fn add(isa: Isa, draw: &mut Draw, a: &mut [i8], b: &[i8]) {
    let params = add_i8::Params {
        broadcast: alike(a.len()),
        a_scale: draw.float(0.3, 1.2),
        b_scale: draw.float(0.3, 1.2),
        a_zero_point: zero_point(draw),
        b_zero_point: zero_point(draw),
        output: output(draw),
    };
    add_i8::run(isa, &params, None, Some(b), a);
}

/// `a * b`, in the place of a.
fn mul(isa: Isa, draw: &mut Draw, a: &mut [i8], b: &[i8]) {
    let params = mul_i8::Params {
        broadcast: alike(a.len()),
        scale: draw.float(0.002, 0.03),
        a_zero_point: zero_point(draw),
        b_zero_point: zero_point(draw),
        output: output(draw),
    };
    mul_i8::run(isa, &params, None, Some(b), a);
}

/// An activation: a slope between two levels, somewhere, as sigmoids and hyperbolic tangents are in int8.
fn look_up(isa: Isa, draw: &mut Draw, values: &mut [i8]) {
    let (middle, slope) = (draw.between(-40, 40), draw.between(1, 4));
    let mut table = [0; 256];
    for (to, x) in table.iter_mut().zip(-128..) {
        *to = ((x - middle) * slope).clamp(-128, 127) as i8;
    }
    table_i8::run_in_place(isa, &table, values);
}
