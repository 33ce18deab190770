//! One shape of a real network for every int8 kernel, and float convolutions, so that executed instructions can be counted.
//!
//! Under emulation, a plugin counts what is executed between two calls of one function, [`mark`]. A probe computes its
//! shape once, calls it, computes the shape again, and calls it again, so that nothing but one execution lies between.

mod bytes;
mod conv;
mod elements;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod floats;
mod moves;
mod recurrent;
mod windows;

use ocellus_kernels::Isa;

use crate::{Draw, Scratch};

/// What is counted beside the instructions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Work {
    /// Multiply-accumulates.
    Macs(u32),
    /// Elements of the output, of kernels that are not made of products.
    Outputs(u32),
    /// Elements of the input, of a kernel with many inputs to an output.
    Inputs(u32),
}

impl Work {
    /// How many of them.
    pub const fn count(self) -> u32 {
        match self {
            Self::Macs(n) | Self::Outputs(n) | Self::Inputs(n) => n,
        }
    }

    /// What one of them is called.
    pub const fn unit(self) -> &'static str {
        match self {
            Self::Macs(_) => "MAC",
            Self::Outputs(_) => "output",
            Self::Inputs(_) => "input",
        }
    }
}

/// A kernel on one shape.
pub struct Probe {
    /// The kernel and its shape.
    pub name: &'static str,
    run: fn(Isa, &mut Scratch) -> Work,
}

/// All of them.
pub const PROBES: [Probe; 28] = [
    Probe { name: "conv_i8 3x3, 16x16x16 to 16", run: conv::three },
    Probe { name: "conv_i8 3x3 by 2, 48x48x3 to 8", run: conv::first },
    Probe { name: "conv_i8 1x1, 25x5x64 to 64", run: conv::one },
    Probe { name: "conv_i8 3x3, 16x16x16 to 16, 4 groups", run: conv::grouped },
    Probe { name: "conv_i8 fully connected, 128 to 96", run: conv::fully_connected },
    Probe { name: "conv_add_i8 3x3, 16x16x16 to 16", run: conv::added },
    Probe { name: "depthwise_i8 3x3, 25x5x64", run: conv::depthwise },
    Probe { name: "depthwise_i8 3x3 by 2, 24x24x8", run: conv::depthwise_by_two },
    Probe { name: "conv_transpose_i8 2x2 by 2, 8x8x16 to 16", run: conv::transposed },
    Probe { name: "LSTM step of products, sums and tables, 32 to 32", run: recurrent::lstm },
    Probe { name: "GRU step of products, sums and tables, 32 to 32", run: recurrent::gru },
    Probe { name: "conv_integer 3x3, 8x8x4 to 4", run: bytes::conv_integer },
    Probe { name: "conv_integer 1x1, 1x4x64 to 64", run: bytes::products },
    Probe { name: "max_pool_i8 2x2 by 2, 16x16x32", run: windows::max_pool },
    Probe { name: "average_pool_i8 8x8, 8x8x64", run: windows::average_pool },
    Probe { name: "resize_i8 nearest, 8x8x16 to 16x16", run: windows::nearest },
    Probe { name: "resize_i8 linear, 8x8x16 to 16x16", run: windows::linear },
    Probe { name: "add_i8, 4096", run: elements::add },
    Probe { name: "mul_i8, 4096", run: elements::mul },
    Probe { name: "mul_i8 by channel, 16x16x16", run: elements::mul_channels },
    Probe { name: "table_i8, 4096", run: elements::table },
    Probe { name: "softmax_i8, 64 times 10", run: elements::softmax },
    Probe { name: "quantize, 256", run: bytes::quantize },
    Probe { name: "quantize_dynamic, 256", run: bytes::quantize_dynamic },
    Probe { name: "dequantize, 256", run: bytes::dequantize },
    Probe { name: "copy of bytes into a concatenation, 16x16x16", run: moves::concatenated },
    Probe { name: "copy of bytes to channels first, 16x16x16", run: moves::transposed },
    Probe { name: "gather of bytes, 16 rows of 64", run: moves::rows },
];

