//! Any function of one byte, between two strided places: `y[y_offset + i * y_stride + k] = table[x[x_offset + i * x_stride +
//! k] + 128]`. What the rows do not reach in `y` keeps its value.

#[cfg(target_arch = "x86_64")]
mod avx512vbmi;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod blocks;
mod portable;

use core::ops::Range;

use crate::Isa;

/// Which rows of bytes are looked up, and where they go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Params {
    /// Rows.
    pub count: u32,
    /// Bytes of a row.
    pub row: u32,
    /// Bytes from row to row in x.
    pub x_stride: u32,
    /// Bytes from row to row in y.
    pub y_stride: u32,
    /// First byte read.
    pub x_offset: u32,
    /// First byte written.
    pub y_offset: u32,
}

impl Params {
    /// Whether all rows stay within `x_bytes` and `y_bytes` bytes and none overlaps another.
    pub fn check(&self, x_bytes: usize, y_bytes: usize) -> bool {
        let within = |offset: u32, stride: u32, bytes: usize| {
            // Of 32 bits each: the sum stays below 2^64.
            let last = u64::from(self.count).saturating_sub(1).saturating_mul(u64::from(stride));
            last.saturating_add(u64::from(offset)).saturating_add(u64::from(self.row)) <= bytes as u64
        };
        let overlap = self.count > 1 && self.row > self.x_stride.min(self.y_stride);
        let some = self.count > 0 && self.row > 0;
        some && !overlap
            && within(self.x_offset, self.x_stride, x_bytes)
            && within(self.y_offset, self.y_stride, y_bytes)
    }

    /// Whether every row is written within its own stretch of `y_stride` bytes, counted from the beginning of y.
    pub fn apart(&self) -> bool {
        u64::from(self.y_offset).saturating_add(u64::from(self.row)) <= u64::from(self.y_stride)
    }

    /// Only these rows, into the part of y that begins with the stretch of the first, where they are [`Params::apart`].
    pub fn rows(&self, rows: Range<u32>) -> Option<Self> {
        let count = rows.end.checked_sub(rows.start)?;
        let x_offset = self.x_offset.checked_add(self.x_stride.checked_mul(rows.start)?)?;
        Some(Self { count, x_offset, ..*self })
    }
}

/// Looks every row up. Rows that leave `x` or `y` leave `y` as it is.
pub fn run(isa: Isa, params: &Params, table: &[i8; 256], x: &[u8], y: &mut [u8]) {
    if params.check(x.len(), y.len()) && !run_fast(isa, params, table, x, y) {
        portable::run(params, table, x, y);
    }
}

/// Whether a vector variant did it.
#[cfg(target_arch = "x86_64")]
fn run_fast(isa: Isa, params: &Params, table: &[i8; 256], x: &[u8], y: &mut [u8]) -> bool {
    avx512vbmi::run(isa, params, table, x, y) || blocks::run(isa, params, table, x, y)
}

/// Whether a vector variant did it.
#[cfg(target_arch = "aarch64")]
fn run_fast(isa: Isa, params: &Params, table: &[i8; 256], x: &[u8], y: &mut [u8]) -> bool {
    blocks::run(isa, params, table, x, y)
}

/// No vector variant for this architecture.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn run_fast(_: Isa, _: &Params, _: &[i8; 256], _: &[u8], _: &mut [u8]) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use std::vec;
    use std::vec::Vec;

    use super::*;

    fn table() -> [i8; 256] {
        core::array::from_fn(|i| (i as i32 * 7 % 251 - 128) as i8)
    }

    fn exact(p: &Params, x: &[u8], y: &mut [u8]) {
        for i in 0..p.count {
            for k in 0..p.row {
                let (from, to) = (p.x_offset + i * p.x_stride + k, p.y_offset + i * p.y_stride + k);
                let index = (i32::from(x[from as usize] as i8) + 128) as usize;
                y[to as usize] = table()[index] as u8;
            }
        }
    }

    fn battery(p: &Params) {
        let len = |offset: u32, stride: u32| (offset + (p.count - 1) * stride + p.row) as usize;
        let (x_len, y_len) = (len(p.x_offset, p.x_stride), len(p.y_offset, p.y_stride));
        let x: Vec<u8> = (0..x_len).map(|k| (k * 7 % 253) as u8).collect();
        let mut want = vec![0xEE; y_len];
        exact(p, &x, &mut want);
        for isa in Isa::available() {
            let mut y = vec![0xEE; y_len];
            run(isa, p, &table(), &x, &mut y);
            assert_eq!(y, want, "{p:?} {:?}", isa.level());
            if !p.apart() {
                continue;
            }
            let mut y = vec![0xEE; y_len];
            for rows in [0..p.count / 3, p.count / 3..p.count] {
                let end = (rows.end as usize * p.y_stride as usize).min(y_len);
                let to = &mut y[rows.start as usize * p.y_stride as usize..end];
                run(isa, &p.rows(rows).unwrap(), &table(), &x, to);
            }
            assert_eq!(y, want, "parts of {p:?} {:?}", isa.level());
        }
    }

    #[test]
    fn every_row_is_looked_up_and_nothing_else() {
        let rows = [1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 24, 31, 32, 33, 48, 63, 64, 65, 96, 127, 128, 150, 300, 1100];
        for row in rows {
            for count in [1, 2, 3, 4, 5, 7, 8, 37] {
                for (x_gap, y_gap) in [(0, 0), (row, 0), (0, 2 * row), (3, 5), (1, 0)] {
                    for (x_offset, y_offset) in [(0, 0), (x_gap, y_gap), (0, 1)] {
                        battery(&Params {
                            count,
                            row,
                            x_stride: row + x_gap,
                            y_stride: row + y_gap,
                            x_offset,
                            y_offset,
                        });
                    }
                }
            }
        }
    }

    #[test]
    fn rows_that_leave_their_tensors_or_overlap_are_refused() {
        let p = Params { count: 3, row: 4, x_stride: 5, y_stride: 6, x_offset: 1, y_offset: 2 };
        assert!(p.check(15, 18));
        assert!(!p.check(14, 18) && !p.check(15, 17));
        assert!(!Params { count: 0, ..p }.check(99, 99) && !Params { row: 0, ..p }.check(99, 99));
        assert!(!Params { x_stride: 3, ..p }.check(99, 99) && !Params { y_stride: 3, ..p }.check(99, 99));
        assert!(Params { count: 1, x_stride: 0, y_stride: 0, ..p }.check(5, 6));
        let wild = u32::MAX;
        let all = Params { count: wild, row: wild, x_stride: wild, y_stride: wild, x_offset: wild, y_offset: wild };
        assert!(!all.check(u32::MAX as usize, u32::MAX as usize) && !all.apart() && all.rows(1..2).is_none());
        for isa in Isa::available() {
            let mut y = [7; 17];
            run(isa, &p, &table(), &[1; 15], &mut y);
            assert_eq!(y, [7; 17]);
        }
    }
}
