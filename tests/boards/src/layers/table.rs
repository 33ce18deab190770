//! Any function of one byte, also in place.

use ocellus_kernels::{Isa, table_i8};

use super::of;
use crate::scratch::PIXELS;
use crate::{Draw, Scratch};

pub(super) fn layer(isa: Isa, draw: &mut Draw, scratch: &mut Scratch) -> u32 {
    let len = 1 + draw.below(PIXELS as u32) as usize;
    let mut table = [0; 256];
    draw.bytes(&mut table);
    let (x, y) = (&mut scratch.x[..len], &mut scratch.y[..len]);
    draw.bytes(x);
    table_i8::run(isa, &table, x, y);
    let crc = of(y);
    table_i8::run_in_place(isa, &table, x);
    if of(x) == crc { crc } else { !crc }
}
