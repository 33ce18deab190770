//! Product of byte matrices in int32, `y = (a - a_zero) · (b - b_zero)` with packed `b` (ONNX MatMulInteger-10).
//!
//! `a` is `[M, K]`, uint8 or int8 with one zero point of its type; `y` is `[M, N]`. Sums wrap. Every variant gives the
//! same bits.

use crate::Isa;
use crate::product_i8::{self, Matrix, ROWS, Row, Shape};
use crate::rows::{rows, rows_mut};

/// What a product is told.
#[derive(Clone, Copy, Debug)]
pub struct Params {
    /// M.
    pub rows: u32,
    /// K and N.
    pub shape: Shape,
    /// Whether `a` is int8.
    pub signed: bool,
}

impl Params {
    /// Elements of a; like every count here `None` where a size is zero or the product leaves `i32`.
    pub fn a_len(&self) -> Option<u32> {
        self.rows.checked_mul(self.shape.inputs).filter(|&n| n > 0 && n <= i32::MAX as u32)
    }

    /// Elements of y.
    pub fn y_len(&self) -> Option<u32> {
        self.rows.checked_mul(self.shape.outputs).filter(|&n| n > 0 && n <= i32::MAX as u32)
    }

    /// Bytes of the scratch: four rows of a, filled up.
    pub fn scratch_bytes(&self) -> Option<u32> {
        u32::try_from(self.shape.row_bytes().checked_mul(ROWS)?).ok()
    }
}

/// Multiplies. Operands of other lengths than the parameters give leave `y` as it is.
pub fn run(isa: Isa, p: &Params, a: &[u8], a_zero: u8, b: &[u8], y: &mut [i32], scratch: &mut [u8]) {
    let is = |len: usize, n: Option<u32>| n.is_some_and(|n| n as usize == len);
    let fits = is(a.len(), p.a_len()) && is(y.len(), p.y_len()) && is(scratch.len(), p.scratch_bytes());
    let Some(m) = Matrix::of(p.shape, b, 0).filter(|_| fits) else { return };
    let (inputs, outputs) = (p.shape.inputs as usize, p.shape.outputs as usize);
    let mut a_rows = rows(a, inputs);
    let mut y_rows = rows_mut(y, outputs);
    loop {
        let mut x = [Row { levels: &[], scale: 0.0, zero_point: 0, sum: 0 }; ROWS];
        let mut to: [&mut [i32]; ROWS] = Default::default();
        let mut count = 0;
        let levels = rows_mut(scratch, p.shape.row_bytes());
        for ((levels, x), to) in levels.zip(&mut x).zip(&mut to) {
            let (Some(a), Some(y)) = (a_rows.next(), y_rows.next()) else { break };
            *x = level(p, a, a_zero, levels);
            *to = y;
            count += 1;
        }
        if count == ROWS {
            product_i8::integers(isa, &m, &x, to);
        } else {
            for (x, y) in x.into_iter().zip(to).take(count) {
                product_i8::integers(isa, &m, &[x], [y]);
            }
            return;
        }
    }
}

/// A row of `a` as unsigned bytes: int8 has everything 128 higher, which is the top bit flipped.
fn level<'a>(p: &Params, a: &[u8], zero: u8, levels: &'a mut [u8]) -> Row<'a> {
    let flip = if p.signed { 0x80 } else { 0 };
    levels.fill(0);
    for (to, &from) in levels.iter_mut().zip(a) {
        *to = from ^ flip;
    }
    Row::new(levels, p.shape.inputs, 1.0, zero ^ flip)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::product_i8::{Columns, pack};
    use crate::samples::Samples;
    use std::vec::Vec;

    fn battery(p: &Params, a_zero: u8, seed: u64) {
        let mut samples = Samples::new(seed);
        let (k, n) = (p.shape.inputs as usize, p.shape.outputs as usize);
        let a: Vec<u8> = (0..p.a_len().unwrap()).map(|_| samples.below(256) as u8).collect();
        let b = samples.bytes(p.shape.inputs * p.shape.outputs);
        let zero_points: Vec<i32> = (0..n as i32).map(|n| n % 5 - 2).collect();
        let len = p.shape.packed_bytes().unwrap() as usize;
        let mut buffer = std::vec![0u8; len + 8];
        let start = buffer.as_ptr().align_offset(8);
        let packed = &mut buffer[start..][..len];
        let columns = Columns { rows: &b, scales: &std::vec![1.0; n], zero_points: &zero_points };
        assert!(pack(p.shape, &columns, packed));
        let real = |v: u8| if p.signed { i32::from(v as i8) } else { i32::from(v) };
        for isa in Isa::available() {
            let mut y = std::vec![7; p.y_len().unwrap() as usize];
            let mut scratch = std::vec![9; p.scratch_bytes().unwrap() as usize];
            run(isa, p, &a, a_zero, packed, &mut y, &mut scratch);
            for (at, &y) in y.iter().enumerate() {
                let (i, j) = (at / n, at % n);
                let term = |t| (real(a[i * k + t]) - real(a_zero)) * (i32::from(b[j * k + t]) - zero_points[j]);
                assert_eq!(y, (0..k).map(term).sum::<i32>(), "{:?} {p:?} {i} {j}", isa.level());
            }
        }
    }

    #[test]
    fn every_variant_follows_the_definition() {
        for (rows, inputs, outputs) in [(1, 1, 1), (2, 3, 5), (4, 16, 16), (5, 17, 70), (9, 64, 33)] {
            for (signed, zero) in [(false, 0), (false, 200), (true, 0), (true, 0x90)] {
                let p = Params { rows, shape: Shape { inputs, outputs }, signed };
                battery(&p, zero, u64::from(rows));
            }
        }
    }

    #[test]
    fn wrong_lengths_leave_the_output() {
        let p = Params { rows: 1, shape: Shape { inputs: 2, outputs: 1 }, signed: false };
        for isa in Isa::available() {
            let mut y = [7];
            run(isa, &p, &[1; 3], 0, &[0; 256], &mut y, &mut [0; 16]);
            run(isa, &p, &[1; 2], 0, &[0; 255], &mut y, &mut [0; 16]);
            run(isa, &p, &[1; 2], 0, &[0; 256], &mut y, &mut [0; 15]);
            assert_eq!(y, [7]);
        }
    }
}
