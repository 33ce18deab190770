//! int8 convolution, also fully connected layers (1x1 over `batch` pixels), any number of groups.
//!
//! `sum = bias[o] + Σ x * w` over all taps, int32 and wrapping, then [`Output`]. A padded tap reads `input_zero_point`; the
//! bias holds `-input_zero_point * Σ w`, so that the zero point costs nothing inside.
//!
//! x `[N, H, W, I]`, weights in one of [`layout`], bias and multipliers `[O]`, y `[N, OH, OW, O]`. Every variant gives the
//! same bits.

#[cfg(all(target_arch = "x86_64", feature = "std"))]
mod amx;
#[cfg(all(target_arch = "x86_64", feature = "std"))]
mod amx_dilated;
mod apart;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx2_bytes;
#[cfg(target_arch = "x86_64")]
mod avx2_rows;
#[cfg(target_arch = "x86_64")]
mod avx2_stem;
#[cfg(target_arch = "x86_64")]
mod avx2_winograd;
#[cfg(target_arch = "x86_64")]
mod avx512_finish;
#[cfg(target_arch = "x86_64")]
mod avx512vnni;
#[cfg(target_arch = "x86_64")]
mod avxvnni;
#[cfg(target_arch = "x86_64")]
mod bands;
#[cfg(all(target_arch = "arm", feature = "dsp"))]
pub(crate) mod dots_dsp;
#[cfg(all(target_arch = "arm", feature = "dsp"))]
mod dsp;
#[cfg(target_arch = "x86_64")]
mod gathered;
#[cfg(all(target_arch = "arm", feature = "helium"))]
mod helium;
mod lines;
#[cfg(target_arch = "aarch64")]
mod neon;
#[cfg(target_arch = "aarch64")]
mod neon_rows;
mod pack;
#[cfg(target_arch = "x86_64")]
mod panel;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod patches;
pub(crate) mod portable;
#[cfg(target_arch = "x86_64")]
mod ring;
mod span;
#[cfg(target_arch = "x86_64")]
mod sse41;
#[cfg(target_arch = "x86_64")]
mod sse41_rows;
#[cfg(target_arch = "x86_64")]
mod sse41_stem;
#[cfg(target_arch = "x86_64")]
mod sse41_winograd;
mod stem;
#[cfg(target_arch = "aarch64")]
mod tiles;
#[cfg(target_arch = "x86_64")]
mod transformed;
mod winograd;

/// What the transposed convolution shares.
#[cfg(target_arch = "aarch64")]
pub(crate) use neon_rows::dots as dots_neon;

/// What the transposed convolution shares.
#[cfg(target_arch = "x86_64")]
pub(crate) mod tile {
    pub(crate) use super::panel::{Memory, NEAR, Panel};

    pub(crate) mod avx2 {
        pub(crate) use crate::conv_i8::avx2::{Finish, add, load};
    }

    pub(crate) mod sse41 {
        pub(crate) use crate::conv_i8::sse41::{Finish, add, load};
    }
}

/// What the transposed convolution shares, for AVX-512.
#[cfg(target_arch = "x86_64")]
pub(crate) mod tile_512 {
    pub(crate) use super::avx512_finish::Finish;
    pub(crate) use super::avx512vnni::{Part, Work, copy};
    pub(crate) use super::bands::{BYTES, Memory, Taps, Windows};
}

/// What the transposed convolution shares, for AMX.
#[cfg(all(target_arch = "x86_64", feature = "std"))]
pub(crate) mod tile_amx {
    pub(crate) use super::amx::{Places, Work};
    pub(crate) use super::avx512_finish::Finish;
    pub(crate) use super::avx512vnni::Part;
}

use core::ops::Range;

pub(crate) use apart::run_apart;
pub use apart::run_columns;
pub(crate) use pack::tiles;
pub use pack::{pack, packed_len};

use crate::geometry::Geometry;
use crate::pixels::{Pixels, fit, looked_up};
use crate::round::{Output, is_i8};
use crate::{Isa, Level};

