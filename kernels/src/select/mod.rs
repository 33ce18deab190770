//! The element of one of two operands, by a condition, with broadcasting: `y = condition ? a : b`.
//!
//! Elements move as bytes. Any condition but 0 is true.

mod portable;

use crate::Isa;
use crate::copy::shift;
use crate::walk::{product, reach};

/// What to select.
#[derive(Clone, Copy, Debug)]
pub struct Params {
    /// Bytes of an element: 1, 2, 4 or 8.
    pub element_bytes: u32,
    /// Sizes of the output, outermost first, the unused ones 1.
    pub sizes: [u32; 6],
    /// Distance in elements of the condition between neighbours along every axis, 0 where it is broadcast.
    pub condition_strides: [u32; 6],
    /// The same of the first operand.
    pub a_strides: [u32; 6],
    /// The same of the second operand.
    pub b_strides: [u32; 6],
}

impl Params {
    /// Elements of the output; `None` where a size is zero or the product leaves `i32`.
    pub fn outputs(&self) -> Option<u32> {
        product(&self.sizes).filter(|&n| n > 0)
    }

    /// Elements of the condition: one past the farthest that is read.
    pub fn condition_len(&self) -> Option<u32> {
        reach(&self.sizes, &self.condition_strides)
    }

    /// Bytes of the output.
    pub fn y_bytes(&self) -> Option<u32> {
        self.bytes(self.outputs())
    }

    /// Bytes of the first operand.
    pub fn a_bytes(&self) -> Option<u32> {
        self.bytes(reach(&self.sizes, &self.a_strides))
    }

    /// Bytes of the second operand.
    pub fn b_bytes(&self) -> Option<u32> {
        self.bytes(reach(&self.sizes, &self.b_strides))
    }

    fn bytes(&self, elements: Option<u32>) -> Option<u32> {
        shift(self.element_bytes)?;
        elements?.checked_mul(self.element_bytes).filter(|&n| n <= i32::MAX as u32)
    }
}

/// Selects. Operands of other lengths than the parameters give leave `y` as it is.
pub fn run(_isa: Isa, params: &Params, condition: &[u8], a: &[u8], b: &[u8], y: &mut [u8]) {
    let is = |len: usize, n: Option<u32>| n.is_some_and(|n| n as usize == len);
    let fits = is(condition.len(), params.condition_len())
        && is(a.len(), params.a_bytes())
        && is(b.len(), params.b_bytes())
        && is(y.len(), params.y_bytes());
    if fits {
        portable::run(params, condition, a, b, y);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::walk::Walk;
    use std::vec::Vec;

    /// `[2, 3, 4]` of condition `[2, 1, 4]`, `[3, 1]`, and a scalar.
    fn params(element_bytes: u32) -> Params {
        Params {
            element_bytes,
            sizes: [1, 1, 1, 2, 3, 4],
            condition_strides: [0, 0, 0, 4, 0, 1],
            a_strides: [0, 0, 0, 0, 1, 0],
            b_strides: [0; 6],
        }
    }

    #[test]
    fn every_variant_follows_the_definition() {
        for bytes in [1usize, 2, 4, 8] {
            let p = params(bytes as u32);
            let condition = [0u8, 1, 255, 0, 2, 0, 0, 1];
            let a: Vec<u8> = (0..3 * bytes).map(|k| k as u8 + 1).collect();
            let b: Vec<u8> = (0..bytes).map(|k| 0xF0 + k as u8).collect();
            let strides = [p.condition_strides, p.a_strides, p.b_strides];
            let want: Vec<u8> = Walk::new(p.sizes, strides)
                .flat_map(|[c, i, j]| match condition[c as usize] {
                    0 => b[j as usize * bytes..][..bytes].to_vec(),
                    _ => a[i as usize * bytes..][..bytes].to_vec(),
                })
                .collect();
            for isa in Isa::available() {
                let mut y = std::vec![7; 24 * bytes];
                run(isa, &p, &condition, &a, &b, &mut y);
                assert_eq!(y, want, "{:?} {bytes}", isa.level());
            }
        }
    }

    #[test]
    fn bad_operands_leave_the_output() {
        let p = params(1);
        for isa in Isa::available() {
            let mut y = [7; 24];
            run(isa, &p, &[1; 7], &[1; 3], &[1], &mut y);
            run(isa, &p, &[1; 8], &[1; 4], &[1], &mut y);
            run(isa, &p, &[1; 8], &[1; 3], &[], &mut y);
            run(isa, &Params { element_bytes: 3, ..p }, &[1; 8], &[1; 9], &[1; 3], &mut y);
            run(isa, &Params { sizes: [0; 6], ..p }, &[1; 8], &[1; 3], &[1], &mut y);
            assert_eq!(y, [7; 24]);
        }
    }
}
