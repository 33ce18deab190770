//! What the recurrent layers share: sizes, directions, and the order of steps.

use crate::rows::rows_mut;
use crate::walk::product;
use crate::{Isa, gemv, half, unary};

/// Steps whose products with the input weights are computed together, so that the weights are read once for all of them.
pub(crate) const AHEAD: usize = 8;

/// Which way a layer walks along its sequences; the numbers are those of plans.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum Direction {
    /// From the first step to the last.
    Forward = 0,
    /// From the last step of every sequence to the first.
    Reverse = 1,
    /// Forward, then reverse, with weights of their own.
    Both = 2,
}

impl Direction {
    /// The direction of this number.
    pub fn from_number(number: u32) -> Option<Self> {
        [Self::Forward, Self::Reverse, Self::Both].get(number as usize).copied()
    }
}

/// The sizes of a recurrent layer: x `[T, B, I]`, y `[T, D, B, H]`, states `[D, B, H]`.
#[derive(Clone, Copy, Debug)]
pub struct Sequence {
    /// T.
    pub steps: u32,
    /// B.
    pub batch: u32,
    /// I.
    pub inputs: u32,
    /// H.
    pub hidden: u32,
    /// Which way.
    pub direction: Direction,
}

impl Sequence {
    /// D.
    pub fn directions(&self) -> u32 {
        if self.direction == Direction::Both { 2 } else { 1 }
    }

    fn positive(sizes: &[u32]) -> Option<u32> {
        product(sizes).filter(|&n| n > 0)
    }

    /// Elements of x; like every count here `None` where a size is zero or the product leaves `i32`.
    pub fn x_len(&self) -> Option<u32> {
        Self::positive(&[self.steps, self.batch, self.inputs])
    }

    /// Elements of y.
    pub fn y_len(&self) -> Option<u32> {
        Self::positive(&[self.steps, self.directions(), self.batch, self.hidden])
    }

    /// Elements of a state.
    pub fn state_len(&self) -> Option<u32> {
        Self::positive(&[self.directions(), self.batch, self.hidden])
    }

    /// Elements of the input weights `[D, gates * H, I]`.
    pub fn w_len(&self, gates: u32) -> Option<u32> {
        Self::positive(&[self.directions(), gates, self.hidden, self.inputs])
    }

    /// Elements of the recurrent weights `[D, gates * H, H]`.
    pub fn r_len(&self, gates: u32) -> Option<u32> {
        Self::positive(&[self.directions(), gates, self.hidden, self.hidden])
    }

    /// Elements of the bias `[D, 2 * gates * H]`.
    pub fn bias_len(&self, gates: u32) -> Option<u32> {
        Self::positive(&[self.directions(), 2, gates, self.hidden])
    }

    /// Elements of the scratch `[S, gates * H]`: the sums of `S` steps, T or 8, whichever is less.
    pub fn scratch_len(&self, gates: u32) -> Option<u32> {
        Self::positive(&[self.steps.min(AHEAD as u32), gates, self.hidden])
    }

    /// Whether these operands have the lengths of a layer with this number of gates.
    pub(crate) fn fits(&self, gates: u32, i: &Inputs<'_>, y: &[f32], y_h: &[f32], scratch: &[f32]) -> bool {
        let is = |len: usize, n: Option<u32>| n.is_some_and(|n| n as usize == len);
        is(i.x.len(), self.x_len())
            && is(i.w.len(), self.w_len(gates))
            && is(i.r.len(), self.r_len(gates))
            && i.bias.is_none_or(|b| is(b.len(), self.bias_len(gates)))
            && i.lengths.is_none_or(|l| l.len() == self.batch as usize)
            && i.h0.is_none_or(|h| is(h.len(), self.state_len()))
            && is(y.len(), self.y_len())
            && is(y_h.len(), self.state_len())
            && is(scratch.len(), self.scratch_len(gates))
    }

    /// Calls `step` for every direction, every sequence and every one of its steps, in the order in which the state
    /// passes through them.
    pub(crate) fn each_step(&self, lengths: Option<&[i32]>, mut step: impl FnMut(Place)) {
        self.each_run(lengths, |places| places.iter().for_each(|&place| step(place)));
    }

