//! From rows, as the compiler has the weights, to blocks of 64 outputs.

use super::{BLOCK, Shape};
use crate::rows::rows;

/// A matrix as the compiler has it.
#[derive(Clone, Copy, Debug)]
pub struct Columns<'a> {
    /// Weights `[N][K]`.
    pub rows: &'a [i8],
    /// Real value of one step, for every output.
    pub scales: &'a [f32],
    /// The int8 that stands for zero, for every output.
    pub zero_points: &'a [i32],
}

/// Packs a matrix into [`Shape::packed_bytes`] bytes, little-endian. Returns whether the lengths fitted.
pub fn pack(shape: Shape, matrix: &Columns<'_>, packed: &mut [u8]) -> bool {
    let (inputs, outputs) = (shape.inputs as usize, shape.outputs as usize);
    let fits = shape.packed_bytes().is_some_and(|n| n as usize == packed.len())
        && matrix.rows.len() == inputs.wrapping_mul(outputs)
        && matrix.scales.len() == outputs
        && matrix.zero_points.len() == outputs;
    let weights = shape.columns().wrapping_mul(shape.row_bytes());
    let Some((weights, behind)) = packed.split_at_mut_checked(weights).filter(|_| fits) else { return false };
    let mut rest = weights;
    for first in (0..shape.columns().div_ceil(BLOCK)).map(|block| block.wrapping_mul(BLOCK)) {
        let outputs = BLOCK.min(shape.columns().wrapping_sub(first));
        let Some((block, tail)) = rest.split_at_mut_checked(outputs.wrapping_mul(shape.row_bytes())) else { break };
        pack_block(shape, matrix.rows, first, outputs, block);
        rest = tail;
    }
    let mut words = behind.as_chunks_mut::<4>().0.iter_mut();
    for n in 0..shape.columns() {
        let scale = matrix.scales.get(n).copied().unwrap_or(0.0);
        words.next().into_iter().for_each(|w| *w = scale.to_le_bytes());
    }
    for n in 0..shape.columns() {
        let zero = matrix.zero_points.get(n).copied().unwrap_or(0);
        words.next().into_iter().for_each(|w| *w = zero.to_le_bytes());
    }
    let mut all = rows(matrix.rows, inputs);
    for _ in 0..shape.columns() {
        let sum = all.next().unwrap_or_default().iter().fold(0i32, |sum, &w| sum.wrapping_add(w.into()));
        words.next().into_iter().for_each(|w| *w = sum.to_le_bytes());
    }
    true
}

/// `[K / 4][outputs][4]` of the outputs from `first` on, as `w + 128`.
fn pack_block(shape: Shape, rows: &[i8], first: usize, outputs: usize, packed: &mut [u8]) {
    let inputs = shape.inputs as usize;
    for (place, four) in packed.as_chunks_mut::<4>().0.iter_mut().enumerate() {
        let (group, output) = (place.checked_div(outputs), place.checked_rem(outputs));
        let (Some(group), Some(output)) = (group, output) else { return };
        for (k, to) in four.iter_mut().enumerate() {
            let input = group.wrapping_mul(4).wrapping_add(k);
            let output = first.wrapping_add(output);
            let inside = input < inputs && output < shape.outputs as usize;
            let from = rows.get(output.wrapping_mul(inputs).wrapping_add(input)).filter(|_| inside);
            *to = from.map_or(0, |w| w.cast_unsigned()) ^ 128;
        }
    }
}
