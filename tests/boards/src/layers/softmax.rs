//! Softmax over an axis.

use ocellus_kernels::Isa;
use ocellus_kernels::softmax_i8::{Params, run};

use super::of;
use crate::{Draw, Scratch};

pub(super) fn layer(isa: Isa, draw: &mut Draw, scratch: &mut Scratch) -> u32 {
    let (outer, axis, inner) = (1 + draw.below(9), 1 + draw.below(40), draw.pick(&[1, 1, 2, 7, 16]));
    let params = Params { outer, axis, inner };
    let len = params.elements().unwrap_or(0) as usize;
    draw.bytes(&mut scratch.x[..len]);
    // Falling by a constant factor from 2^24 at the maximum, in integers.
    let shrink = u64::from(draw.between(200, 255).cast_unsigned());
    let mut value = 1u64 << 24;
    for e in scratch.words.iter_mut().rev() {
        *e = value as u32;
        value = (value * shrink) >> 8;
    }
    let y = &mut scratch.y[..len];
    run(isa, &params, &scratch.x[..len], &scratch.words, y);
    of(y)
}
