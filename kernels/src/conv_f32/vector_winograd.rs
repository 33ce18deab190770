//! Winograd's F(2x2, 3x3) in vectors: tiles of four outputs, six tiles times two vectors of channels in registers.
#![allow(unsafe_code)] // Loads and stores of vectors.

use core::mem::MaybeUninit;
use core::ops::Range;

use super::winograd::INPUTS;
use super::{Operands, Params};
use crate::simd::{Body, Kernel, Simd};
use crate::winograd::{POSITIONS, TILES, Tile, Tiles};

/// Most elements of a panel's row: the channels, and no power of two, so that rows do not fall into one set of the cache.
const PITCH: usize = INPUTS as usize + 16;

/// The transformed inputs `[16 positions][TILES][pitch]`, and the inputs of a tile at a border `[16][pitch]`.
struct Memory {
    panel: [MaybeUninit<f32>; POSITIONS * TILES * PITCH],
    border: [f32; POSITIONS * PITCH],
}

/// Output pixels and the part of y that holds them; weights are transformed.
pub(super) struct Convolution<'a, 'y> {
    pub(super) params: &'a Params,
    pub(super) operands: &'a Operands<'a>,
    pub(super) weights: &'a [f32],
    pub(super) pixels: Range<u32>,
    pub(super) y: &'y mut [f32],
}

impl Kernel for Convolution<'_, '_> {
    fn run<S: Simd>(self, simd: S) {
        let Self { params, operands, weights, pixels, y } = self;
        let memory =
            &mut Memory { panel: [MaybeUninit::uninit(); POSITIONS * TILES * PITCH], border: [0.0; POSITIONS * PITCH] };
        let inputs = params.geometry.in_channels as usize;
        let pitch = inputs.next_multiple_of(16).wrapping_add(16);
        let work = Work { params, operands, weights, inputs, pitch };
        let mut tiles = Tiles::<2>::new(&params.geometry, pixels);
        loop {
            let mut group = [Tile::<2>::default(); TILES];
            let mut count = 0;
            for (to, tile) in group.iter_mut().zip(&mut tiles) {
                (*to, count) = (tile, count + 1);
            }
            let Some(group) = group.get(..count).filter(|group| !group.is_empty()) else { return };
            simd.enter(Transform { work, group, memory });
            let channels = params.geometry.out_channels as usize;
            let vectors = channels.div_ceil(S::LANES);
            let mut first = 0;
            // Rows of the panel beyond the last tile hold what an earlier one left, or were never asked for.
            while first < vectors {
                let channel = first.wrapping_mul(S::LANES);
                let to = Place { channel, tiles: &tiles, y };
                match (count, vectors.wrapping_sub(first) > 1) {
                    (5.., true) => simd.enter(Outputs::<6, 2> { work, group, memory, to }),
                    (5.., false) => simd.enter(Outputs::<6, 1> { work, group, memory, to }),
                    (3.., true) => simd.enter(Outputs::<4, 2> { work, group, memory, to }),
                    (3.., false) => simd.enter(Outputs::<4, 1> { work, group, memory, to }),
                    (_, true) => simd.enter(Outputs::<2, 2> { work, group, memory, to }),
                    (_, false) => simd.enter(Outputs::<2, 1> { work, group, memory, to }),
                }
                first = first.wrapping_add(2);
            }
        }
    }
}

#[derive(Clone, Copy)]
struct Work<'a> {
    params: &'a Params,
    operands: &'a Operands<'a>,
    weights: &'a [f32],
    inputs: usize,
    /// Elements from row to row of the panel.
    pitch: usize,
}

/// Transforms the inputs of a group, a tile into a row of every position's panel.
struct Transform<'a> {
    work: Work<'a>,
    group: &'a [Tile<2>],
    memory: &'a mut Memory,
}