/// Layouts of the weights, by number.
pub mod layout {
    /// `[O][KH][KW][I / groups]`, one row per output channel.
    pub const ROWS: u32 = 0;
    /// `[O / 16]` blocks of 16 channels: first int32 `[16]`, `-128 * Σ w` of every channel, then `[KH * KW * I / 4][16][4]`,
    /// the weights in fours; zero-filled to multiples of 16 and 4; one group only.
    pub const O16K4: u32 = 4;
    /// `[O / 16][KH * KW * I / 2][16][2]`: the weights in pairs, and no sums.
    pub const O16K2: u32 = 3;
    /// `[O / 16][KH][KW * I / 2][16][2]`: the weights in pairs, every row of taps filled up to pairs, and no sums; at most 4
    /// channels, one group, no dilation, several columns, and rows that fit into a ring.
    pub const O16R2: u32 = 7;
    /// `[O / 16]` blocks of 16 channels: first int32 `[16]`, `-128 * Σ w` of every channel, then
    /// `[KH][KW * I / 4][16][4]`, the weights in fours, every row of taps filled up to fours; one group, columns without
    /// dilation or channels in whole fours, and windows of at most 48 KiB.
    pub const O16R4: u32 = 8;
    /// `[O / 16][KH][KW * I / 4][16][4]`: the weights in fours and no sums, every row of taps filled up to tiles of equally
    /// many fours, at most 16; for the geometries of [`O16R4`] without dilation of columns. With it
    /// `[O / 16][KH][KW][I / 4][16][4]`, where every tap is filled up like that; rows of windows of which several fit into the
    /// memory of a large band.
    pub const O16A4: u32 = 9;
    /// `[O / 16]` blocks of 16 channels: first int32 `[16]`, `-128 * Σ w` of every channel, then `[KH][KW][J / 4][16][4]`, the
    /// weights in fours, where `J`, a multiple of 4, are the most inputs of those groups that a block has channels of, and
    /// filling; a block's inputs begin with those of its first group, or end with the last ones. Several groups.
    pub const O16G4: u32 = 10;
    /// `[O / 16][KH][KW][J / 2][16][2]`: as [`O16G4`], in pairs, and no sums; windows of at most 24 Ki inputs.
    pub const O16G2: u32 = 11;
    /// `[O / 16][KH][KW][I / 4][16][4]`: every tap filled up to fours, and no sums.
    pub const O16I4: u32 = 1;
    /// `[O / 16][16][I / 2][16][2]` int16, transformed for Winograd's F(2x2, 3x3); 3x3 steps of one, of one group of at most
    /// 512 channels, a multiple of 4.
    pub const WINOGRAD: u32 = 5;
    /// `[O / 16][36][I / 2][16][2]` int16, transformed for Winograd's F(4x4, 3x3); for the geometries of [`WINOGRAD`] and
    /// weights whose sums stay below 2^25.
    pub const WINOGRAD_4X4: u32 = 6;
}

/// What a convolution is told.
#[derive(Clone, Copy, Debug)]
pub struct Params {
    /// The geometry.
    pub geometry: Geometry,
    /// What a padded tap reads.
    pub input_zero_point: i32,
    /// The way to int8.
    pub output: Output,
    /// Layout of the weights, one of [`layout`].
    pub layout: u32,
}

impl Params {
    /// Whether everything can be computed; with operands of the lengths that the geometry and [`Params::weights`] give,
    /// nothing outside them is reached.
    pub fn check(&self) -> bool {
        self.geometry.check() && is_i8(self.input_zero_point) && self.output.check() && self.weights().is_some()
    }

    /// Bytes of the weights in their layout, filling included; `None` for a layout that does not exist or does not hold
    /// the geometry.
    pub fn weights(&self) -> Option<u32> {
        packed_len(&self.geometry, self.layout)
    }

