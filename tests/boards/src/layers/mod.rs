//! Integer layers by number: the kinds take turns, everything else is drawn.

mod conv;
mod copy;
mod depthwise;
mod geometry;
mod pairs;
mod pools;
mod recurrent;
mod resize;
mod softmax;
mod table;
mod transposed;

use ocellus_kernels::Isa;
use ocellus_plan::crc32;

use crate::{Draw, Scratch};

/// Draws a layer, computes it, and returns the checksum of its output.
type Kind = fn(Isa, &mut Draw, &mut Scratch) -> u32;

/// Every kind of layer; the convolutions, which have most variants, come twice.
const KINDS: [Kind; 17] = [
    conv::dense,
    depthwise::layer,
    pairs::add,
    conv::dense,
    pools::max,
    transposed::layer,
    depthwise::layer,
    conv::grouped,
    conv::added,
    pools::average,
    pairs::mul,
    table::layer,
    conv::fully_connected,
    resize::layer,
    recurrent::lstm,
    recurrent::gru,
    // Softmax and copies in turn.
    moves,
];

fn moves(isa: Isa, draw: &mut Draw, scratch: &mut Scratch) -> u32 {
    if draw.once_in(2) { softmax::layer(isa, draw, scratch) } else { copy::layer(isa, draw, scratch) }
}

/// The checksum of layer `number`, computed with an instruction set.
pub fn checksum(isa: Isa, number: u32, scratch: &mut Scratch) -> u32 {
    let kind = KINDS[number as usize % KINDS.len()];
    kind(isa, &mut Draw::new(number.into()), scratch)
}

/// The checksum of logical int8 values.
fn of(values: &[i8]) -> u32 {
    values.iter().fold(0, |crc, &v| crc32(crc, &[v.cast_unsigned()]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_variant_of_this_machine_agrees() {
        let mut scratch = Scratch::new();
        for number in 0..1000 {
            let want = checksum(Isa::PORTABLE, number, &mut scratch);
            for isa in Isa::available() {
                assert_eq!(checksum(isa, number, &mut scratch), want, "layer {number}, {:?}", isa.level());
            }
        }
    }

    #[test]
    fn layers_differ() {
        let mut scratch = Scratch::new();
        let all: BTreeSet<u32> = (0..500).map(|n| checksum(Isa::PORTABLE, n, &mut scratch)).collect();
        assert!(all.len() > 450, "{}", all.len());
    }
}
