//! Fewer channels than a vector holds: the rows that some pixels of a line see are copied, with their padding, to pixels of 16
//! channels, which the variants for AVX2 and SSE4.1 convolve.

use super::{Operands, Params, avx2, avx2_runs, sse41};
use crate::geometry::Geometry;
use crate::pixels::{Pixels, place};
use crate::{Isa, Level};

/// Channels of a vector.
const LANES: usize = 16;
/// Most pixels of the copy, all rows together.
const COPIED: usize = 1024;
/// Most outputs of a copy.
const OUTPUTS: usize = 256;
/// Most taps of a kernel.
const TAPS: usize = 128;

/// Convolves; false where the CPU has none of the instruction sets, there are enough channels for its variants, or the kernel
/// is too large.
pub(super) fn run(isa: Isa, params: &Params, operands: &Operands<'_>, pixels: &Pixels, y: &mut [i8]) -> bool {
    let enough = if isa.level() < Level::Avx2 { 8 } else { LANES as u32 };
    if isa.level() < Level::Sse41 || params.geometry.out_channels >= enough {
        return false;
    }
    macro_rules! by_channels {
        ($($channels:literal)*) => {
            match params.geometry.out_channels {
                $($channels => all::<$channels>(isa, params, operands, pixels, y).is_some(),)*
                _ => false,
            }
        };
    }
    by_channels!(1 2 3 4 5 6 7 8 9 10 11 12 13 14 15)
}

/// All pixels of `C` channels; `None`, before anything is written, where the kernel is too large.
fn all<const C: usize>(
    isa: Isa,
    params: &Params,
    operands: &Operands<'_>,
    pixels: &Pixels,
    y: &mut [i8],
) -> Option<()> {
    let (g, zero) = (&params.geometry, [params.input_zero_point as i8; LANES]);
    let most = most_outputs(g)?;
    let wide = Wide::<C>::new(operands, g)?;
    let (mut copy, mut out) = ([zero; COPIED], [[0; LANES]; OUTPUTS]);
    let (mut pixel, mut y) = (pixels.start, y.as_chunks_mut::<C>().0.iter_mut());
    while pixel < pixels.end {
        let [image, row, column] = place(pixel, g.out_height, g.out_width);
        let count = g.out_width.wrapping_sub(column).min(pixels.end.wrapping_sub(pixel)).min(most).max(1);
        let width = span(g, count);
        let rows = crate::rows::rows_mut(&mut copy, width as usize);
        for (to, kh) in rows.zip(0..g.kernel_height) {
            let row = g.rows().start(row).wrapping_add(kh.wrapping_mul(g.dilation_height) as i32).cast_unsigned();
            let line = (image as usize).wrapping_mul(g.in_height as usize).wrapping_add(row as usize);
            let start = line.wrapping_mul(g.in_width as usize);
            let line = operands.x.as_chunks::<C>().0.get(start..start.wrapping_add(g.in_width as usize));
            widen(line.filter(|_| row < g.in_height).unwrap_or(&[]), g.columns().start(column), &zero, to);
        }
        let part = Params { geometry: part(g, width, count), ..*params };
        let length = (g.kernel_height as usize).wrapping_mul(width as usize);
        let operands = wide.operands(copy.get(..length)?);
        let out = out.get_mut(..count as usize)?;
        let (pixels, out_bytes) = (0..count, out.as_flattened_mut());
        let _ = avx2_runs::run(isa, &part, &operands, &pixels, out_bytes)
            || avx2::run(isa, &part, &operands, &pixels, out_bytes)
            || sse41::run(isa, &part, &operands, &pixels, out_bytes);
        for (out, y) in out.iter().zip(&mut y) {
            *y = *out.first_chunk::<C>()?;
        }
        pixel = pixel.wrapping_add(count);
    }
    Some(())
}

/// Columns of input that `count` outputs of a line see.
fn span(g: &Geometry, count: u32) -> u32 {
    let reach = g.kernel_width.wrapping_sub(1).wrapping_mul(g.dilation_width);
    count.wrapping_sub(1).wrapping_mul(g.stride_width).wrapping_add(reach).wrapping_add(1)
}

/// Most outputs of a line for whose inputs there is room; `None` where there is none for one.
fn most_outputs(g: &Geometry) -> Option<u32> {
    let columns = (COPIED as u32).checked_div(g.kernel_height)?;
    let more = columns.checked_sub(span(g, 1))?.checked_div(g.stride_width)?;
    Some(more.wrapping_add(1).min(OUTPUTS as u32))
}

/// The convolution of a copy: one line of outputs, and no padding.
fn part(g: &Geometry, width: u32, count: u32) -> Geometry {
    Geometry {
        batch: 1,
        in_height: g.kernel_height,
        in_width: width,
        in_channels: LANES as u32,
        out_height: 1,
        out_width: count,
        out_channels: LANES as u32,
        stride_height: 1,
        dilation_height: 1,
        pad_top: 0,
        pad_left: 0,
        groups: LANES as u32,
        ..*g
    }
}

/// Copies the pixels of a line from number `first` on; where there are none, the padding.
fn widen<const C: usize>(line: &[[i8; C]], first: i32, zero: &[i8; LANES], to: &mut [[i8; LANES]]) {
    let before = first.min(0).unsigned_abs() as usize;
    let mut from = line.iter().skip(first.max(0) as usize);
    for (k, to) in to.iter_mut().enumerate() {
        match if k < before { None } else { from.next() } {
            Some(from) => {
                if let Some(to) = to.first_chunk_mut::<C>() {
                    *to = *from;
                }
            }
            None => *to = *zero,
        }
    }
}

/// Weights, bias and multipliers for 16 channels; those that do not exist are zero.
struct Wide<const C: usize> {
    weights: [[i8; LANES]; TAPS],
    taps: usize,
    bias: [i32; LANES],
    multipliers: [f32; LANES],
}

impl<const C: usize> Wide<C> {
    fn new(operands: &Operands<'_>, g: &Geometry) -> Option<Self> {
        let taps = (g.kernel_height as usize).checked_mul(g.kernel_width as usize).filter(|&taps| taps <= TAPS)?;
        let mut wide = Self { weights: [[0; LANES]; TAPS], taps, bias: [0; LANES], multipliers: [0.0; LANES] };
        for (to, from) in wide.weights.iter_mut().zip(operands.weights.as_chunks::<C>().0) {
            *to.first_chunk_mut::<C>()? = *from;
        }
        *wide.bias.first_chunk_mut::<C>()? = *operands.bias.first_chunk()?;
        *wide.multipliers.first_chunk_mut::<C>()? = *operands.multipliers.first_chunk()?;
        Some(wide)
    }

    /// The operands of a copy.
    fn operands<'a>(&'a self, x: &'a [[i8; LANES]]) -> Operands<'a> {
        let weights = self.weights.get(..self.taps).unwrap_or_default().as_flattened();
        Operands { x: x.as_flattened(), weights, bias: &self.bias, multipliers: &self.multipliers, table: None }
    }
}