    /// Output pixels that are best computed together: others can be, with a part of the work done twice.
    pub fn together(&self) -> u32 {
        let rows = match self.layout {
            layout::WINOGRAD => 2,
            layout::WINOGRAD_4X4 => 4,
            _ => return 1,
        };
        self.geometry.out_width.saturating_mul(rows)
    }

    /// Whether everything can be computed from these operands.
    pub(crate) fn takes(&self, o: &Operands<'_>) -> bool {
        let is = |len: usize, n: Option<u32>| n.is_some_and(|n| n as usize == len);
        let channels = Some(self.geometry.out_channels);
        self.check()
            && is(o.x.len(), self.geometry.inputs())
            && is(o.weights.len(), self.weights())
            && is(o.bias.len(), channels)
            && is(o.multipliers.len(), channels)
            && (TABLES || o.table.is_none())
    }

    pub(crate) fn fits(&self, o: &Operands<'_>, pixels: &Pixels, y: &[i8]) -> bool {
        self.takes(o) && fit(pixels, self.geometry.pixels(), self.geometry.out_channels, y.len())
    }

    /// With one group, where groups are blocks of zeros among the weights.
    fn as_packed(&self) -> Self {
        if self.layout == layout::ROWS || pack::of_groups(self.layout) {
            return *self;
        }
        Self { geometry: Geometry { groups: 1, ..self.geometry }, ..*self }
    }
}

/// What a convolution reads.
#[derive(Clone, Copy, Debug)]
pub struct Operands<'a> {
    /// `[N, H, W, I]`.
    pub x: &'a [i8],
    /// In the layout that the parameters name.
    pub weights: &'a [i8],
    /// `[O]`.
    pub bias: &'a [i32],
    /// `[O]`.
    pub multipliers: &'a [f32],
    /// What every output is looked up in, if it is: `y = table[v + 128]`. Only where there are [`TABLES`].
    pub table: Option<&'a [i8; 256]>,
}

/// Whether convolutions look their outputs up: not on boards, whose flash is small, and where a table by itself does it.
pub const TABLES: bool = cfg!(not(target_arch = "arm"));

/// Whether all processors that take layouts for this instruction set have [`TABLES`].
pub fn tables(level: Level) -> bool {
    !matches!(level, Level::Portable | Level::Dsp | Level::Helium)
}

/// The layouts that the variants of this instruction set read, best first. The portable one reads all, and stands in where
/// the instruction set has no variant for a layout. Without an operating system nobody reads the layouts of Winograd and of rows
/// of taps: no board packs them, and a board's flash is small.
pub fn layouts(level: Level) -> &'static [u32] {
    let all: &[u32] = match level {
        Level::Portable => &[layout::ROWS, layout::O16K4, layout::O16K2, layout::O16I4, G2, G4, A4, R4, R2, W2, W4],
        Level::Sse41 | Level::Avx2 => &[G2, R2, W4, W2, layout::O16K2, layout::ROWS, layout::O16K4, G4],
        Level::AvxVnni => &[G4, layout::O16K4, layout::O16K2, layout::ROWS, G2, R2, W2, W4],
        Level::Avx512Vnni => &[G4, R4, layout::O16K2, layout::ROWS, layout::O16I4, layout::O16K4, G2, R2, W2, W4],
        Level::Amx => {
            const AMX: &[u32] =
                &[A4, G4, R4, layout::O16K2, layout::ROWS, layout::O16I4, layout::O16K4, G2, R2, W2, W4];
            return AMX;
        }
        Level::Neon | Level::Dotprod | Level::I8mm => {
            &[layout::O16I4, layout::ROWS, layout::O16K2, layout::O16K4, G2, G4, A4, R4, R2, W2, W4]
        }
        Level::Dsp | Level::Helium => &[layout::ROWS],
    };
    match all.split_last_chunk() {
        Some((others, [G2, G4, A4, R4, R2, W2, W4])) if !cfg!(feature = "std") => others,
        _ => all,
    }
}

