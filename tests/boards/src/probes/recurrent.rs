//! Steps of recurrent layers, as a compiler makes them of products, sums and tables.

use ocellus_kernels::{Isa, add_i8, conv_i8, mul_i8, table_i8};

use super::conv::{geometry, layer};
use super::elements::{alike, slope, sum, times};
use super::{Work, twice};
use crate::Scratch;

/// Inputs, and elements of a state.
const HIDDEN: usize = 32;
/// Elements of all gates of an LSTM, and of a GRU.
const LSTM: usize = 4 * HIDDEN;
const GRU: usize = 3 * HIDDEN;

/// `c = table(f) * c + table(i) * table(g)`, `h = table(o) * table(c)`.
pub(super) fn lstm(isa: Isa, scratch: &mut Scratch) -> Work {
    let table = slope();
    let (mut h, mut c, mut gates, mut of_h) = states::<LSTM>(scratch);
    let (params, operands, _) = layer(isa, geometry([1, 1, HIDDEN as u32], LSTM as u32, 1, 1, 1), scratch);
    twice(|| {
        conv_i8::run(isa, &params, &operands, &mut gates);
        conv_i8::run(isa, &params, &conv_i8::Operands { x: &h, ..operands }, &mut of_h);
        add_i8::run(isa, &sum(alike(LSTM)), None, Some(&of_h), &mut gates);
        table_i8::run_in_place(isa, &table, &mut gates);
        let (product, [i, o, f, g]) = (times(alike(HIDDEN)), parts(&mut gates));
        mul_i8::run(isa, &product, None, Some(f), &mut c);
        mul_i8::run(isa, &product, None, Some(g), i);
        add_i8::run(isa, &sum(alike(HIDDEN)), None, Some(i), &mut c);
        table_i8::run(isa, &table, &c, &mut h);
        mul_i8::run(isa, &product, None, Some(o), &mut h);
    });
    scratch.y[..HIDDEN].copy_from_slice(&h);
    Work::Macs((2 * HIDDEN * LSTM) as u32)
}

/// `h = table(z) * h + table(z) * table(n + table(r) * m)`, with `m` the candidate's product with `h`.
pub(super) fn gru(isa: Isa, scratch: &mut Scratch) -> Work {
    let table = slope();
    let (mut h, mut rest, mut gates, mut of_h) = states::<GRU>(scratch);
    let (params, operands, _) = layer(isa, geometry([1, 1, HIDDEN as u32], GRU as u32, 1, 1, 1), scratch);
    twice(|| {
        conv_i8::run(isa, &params, &operands, &mut gates);
        conv_i8::run(isa, &params, &conv_i8::Operands { x: &h, ..operands }, &mut of_h);
        let ([z, r, n], [z_of_h, r_of_h, m]) = (parts(&mut gates), parts(&mut of_h));
        let (one_sum, product) = (sum(alike(HIDDEN)), times(alike(HIDDEN)));
        add_i8::run(isa, &one_sum, None, Some(z_of_h), z);
        add_i8::run(isa, &one_sum, None, Some(r_of_h), r);
        table_i8::run_in_place(isa, &table, r);
        mul_i8::run(isa, &product, None, Some(r), m);
        add_i8::run(isa, &one_sum, None, Some(m), n);
        table_i8::run_in_place(isa, &table, n);
        table_i8::run(isa, &table, z, &mut rest);
        table_i8::run_in_place(isa, &table, z);
        mul_i8::run(isa, &product, None, Some(z), &mut h);
        mul_i8::run(isa, &product, None, Some(&rest), n);
        add_i8::run(isa, &one_sum, None, Some(n), &mut h);
    });
    scratch.y[..HIDDEN].copy_from_slice(&h);
    Work::Macs((2 * HIDDEN * GRU) as u32)
}

/// Two states and two vectors of gates, filled.
fn states<const GATES: usize>(scratch: &Scratch) -> ([i8; HIDDEN], [i8; HIDDEN], [i8; GATES], [i8; GATES]) {
    let x = &scratch.other;
    (core::array::from_fn(|k| x[k]), core::array::from_fn(|k| x[HIDDEN + k]), [0; GATES], [0; GATES])
}

/// The gates, one by one.
fn parts<const N: usize>(gates: &mut [i8]) -> [&mut [i8]; N] {
    let mut parts = gates.chunks_mut(HIDDEN);
    core::array::from_fn(|_| parts.next().unwrap_or_default())
}
