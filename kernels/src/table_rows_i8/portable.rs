//! The reference.

use super::Params;

pub(super) fn run(p: &Params, table: &[i8; 256], x: &[u8], y: &mut [u8]) {
    let (mut from, mut to, row) = (p.x_offset as usize, p.y_offset as usize, p.row as usize);
    for _ in 0..p.count {
        let x = x.get(from..from.wrapping_add(row)).unwrap_or_default();
        for (y, &x) in y.get_mut(to..to.wrapping_add(row)).unwrap_or_default().iter_mut().zip(x) {
            // Adding 128 to a signed byte flips its top bit: an index of 0 to 255, so that the default is never taken.
            *y = table.get(usize::from(x ^ 0x80)).copied().unwrap_or(0).cast_unsigned();
        }
        (from, to) = (from.wrapping_add(p.x_stride as usize), to.wrapping_add(p.y_stride as usize));
    }
}