    /// As [`Sequence::each_step`], with up to [`AHEAD`] steps of one sequence at a time.
    pub(crate) fn each_run(&self, lengths: Option<&[i32]>, mut run: impl FnMut(&[Place])) {
        let steps = self.steps as usize;
        for direction in 0..self.directions() as usize {
            let reverse = direction == 1 || self.direction == Direction::Reverse;
            for batch in 0..self.batch as usize {
                let length = match lengths.and_then(|l| l.get(batch)) {
                    Some(&length) => usize::try_from(length).unwrap_or(0).min(steps),
                    None => steps,
                };
                let time = |k: usize| if reverse { length.wrapping_sub(1).wrapping_sub(k) } else { k };
                let mut first = 0;
                while first < length {
                    let count = length.wrapping_sub(first).min(AHEAD);
                    let place = |k| Place { direction, batch, time: time(k) };
                    let places: [Place; AHEAD] = core::array::from_fn(|k| place(first.wrapping_add(k)));
                    run(places.get(..count).unwrap_or(&[]));
                    first = first.wrapping_add(count);
                }
            }
        }
    }
}

/// Where a step stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Place {
    /// 0, or 1 for the second direction.
    pub(crate) direction: usize,
    /// Which sequence.
    pub(crate) batch: usize,
    /// Which step of it.
    pub(crate) time: usize,
}

impl Place {
    /// The row of x.
    pub(crate) fn x_row(&self, s: &Sequence) -> usize {
        self.time.wrapping_mul(s.batch as usize).wrapping_add(self.batch)
    }

    /// The row of a state.
    pub(crate) fn state_row(&self, s: &Sequence) -> usize {
        self.direction.wrapping_mul(s.batch as usize).wrapping_add(self.batch)
    }

    /// The row of y.
    pub(crate) fn y_row(&self, s: &Sequence) -> usize {
        let directions = s.directions() as usize;
        let row = self.time.wrapping_mul(directions).wrapping_add(self.direction);
        row.wrapping_mul(s.batch as usize).wrapping_add(self.batch)
    }
}

/// The activations of one direction out of those of all: `N` each.
pub(crate) fn activations<const N: usize>(all: &[unary::Params], direction: usize) -> Option<&[unary::Params; N]> {
    all.as_chunks::<N>().0.get(direction)
}

/// What a recurrent layer reads.
#[derive(Clone, Copy, Debug)]
pub struct Inputs<'a> {
    /// Input `[T, B, I]`.
    pub x: &'a [f32],
    /// Input weights `[D, gates * H, I]`.
    pub w: half::Weights<'a>,
    /// Recurrent weights `[D, gates * H, H]`.
    pub r: half::Weights<'a>,
    /// Bias `[D, 2 * gates * H]`, those of the input weights first; zero where absent.
    pub bias: Option<&'a [f32]>,
    /// Steps of every sequence `[B]`, held within 0 and T; T where absent.
    pub lengths: Option<&'a [i32]>,
    /// Initial state `[D, B, H]`; zero where absent.
    pub h0: Option<&'a [f32]>,
}

/// Row `index` of a matrix with rows of `len`.
pub(crate) fn row(matrix: &[f32], index: usize, len: usize) -> Option<&[f32]> {
    let start = index.wrapping_mul(len);
    matrix.get(start..start.wrapping_add(len))
}

/// Row `index` of a matrix with rows of `len`, for writing.
pub(crate) fn row_mut(matrix: &mut [f32], index: usize, len: usize) -> Option<&mut [f32]> {
    let start = index.wrapping_mul(len);
    matrix.get_mut(start..start.wrapping_add(len))
}

/// The weights of one direction.
pub(crate) struct Weights<'a> {
    /// `[gates * H, I]`.
    pub(crate) w: half::Weights<'a>,
    /// `[gates * H, H]`.
    pub(crate) r: half::Weights<'a>,
    /// The bias of w `[gates * H]`, empty where absent.
    pub(crate) wb: &'a [f32],
    /// The bias of r `[gates * H]`, empty where absent.
    pub(crate) rb: &'a [f32],
}