impl Body for Transform<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { work, group, memory } = self;
        let (g, x, position) = (&work.params.geometry, work.operands.x, work.pitch.wrapping_mul(TILES));
        for (k, tile) in group.iter().enumerate() {
            let to = memory.panel.as_mut_ptr().cast::<f32>().wrapping_add(k.wrapping_mul(work.pitch));
            if let Some(x) = tile.inside(g, x, S::LANES.wrapping_sub(1)) {
                let line = (g.in_width as usize).wrapping_mul(work.inputs);
                // SAFETY: the slice reaches as far as the last vector of the last input, the panel holds the row.
                unsafe { transform(simd, x.as_ptr(), line, work.inputs, work.inputs, to, position) };
            } else {
                tile.gather(g, x, 0.0, work.pitch, &mut memory.border);
                let line = work.pitch.wrapping_mul(4);
                // SAFETY: the border holds 16 rows of `pitch` inputs, the panel holds the row.
                unsafe { transform(simd, memory.border.as_ptr(), line, work.pitch, work.inputs, to, position) };
            }
        }
    }
}

/// Transforms 4x4 pixels of `inputs` channels, `line` and `pixel` apart, into 16 rows that are `position` apart.
///
/// # Safety
/// Every pixel can be read, and every row written, up to the next multiple of the lanes.
#[inline(always)]
unsafe fn transform<S: Simd>(
    simd: S,
    x: *const f32,
    line: usize,
    pixel: usize,
    inputs: usize,
    to: *mut f32,
    position: usize,
) {
    let mut channel = 0;
    while channel < inputs {
        let (x, to) = (x.wrapping_add(channel), to.wrapping_add(channel));
        let mut columns = [[simd.splat(0.0); 4]; 4];
        for (c, column) in columns.iter_mut().enumerate() {
            let mut d = [simd.splat(0.0); 4];
            for (r, d) in d.iter_mut().enumerate() {
                let x = x.wrapping_add(r.wrapping_mul(line)).wrapping_add(c.wrapping_mul(pixel));
                // SAFETY: the caller's promise.
                *d = unsafe { simd.load(x) };
            }
            *column = differences(simd, d);
        }
        let [a, b, c, d] = columns;
        let mut place = to;
        for (((a, b), c), d) in a.into_iter().zip(b).zip(c).zip(d) {
            for value in differences(simd, [a, b, c, d]) {
                // SAFETY: the caller's promise.
                unsafe { simd.store(place, value) };
                place = place.wrapping_add(position);
            }
        }
        channel = channel.wrapping_add(S::LANES);
    }
}

/// The transform of four inputs.
#[inline(always)]
fn differences<S: Simd>(simd: S, [a, b, c, d]: [S::F32; 4]) -> [S::F32; 4] {
    [simd.sub(a, c), simd.add(b, c), simd.sub(c, b), simd.sub(b, d)]
}

/// Where outputs go: the channels from `channel` on.
struct Place<'a, 'y> {
    channel: usize,
    tiles: &'a Tiles<'a, 2>,
    y: &'y mut [f32],
}

/// `C` vectors of channels of the tiles of a group, the panel of which has `P` rows at least.
struct Outputs<'a, 'y, const P: usize, const C: usize> {
    work: Work<'a>,
    group: &'a [Tile<2>],
    memory: &'a Memory,
    to: Place<'a, 'y>,
}

