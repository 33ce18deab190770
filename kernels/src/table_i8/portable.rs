//! The reference.

fn look_up(table: &[i8; 256], x: i8) -> i8 {
    // Adding 128 to a signed byte flips its top bit: an index of 0 to 255, so that the default is never taken.
    table.get(usize::from(x.cast_unsigned() ^ 0x80)).copied().unwrap_or(0)
}

pub(super) fn run(table: &[i8; 256], x: &[i8], y: &mut [i8]) {
    for (y, &x) in y.iter_mut().zip(x) {
        *y = look_up(table, x);
    }
}

pub(super) fn run_in_place(table: &[i8; 256], y: &mut [i8]) {
    for y in y {
        *y = look_up(table, *y);
    }
}