impl<'a> Weights<'a> {
    /// Those of this direction; `None` only where an operand is too short.
    pub(crate) fn of(i: &Inputs<'a>, s: &Sequence, gates: u32, direction: usize) -> Option<Self> {
        let rows = (s.hidden as usize).wrapping_mul(gates as usize);
        let bias = |which: usize| match i.bias {
            Some(bias) => row(bias, direction.wrapping_mul(2).wrapping_add(which), rows),
            None => Some(&[][..]),
        };
        let part = |all: &half::Weights<'a>, columns: u32| {
            let len = rows.wrapping_mul(columns as usize);
            let start = direction.wrapping_mul(len);
            all.get(start..start.wrapping_add(len))
        };
        Some(Self { w: part(&i.w, s.inputs)?, r: part(&i.r, s.hidden)?, wb: bias(0)?, rb: bias(1)? })
    }

    /// The sums of the gates before the state is known, one row for every place: bias of w, `more` (to the first sums,
    /// where it is shorter), `w · x`, added in this order. `None` only where an operand is too short.
    pub(crate) fn project_inputs(
        &self,
        isa: Isa,
        (inputs, s): (&Inputs<'_>, &Sequence),
        places: &[Place],
        more: &[f32],
        sums: &mut [f32],
    ) -> Option<()> {
        let len = self.w.len().checked_div(s.inputs as usize)?;
        let mut x: [&[f32]; AHEAD] = [&[]; AHEAD];
        for ((place, x), sums) in places.iter().zip(&mut x).zip(rows_mut(sums, len)) {
            sums.fill(0.0);
            add(sums, self.wb);
            add(sums, more);
            *x = row(inputs.x, place.x_row(s), s.inputs as usize)?;
        }
        gemv::run_several(isa, self.w, x.get(..places.len())?, sums);
        Some(())
    }
}

/// Copies the initial state, or zeros.
pub(crate) fn start(state: &mut [f32], initial: Option<&[f32]>) {
    match initial {
        Some(initial) => copy(state, initial),
        None => state.fill(0.0),
    }
}

/// Copies as many elements as both have.
pub(crate) fn copy(to: &mut [f32], from: &[f32]) {
    for (to, &from) in to.iter_mut().zip(from) {
        *to = from;
    }
}

/// `y += x`, elementwise.
pub(crate) fn add(y: &mut [f32], x: &[f32]) {
    for (y, &x) in y.iter_mut().zip(x) {
        *y += x;
    }
}

/// Holds every element within `-limit..=limit`.
pub(crate) fn clip(y: &mut [f32], limit: f32) {
    for y in y {
        *y = crate::round::bound(*y, -limit, limit);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    const BOTH: Sequence = Sequence { steps: 3, batch: 2, inputs: 4, hidden: 5, direction: Direction::Both };

    #[test]
    fn steps_come_in_the_order_of_the_state() {
        let order = |direction, lengths: Option<&[i32]>| {
            let mut all = Vec::new();
            Sequence { direction, ..BOTH }.each_step(lengths, |p| all.push((p.direction, p.batch, p.time)));
            all
        };
        assert_eq!(order(Direction::Forward, Some(&[1, 3])), [(0, 0, 0), (0, 1, 0), (0, 1, 1), (0, 1, 2)]);
        assert_eq!(order(Direction::Reverse, Some(&[2, -1])), [(0, 0, 1), (0, 0, 0)]);
        assert_eq!(order(Direction::Both, Some(&[1, 0])), [(0, 0, 0), (1, 0, 0)]);
        assert_eq!(order(Direction::Both, Some(&[9, 9])), order(Direction::Both, None));
    }

    #[test]
    fn counts_are_those_of_the_shapes() {
        assert_eq!((BOTH.x_len(), BOTH.y_len(), BOTH.state_len()), (Some(24), Some(60), Some(20)));
        assert_eq!((BOTH.w_len(4), BOTH.r_len(4), BOTH.bias_len(4)), (Some(160), Some(200), Some(80)));
        assert_eq!(BOTH.scratch_len(3), Some(45));
        assert_eq!(Sequence { steps: 100, ..BOTH }.scratch_len(3), Some(120));
        assert_eq!(Sequence { batch: 0, ..BOTH }.x_len(), None);
        assert_eq!(Sequence { hidden: 1 << 16, ..BOTH }.r_len(4), None);
        assert_eq!(Direction::from_number(2), Some(Direction::Both));
        assert_eq!(Direction::from_number(3), None);
    }
}