/// Layouts for processors with an operating system.
const A4: u32 = layout::O16A4;
const G2: u32 = layout::O16G2;
const G4: u32 = layout::O16G4;
const R2: u32 = layout::O16R2;
const R4: u32 = layout::O16R4;
const W2: u32 = layout::WINOGRAD;
const W4: u32 = layout::WINOGRAD_4X4;

/// The layout for weights (`[O][KH][KW][I / groups]`) of a geometry on an instruction set: the best of its layouts that
/// holds them and pays.
pub fn best_layout(level: Level, geometry: &Geometry, rows: &[i8]) -> Option<u32> {
    let suits = |layout: u32| {
        let pays =
            winograd::pays(geometry, layout) && (geometry.groups == 1 || pack::groups_pay(level, geometry, layout));
        pays && pack::holds(geometry, layout, rows)
    };
    layouts(level).iter().copied().find(|&layout| suits(layout))
}

/// The best layout for a geometry on an instruction set that keeps weights in a byte each.
pub fn compact_layout(level: Level, geometry: &Geometry) -> Option<u32> {
    let bytes = |layout: u32| winograd::form(layout).is_none() && (geometry.groups == 1 || layout == layout::ROWS);
    layouts(level).iter().copied().find(|&layout| bytes(layout) && packed_len(geometry, layout).is_some())
}

/// Convolves. Operands of other lengths than the parameters give leave `y` as it is.
pub fn run(isa: Isa, params: &Params, operands: &Operands<'_>, y: &mut [i8]) {
    run_pixels(isa, params, operands, 0..params.geometry.pixels().unwrap_or(0), y);
}

/// Convolves only these output pixels, numbered over `[N, OH, OW]`; `y` is their part of the output. The outputs do not
/// depend on how the pixels are cut. Operands of other lengths leave `y` as it is.
pub fn run_pixels(isa: Isa, params: &Params, operands: &Operands<'_>, pixels: Range<u32>, y: &mut [i8]) {
    if !params.fits(operands, &pixels, y) {
        return;
    }
    let params = &params.as_packed();
    match operands.table {
        Some(table) if TABLES && !looks_up(isa, params.layout) => {
            let line = params.geometry.out_width.saturating_mul(TILE_ROWS);
            let operands = Operands { table: None, ..*operands };
            looked_up((isa, table), pixels, (params.geometry.out_channels, line), y, |pixels, y| {
                convolve(isa, params, &operands, pixels, y);
            });
        }
        _ => convolve(isa, params, operands, &pixels, y),
    }
}

/// Rows of output that kernels compute together at most.
pub(crate) const TILE_ROWS: u32 = if cfg!(target_arch = "x86_64") { 4 } else { 2 };

/// Convolves with the best variant.
fn convolve(isa: Isa, params: &Params, operands: &Operands<'_>, pixels: &Pixels, y: &mut [i8]) {
    if !run_fast(isa, params, operands, pixels, y) {
        portable::run(params, operands, pixels, y);
    }
}

/// Whether the variant for a layout looks outputs up before it stores them.
#[cfg(target_arch = "x86_64")]
fn looks_up(isa: Isa, layout: u32) -> bool {
    #[cfg(feature = "std")]
    if isa.has_vbmi() && amx::suits(isa, layout) {
        return true;
    }
    isa.has_vbmi() && avx512vnni::suits(isa, layout)
}

/// No variant of this architecture does.
#[cfg(not(target_arch = "x86_64"))]
fn looks_up(_: Isa, _: u32) -> bool {
    false
}

