//! Up to four successive steps of one sequence.

use super::{Inputs, r_shape, w_shape};
use crate::lstm::{GATES, More, Params, cell};
use crate::product_i8::{self, Matrix, ROWS, Row};
use crate::quantize_dynamic::Quantization;
use crate::recurrent::{self, Place, row, row_mut};
use crate::rows::rows_mut;
use crate::{Isa, quantize_dynamic};

/// What all steps share.
pub(super) struct Job<'a> {
    pub(super) isa: Isa,
    pub(super) params: &'a Params,
    pub(super) inputs: &'a Inputs<'a>,
    pub(super) more: &'a More<'a>,
    /// The quantization of x.
    pub(super) x: Quantization,
    /// The levels of x.
    pub(super) levels: &'a [u8],
}

impl Job<'_> {
    /// Takes the steps at these places. `None` only where an operand is too short.
    pub(super) fn steps(
        &self,
        places: &[Option<Place>],
        gates: &mut [f32],
        h_levels: &mut [u8],
        [y, y_h, y_c]: [&mut [f32]; 3],
    ) -> Option<()> {
        let s = &self.params.sequence;
        let hidden = s.hidden as usize;
        let direction = places.first().copied().flatten()?.direction;
        self.project(places, direction, gates)?;
        let r = Matrix::of(r_shape(s), self.inputs.r, direction)?;
        for (place, gates) in places.iter().flatten().zip(rows_mut(gates, hidden.wrapping_mul(GATES as usize))) {
            let h = row_mut(y_h, place.state_row(s), hidden)?;
            let c = row_mut(y_c, place.state_row(s), hidden)?;
            let Quantization { scale, zero_point } = quantize_dynamic::run(self.isa, h, h_levels.get_mut(..hidden)?);
            let levels = Row::new(h_levels, s.hidden, scale, zero_point);
            product_i8::add(self.isa, &r, &[levels], [&mut *gates], place.time & 1 == 1);
            cell::advance(self.isa, self.params, self.more, direction, [gates, h, c])?;
            recurrent::copy(row_mut(y, place.y_row(s), hidden)?, h);
        }
        Some(())
    }

    /// The biases and the products with x of every step.
    fn project(&self, places: &[Option<Place>], direction: usize, gates: &mut [f32]) -> Option<()> {
        let s = &self.params.sequence;
        let (rows, row_bytes) = ((s.hidden as usize).wrapping_mul(GATES as usize), w_shape(s).row_bytes());
        let w = Matrix::of(w_shape(s), self.inputs.w, direction)?;
        let mut all: [&mut [f32]; ROWS] = Default::default();
        let mut x = [Row::EMPTY; ROWS];
        let slots = all.iter_mut().zip(&mut x);
        for ((place, gates), (to, x)) in places.iter().flatten().zip(rows_mut(gates, rows)).zip(slots) {
            match self.inputs.bias {
                Some(bias) => {
                    let part = |which: usize| row(bias, direction.wrapping_mul(2).wrapping_add(which), rows);
                    for ((gate, w), r) in gates.iter_mut().zip(part(0)?).zip(part(1)?) {
                        *gate = w + r;
                    }
                }
                None => gates.fill(0.0),
            }
            let start = place.x_row(s).wrapping_mul(row_bytes);
            let levels = self.levels.get(start..start.wrapping_add(row_bytes))?;
            *x = Row::new(levels, s.inputs, self.x.scale, self.x.zero_point);
            *to = gates;
        }
        if places.len() == ROWS {
            product_i8::add(self.isa, &w, &x, all, false);
        } else {
            for (x, gates) in x.into_iter().zip(all).take(places.len()) {
                product_i8::add(self.isa, &w, &[x], [gates], false);
            }
        }
        Some(())
    }
}
