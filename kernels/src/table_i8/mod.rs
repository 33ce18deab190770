//! Any function of one byte: `y[i] = table[x[i] + 128]`.

mod portable;

use crate::Isa;

/// Looks every element up. `x` and `y` have the same length; a shorter one ends the work.
pub fn run(_isa: Isa, table: &[i8; 256], x: &[i8], y: &mut [i8]) {
    portable::run(table, x, y);
}

/// Looks every element up in place.
pub fn run_in_place(_isa: Isa, table: &[i8; 256], y: &mut [i8]) {
    portable::run_in_place(table, y);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_up_every_byte_value() {
        let table: [i8; 256] = core::array::from_fn(|i| (i as i32 * 7 % 251 - 128) as i8);
        let x: [i8; 256] = core::array::from_fn(|i| i as u8 as i8);
        for isa in Isa::available() {
            let mut y = [0; 256];
            run(isa, &table, &x, &mut y);
            let mut z = x;
            run_in_place(isa, &table, &mut z);
            for (k, &v) in x.iter().enumerate() {
                assert_eq!(y[k], table[(i32::from(v) + 128) as usize], "{:?}", isa.level());
            }
            assert_eq!(y, z);
        }
    }
}