/// Convolves with a vector variant; false where there is none.
#[cfg(target_arch = "x86_64")]
fn run_fast(isa: Isa, params: &Params, operands: &Operands<'_>, pixels: &Pixels, y: &mut [i8]) -> bool {
    let channels = params.geometry.out_channels as usize;
    #[cfg(feature = "std")]
    if crate::columns::Columns::of_numbers(y, channels)
        .is_some_and(|mut y| apart::in_columns(isa, params, operands, pixels, &mut y))
    {
        return true;
    }
    avx512vnni::run(isa, params, operands, pixels, channels, y)
        || avxvnni::run(isa, params, operands, pixels, y)
        || avx2_bytes::run(isa, params, operands, pixels, y)
        || avx2::run(isa, params, operands, pixels, y)
        || avx2_stem::run(isa, params, operands, pixels, y)
        || avx2_winograd::run(isa, params, operands, pixels, y)
        || avx2_rows::run(isa, params, operands, pixels, y)
        || sse41::run(isa, params, operands, pixels, y)
        || sse41_stem::run(isa, params, operands, pixels, y)
        || sse41_winograd::run(isa, params, operands, pixels, y)
        || sse41_rows::run(isa, params, operands, pixels, y)
}

/// Convolves with a NEON variant; false where there is none.
#[cfg(target_arch = "aarch64")]
fn run_fast(isa: Isa, params: &Params, operands: &Operands<'_>, pixels: &Pixels, y: &mut [i8]) -> bool {
    neon::run(isa, params, operands, pixels, y) || neon_rows::run(isa, params, operands, pixels, y)
}

/// Convolves with the DSP variant; false where the core has not its instructions.
#[cfg(all(target_arch = "arm", feature = "dsp"))]
fn run_fast(isa: Isa, params: &Params, operands: &Operands<'_>, pixels: &Pixels, y: &mut [i8]) -> bool {
    #[cfg(feature = "helium")]
    if helium::run(isa, params, operands, pixels, y) {
        return true;
    }
    dsp::run(isa, params, operands, pixels, y)
}

