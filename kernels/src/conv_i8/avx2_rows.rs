//! AVX2 for weights in rows, and so for several groups.
#![allow(unsafe_code)] // The entry into code that needs the instruction set.

use super::patches::{self, LONGEST};
use super::{Operands, Params, layout};
use crate::dots_avx2::dots;
use crate::pixels::Pixels;
use crate::{Isa, Level};

/// Convolves with weights in rows; false where the CPU or the layout is another one or the rows are too long.
pub(super) fn run(isa: Isa, params: &Params, operands: &Operands<'_>, pixels: &Pixels, y: &mut [i8]) -> bool {
    let row = patches::row(&params.geometry);
    if isa.level() < Level::Avx2 || params.layout != layout::ROWS || row == 0 || row > LONGEST {
        return false;
    }
    // SAFETY: an `Isa` of this level can only be made on a CPU that has it.
    unsafe { all(params, operands, row, pixels, y) };
    true
}

/// All pixels; `row` is the length of a row of weights.
#[target_feature(enable = "avx2")]
fn all(params: &Params, o: &Operands<'_>, row: usize, pixels: &Pixels, y: &mut [i8]) {
    let mut room = [0; LONGEST];
    let Some(patch) = room.get_mut(..row) else { return };
    patches::all(params, o, pixels, patch, y, |x, rows| dots(x, 0, rows), |x, row| dots(x, 0, [row]));
}