/// Float convolutions, on processors with vectors of floats.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
pub const FLOATS: [Probe; 6] = [
    Probe { name: "conv_f32 3x3, 8x8x16 to 16, weights in f32", run: floats::three_f32 },
    Probe { name: "conv_f32 3x3, 8x8x16 to 16, weights in f16", run: floats::three_stored },
    Probe { name: "conv_f16 3x3, 8x8x16 to 16", run: floats::three_f16 },
    Probe { name: "conv_f32 1x1, 8x8x32 to 64, weights in f32", run: floats::one_f32 },
    Probe { name: "conv_f32 1x1, 8x8x32 to 64, weights in f16", run: floats::one_stored },
    Probe { name: "conv_f16 1x1, 8x8x32 to 64", run: floats::one_f16 },
];

/// None: the cores compute floats one by one.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
pub const FLOATS: [Probe; 0] = [];

/// Where the counting starts and ends. It is known by its name.
#[inline(never)]
pub fn mark() {
    core::hint::black_box(0x6d61_726b_u32);
}

/// Marks nothing, which costs what marking costs, then computes every probe with the best instruction set and says what its
/// work is. What would be emulated by single numbers is left out.
pub fn all(scratch: &mut Scratch, mut say: impl FnMut(&str, Work)) {
    let isa = Isa::best();
    twice(|| {});
    let here = |probe: &&Probe| isa.has_fp16() || !probe.name.starts_with("conv_f16");
    for probe in PROBES.iter().chain(&FLOATS).filter(here) {
        say(probe.name, probe.run(isa, scratch));
    }
}

impl Probe {
    /// Computes the shape with an instruction set, twice, and marks the second time.
    pub fn run(&self, isa: Isa, scratch: &mut Scratch) -> Work {
        prepare(scratch);
        (self.run)(isa, scratch)
    }
}

/// The first time is for what happens but once.
fn twice(mut run: impl FnMut()) {
    run();
    mark();
    run();
    mark();
}

/// Fills every operand with ordinary numbers.
fn prepare(scratch: &mut Scratch) {
    let mut draw = Draw::new(1);
    let Scratch { x, other, y, weights, bias, multipliers, words, from, to, .. } = scratch;
    for all in [&mut x[..], &mut other[..], &mut weights[..]] {
        all.iter_mut().for_each(|v| *v = draw.between(-128, 127) as i8);
    }
    from.iter_mut().for_each(|v| *v = draw.below(256) as u8);
    bias.iter_mut().for_each(|v| *v = draw.between(-2000, 2000));
    multipliers.fill(0.001);
    for (k, e) in words.iter_mut().rev().enumerate() {
        *e = (1 << 24) >> (k / 8);
    }
    y.fill(99);
    to.fill(99);
}

#[cfg(test)]
mod tests {
    use super::*;
    use ocellus_plan::crc32;

    fn outputs(scratch: &Scratch) -> u32 {
        let y = scratch.y.iter().fold(0, |crc, &v| crc32(crc, &[v.cast_unsigned()]));
        let bias = scratch.bias.iter().fold(y, |crc, v| crc32(crc, &v.to_le_bytes()));
        let floats = scratch.multipliers.iter().fold(bias, |crc, v| crc32(crc, &v.to_le_bytes()));
        crc32(floats, &scratch.to)
    }

    #[test]
    fn every_probe_computes_something_and_always_the_same() {
        let mut scratch = Scratch::new();
        prepare(&mut scratch);
        let untouched = outputs(&scratch);
        for probe in &PROBES {
            let work = probe.run(Isa::PORTABLE, &mut scratch);
            let want = outputs(&scratch);
            assert!(want != untouched && work.count() >= 256, "{}", probe.name);
            for isa in Isa::available() {
                assert_eq!((probe.run(isa, &mut scratch), outputs(&scratch)), (work, want), "{}", probe.name);
            }
        }
    }
}