/// No vector variant for this architecture.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64", all(target_arch = "arm", feature = "dsp"))))]
fn run_fast(_: Isa, _: &Params, _: &Operands<'_>, _: &Pixels, _: &mut [i8]) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{Samples, convolutions, cuts, each_tap, grouped_convolutions, pixels};
    use std::vec::Vec;

    /// The outputs from the definition, with weights in rows: sums in i64 (then wrapped), rounding in f64.
    fn exact(p: &Params, o: &Operands<'_>) -> Vec<i8> {
        let g = &p.geometry;
        let (inputs, outputs) = (g.group_inputs() as usize, g.group_outputs() as usize);
        let taps = (g.kernel_height * g.kernel_width) as usize;
        let mut all = Vec::new();
        for place in pixels(g.batch, g.out_height, g.out_width) {
            let mut pixel_of = std::vec![None; taps];
            each_tap(g, place, |tap, pixel| pixel_of[tap] = Some(pixel));
            for (c, (&bias, &multiplier)) in o.bias.iter().zip(o.multipliers).enumerate() {
                let mut sum = i64::from(bias);
                for (tap, pixel) in pixel_of.iter().enumerate() {
                    for i in 0..inputs {
                        let w = o.weights[(c * taps + tap) * inputs + i];
                        let place = |pixel| pixel * g.in_channels as usize + c / outputs * inputs + i;
                        let v = pixel.map_or(p.input_zero_point, |pixel| i32::from(o.x[place(pixel)]));
                        sum += i64::from(w) * i64::from(v);
                    }
                }
                all.push(crate::samples::requantized(sum as i32, multiplier, &p.output));
            }
        }
        all
    }

    /// A table that shows every mistake in its order.
    fn table() -> [i8; 256] {
        core::array::from_fn(|k| (k as i32 * 7 % 251 - 128) as i8)
    }

    fn battery(p: &Params, o: &Operands<'_>) {
        let (want, table) = (exact(p, o), table());
        let looked_up: Vec<i8> = want.iter().map(|&v| table[(i32::from(v) + 128) as usize]).collect();
        for (table, want) in [(None, &want), (Some(&table), &looked_up)] {
            every_variant(p, &Operands { table, ..*o }, want);
        }
    }

    fn every_variant(p: &Params, o: &Operands<'_>, want: &[i8]) {
        for isa in Isa::available() {
            for &layout in layouts(isa.level()) {
                let p = Params { layout, ..*p };
                let Some(len) = p.weights() else { continue };
                let mut packed = std::vec![77; len as usize];
                if !pack(&p.geometry, layout, o.weights, &mut packed) {
                    assert_eq!(layout, layout::WINOGRAD_4X4);
                    continue;
                }
                let mut y = std::vec![99; p.geometry.outputs().unwrap() as usize];
                let o = Operands { weights: &packed, ..*o };
                run(isa, &p, &o, &mut y);
                assert_eq!(y, want, "{:?} layout {layout} {p:?}", isa.level());
                let mut parts = std::vec![98; want.len()];
                for pixels in cuts(p.geometry.pixels().unwrap()) {
                    let place = |pixel: u32| pixel as usize * p.geometry.out_channels as usize;
                    run_pixels(isa, &p, &o, pixels.clone(), &mut parts[place(pixels.start)..place(pixels.end)]);
                }
                assert_eq!(parts, want, "in parts, {:?} {p:?}", isa.level());
            }
        }
    }

    fn params(geometry: Geometry) -> Params {
        let output = Output { zero_point: -11, low: -128, high: 127 };
        Params { geometry, input_zero_point: -3, output, layout: layout::ROWS }
    }

    #[test]
    fn every_variant_follows_the_definition() {
        // More channels than the vector variants' row of padding holds.
        let deep = [301, 512, 258].map(|in_channels| Geometry { in_channels, ..convolutions()[5] });
        // More inputs than a panel of the vector variants holds.
        let deeper = [Geometry { in_channels: 60_001, ..convolutions()[1] }];
        let size = Geometry { in_height: 3, in_width: 3, out_height: 3, out_width: 3, ..grouped_convolutions()[4] };
        // Large windows of several groups, and many weights.
        let deep_groups = [Geometry { in_channels: 1024, out_channels: 64, groups: 2, ..size }];
        let all = convolutions();
        let grouped = grouped_convolutions();
        for (k, g) in all.iter().chain(&grouped).chain(&deep).chain(&deeper).chain(&deep_groups).enumerate() {
            let mut samples = Samples::new(k as u64);
            let (x, w) = (samples.bytes(g.inputs().unwrap()), samples.bytes(g.weights().unwrap()));
            let bias: Vec<i32> = (0..g.out_channels).map(|_| samples.below(20_000) as i32 - 10_000).collect();
            let spread = 4000.0 * (g.weights().unwrap() as f32 / g.out_channels as f32).sqrt();
            let multipliers = samples.floats(g.out_channels as usize, 10.0 / spread, 200.0 / spread);
            let o = Operands { x: &x, weights: &w, bias: &bias, multipliers: &multipliers, table: None };
            battery(&params(*g), &o);
            let output = Output { zero_point: 127, low: -20, high: 99 };
            battery(&Params { input_zero_point: -128, output, ..params(*g) }, &o);
        }
    }

    #[test]
    fn extremes_are_exact_and_sums_wrap() {
        for g in convolutions().iter().chain(&grouped_convolutions()) {
            let channels = g.out_channels as usize;
            for (x, w, bias, multiplier) in [
                (-128, -128, 0, 1e-3),
                (-128, 127, 0, 1e-4),
                (127, -128, i32::MIN, 1e-8),
                (-128, -128, i32::MAX, 1e-8),
                (127, 127, 5, f32::INFINITY),
                (127, 127, 5, f32::NAN),
                (1, -1, 0, 0.5),
            ] {
                let (x, w) = (std::vec![x; g.inputs().unwrap() as usize], std::vec![w; g.weights().unwrap() as usize]);
                let (bias, multipliers) = (std::vec![bias; channels], std::vec![multiplier; channels]);
                let o = Operands { x: &x, weights: &w, bias: &bias, multipliers: &multipliers, table: None };
                battery(&Params { input_zero_point: 127, ..params(*g) }, &o);
            }
        }
    }

    /// Variants that take another way where no sum can reach 2^22, at and around the largest bias with which none can.
    #[test]
    fn sums_near_their_bounds_are_exact() {
        for g in convolutions() {
            let channels = g.out_channels as usize;
            let products = (g.weights().unwrap() / g.out_channels) as i32 * (1 << 14);
            for bias in [-1, 0, 1].map(|more| (1 << 22) - products + more).into_iter().filter(|&bias| bias > 0) {
                for (w, bias, multiplier) in
                    [(-128, bias, 0.5), (127, -bias, 0.5), (-128, bias, 2e-5), (127, -bias, 0.98)]
                {
                    let mut x = std::vec![-128; g.inputs().unwrap() as usize];
                    x.iter_mut().step_by(3).for_each(|x| *x = 1);
                    let w = std::vec![w; g.weights().unwrap() as usize];
                    let (bias, multipliers) = (std::vec![bias; channels], std::vec![multiplier; channels]);
                    let o = Operands { x: &x, weights: &w, bias: &bias, multipliers: &multipliers, table: None };
                    battery(&params(g), &o);
                    battery(&Params { output: Output { zero_point: -128, low: -100, high: 127 }, ..params(g) }, &o);
                }
            }
        }
    }

    /// Variants that look at the inputs take other ways for small, for some large and for large ones only.
    #[test]
    fn large_inputs_among_small_ones_are_exact() {
        let pixels = Geometry { in_channels: 76, out_channels: 40, ..convolutions()[5] };
        for g in
            [pixels, Geometry { in_channels: 76, in_height: 9, in_width: 8, out_height: 9, out_width: 8, ..pixels }]
        {
            for zero_point in [-128, -65, -64, -3, 63, 64, 127] {
                for one_in in [1, 2, 20, 200] {
                    let mut samples = Samples::new(one_in);
                    let (mut x, w) = (samples.bytes(g.inputs().unwrap()), samples.bytes(g.weights().unwrap()));
                    let small = |x: i8| (zero_point + i32::from(x) / 16).clamp(-128, 127) as i8;
                    x.iter_mut().filter(|_| samples.below(one_in as u32) != 0).for_each(|x| *x = small(*x));
                    let (bias, multipliers) = (std::vec![-3; 40], std::vec![3e-3; 40]);
                    let o = Operands { x: &x, weights: &w, bias: &bias, multipliers: &multipliers, table: None };
                    battery(&Params { input_zero_point: zero_point, ..params(g) }, &o);
                }
            }
        }
    }

    #[test]
    fn halves_are_rounded_to_even() {
        let g = convolutions()[0];
        for (x, want) in [(1, -11), (3, -9), (5, -9), (7, -7), (-1, -11), (-3, -13)] {
            let o = Operands { x: &[x], weights: &[1], bias: &[0], multipliers: &[0.5], table: None };
            assert_eq!(exact(&params(g), &o), [want]);
            battery(&params(g), &o);
        }
    }

    #[test]
    fn wrong_lengths_and_numbers_leave_the_output() {
        let p = params(convolutions()[4]);
        let o = Operands { x: &[1; 27], weights: &[1; 81], bias: &[0; 3], multipliers: &[1.0; 3], table: None };
        for isa in Isa::available() {
            let mut y = [7; 27];
            run(isa, &p, &Operands { x: &o.x[1..], ..o }, &mut y);
            run(isa, &p, &Operands { weights: &o.weights[1..], ..o }, &mut y);
            run(isa, &p, &Operands { bias: &o.bias[1..], ..o }, &mut y);
            run(isa, &p, &Operands { multipliers: &o.multipliers[1..], ..o }, &mut y);
            run(isa, &p, &o, &mut y[1..]);
            run(isa, &Params { layout: 99, ..p }, &o, &mut y);
            run(isa, &Params { input_zero_point: 128, ..p }, &o, &mut y);
            run(isa, &Params { output: Output { low: 4, high: 3, ..p.output }, ..p }, &o, &mut y);
            assert_eq!(y, [7; 27]);
            run(isa, &p, &o, &mut y);
            assert_eq!(y[13], 27 - 11);
        }
    }
}