impl<const P: usize, const C: usize> Body for Outputs<'_, '_, P, C> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { work, group, memory, to } = self;
        let block = work.inputs.wrapping_mul(POSITIONS * 16);
        let mut weights = [core::ptr::null::<f32>(); C];
        for (c, from) in weights.iter_mut().enumerate() {
            let channel = to.channel.wrapping_add(c.wrapping_mul(S::LANES));
            let start = (channel >> 4).wrapping_mul(block);
            let Some(whole) = work.weights.get(start..start.wrapping_add(block)) else { return };
            *from = whole.as_ptr().wrapping_add(channel & 15);
        }
        let mut sums = [[[simd.splat(0.0); C]; P]; POSITIONS];
        let mut x = memory.panel.as_ptr().cast::<f32>();
        for sums in &mut sums {
            // SAFETY: the panel holds TILES rows of so many inputs, a block of weights 16 for each of them.
            *sums = unsafe { add::<S, P, C>(simd, (x, work.pitch), weights, work.inputs) };
            x = x.wrapping_add(work.pitch.wrapping_mul(TILES));
            weights = weights.map(|w| w.wrapping_add(work.inputs.wrapping_mul(16)));
        }
        let params = work.params;
        let (channels, bias) = (params.geometry.out_channels as usize, work.operands.bias);
        for (k, tile) in group.iter().enumerate() {
            for c in 0..C {
                let at = |position: usize| {
                    let sums = sums.get(position).and_then(|tiles| tiles.get(k)).and_then(|sums| sums.get(c));
                    sums.copied().unwrap_or(simd.splat(0.0))
                };
                let first = to.channel.wrapping_add(c.wrapping_mul(S::LANES));
                let bias = bias.get(first..).unwrap_or_default();
                // SAFETY: as many elements are loaded as there are.
                let bias = unsafe { simd.load_first(bias.as_ptr(), bias.len()) };
                for (row, line) in lines(simd, at).into_iter().enumerate() {
                    let (place, column, count) = to.tiles.outputs(tile, row as u32);
                    let outputs = pair(simd, line).into_iter().skip(column as usize).take(count as usize);
                    for (sum, pixel) in outputs.zip(place..) {
                        let v = simd.add(sum, bias);
                        let v = simd.min(simd.splat(params.high), simd.max(simd.splat(params.low), v));
                        let start = pixel.wrapping_mul(channels);
                        let Some(y) = to.y.get_mut(start.wrapping_add(first)..start.wrapping_add(channels)) else {
                            continue;
                        };
                        if y.len() >= S::LANES {
                            // SAFETY: the slice holds a vector.
                            unsafe { simd.store(y.as_mut_ptr(), v) };
                        } else {
                            // SAFETY: as many elements are stored as there are.
                            unsafe { simd.store_first(y.as_mut_ptr(), y.len(), v) };
                        }
                    }
                }
            }
        }
    }
}

/// The sums of `steps` inputs times weights, of `P` rows and `C` vectors of channels.
///
/// # Safety
/// There are `P` rows of as many inputs at `x`, `pitch` apart, and 16 weights for each of them.
#[inline(always)]
unsafe fn add<S: Simd, const P: usize, const C: usize>(
    simd: S,
    (x, pitch): (*const f32, usize),
    weights: [*const f32; C],
    steps: usize,
) -> [[S::F32; C]; P] {
    let mut sums = [[simd.splat(0.0); C]; P];
    for k in 0..steps {
        let mut w = [simd.splat(0.0); C];
        for (w, from) in w.iter_mut().zip(weights) {
            // SAFETY: the caller's promise.
            *w = unsafe { simd.load(from.wrapping_add(k.wrapping_mul(16))) };
        }
        for (p, sums) in sums.iter_mut().enumerate() {
            // SAFETY: the caller's promise.
            let x = simd.splat(unsafe { *x.wrapping_add(p.wrapping_mul(pitch)).wrapping_add(k) });
            for (sum, &w) in sums.iter_mut().zip(&w) {
                *sum = simd.fma(x, w, *sum);
            }
        }
    }
    sums
}

/// The sums of both rows of a tile before their columns are put together.
#[inline(always)]
fn lines<S: Simd>(simd: S, at: impl Fn(usize) -> S::F32) -> [[S::F32; 4]; 2] {
    let mut lines = [[simd.splat(0.0); 4]; 2];
    let [one, other] = &mut lines;
    for (c, (one, other)) in one.iter_mut().zip(other).enumerate() {
        let column = [0, 4, 8, 12].map(|row: usize| at(row.wrapping_add(c)));
        [*one, *other] = pair(simd, column);
    }
    lines
}

/// Two outputs from four sums.
#[inline(always)]
fn pair<S: Simd>(simd: S, [a, b, c, d]: [S::F32; 4]) -> [S::F32; 2] {
    [simd.add(a, simd.add(b, c)), simd.sub(simd.sub(b, c), d)]
}
