//! What the vector variants share: output pixels in tiles, and the stretches of input and weights that a tile multiplies.
//!
//! A tile is a few output pixels, wherever they lie, times a few blocks of 16 output channels. A tap that falls into the
//! padding reads zeros, so that all pixels of a tile take the same steps; where every tap of a kernel row lies inside,
//! its columns and channels are one stretch in NHWC as in the weights.

use super::Params;
use crate::round::bound;

/// Most elements of a stretch.
const LONGEST: usize = 256;

/// What padded taps read.
static ZEROS: [f32; LONGEST] = [0.0; LONGEST];

/// A convolution with its operands, whose lengths have been checked.
pub(super) struct Job<'a> {
    pub(super) params: &'a Params,
    pub(super) x: &'a [f32],
    pub(super) weights: &'a [f32],
    pub(super) bias: &'a [f32],
}

/// The sums of a pixel's block of 16 channels.
#[derive(Clone, Copy)]
#[repr(align(64))]
pub(super) struct Sum(pub(super) [f32; 16]);

/// The inner loop of a variant. A value of it is the proof that the CPU has what it needs.
pub(super) trait Multiply: Copy {
    /// `sums[p][b][lane] += Σ_k x[p][k] * weights[b][16 * k + lane]` over `len` elements; nothing where a slice is
    /// shorter.
    fn multiply<const P: usize, const B: usize>(
        self,
        sums: &mut [[Sum; B]; P],
        x: &[&[f32]; P],
        weights: &[&[f32]; B],
        len: usize,
    );
}

/// One output pixel.
#[derive(Clone, Copy, Default)]
pub(super) struct Pixel {
    /// First element of its image in x.
    image: usize,
    /// Input row of its first tap.
    row: i32,
    /// Input column of its first tap.
    column: i32,
    /// Its first element in y.
    output: usize,
}

/// A part of a kernel row: `len` products for every pixel and channel.
#[derive(Clone, Copy)]
struct Stretch {
    /// Kernel row.
    row: u32,
    /// Kernel column of its first element.
    column: u32,
    /// First element behind that tap's first channel.
    skip: usize,
    /// Elements.
    len: usize,
}

impl<'a> Job<'a> {
    /// Blocks of 16 output channels.
    pub(super) fn blocks(&self) -> usize {
        (self.params.geometry.out_channels as usize).div_ceil(16)
    }

    /// Output pixels of all images.
    pub(super) fn pixel_count(&self) -> usize {
        let g = &self.params.geometry;
        (g.batch as usize).wrapping_mul(g.out_height as usize).wrapping_mul(g.out_width as usize)
    }

    /// Every output pixel.
    fn pixels(&self) -> impl Iterator<Item = Pixel> + 'a {
        let g = self.params.geometry;
        let (rows, columns) = (g.rows(), g.columns());
        let image = [g.in_height, g.in_width, g.in_channels].iter().fold(1usize, |n, &d| n.wrapping_mul(d as usize));
        let places = (0..g.batch).flat_map(move |n| {
            (0..g.out_height).flat_map(move |r| (0..g.out_width).map(move |c| (n, rows.start(r), columns.start(c))))
        });
        let mut output = 0usize;
        places.map(move |(n, row, column)| {
            let pixel = Pixel { image: (n as usize).wrapping_mul(image), row, column, output };
            output = output.wrapping_add(g.out_channels as usize);
            pixel
        })
    }

    /// Kernel columns that are separate stretches, and elements of a kernel row's stretch.
    fn columns(&self, pixels: &[Pixel]) -> (u32, usize) {
        let g = &self.params.geometry;
        let inside = |p: &Pixel| p.column >= 0 && (p.column as u32).wrapping_add(g.kernel_width) <= g.in_width;
        let channels = g.in_channels as usize;
        if g.dilation_width == 1 && pixels.iter().all(inside) {
            (1, channels.wrapping_mul(g.kernel_width as usize))
        } else {
            (g.kernel_width, channels)
        }
    }

    /// What a pixel reads in a stretch: `len` elements.
    #[inline(always)]
    fn input(&self, pixel: &Pixel, s: &Stretch) -> &'a [f32] {
        let g = &self.params.geometry;
        let row = pixel.row.wrapping_add(s.row.wrapping_mul(g.dilation_height) as i32) as u32;
        let column = pixel.column.wrapping_add(s.column.wrapping_mul(g.dilation_width) as i32) as u32;
        if row >= g.in_height || column >= g.in_width {
            return ZEROS.get(..s.len).unwrap_or(&[]);
        }
        let place = (row as usize).wrapping_mul(g.in_width as usize).wrapping_add(column as usize);
        let start = place.wrapping_mul(g.in_channels as usize).wrapping_add(pixel.image).wrapping_add(s.skip);
        self.x.get(start..start.wrapping_add(s.len)).unwrap_or(&[])
    }

    /// The weights of a block of 16 channels in a stretch: `16 * len` elements.
    #[inline(always)]
    fn block(&self, block: usize, s: &Stretch) -> &'a [f32] {
        let g = &self.params.geometry;
        let row = block.wrapping_mul(g.kernel_height as usize).wrapping_add(s.row as usize);
        let tap = row.wrapping_mul(g.kernel_width as usize).wrapping_add(s.column as usize);
        let start = tap.wrapping_mul(g.in_channels as usize).wrapping_add(s.skip).wrapping_mul(16);
        self.weights.get(start..start.wrapping_add(s.len.wrapping_mul(16))).unwrap_or(&[])
    }

    /// The bias of a block, zero behind the last channel.
    fn bias(&self, block: usize) -> Sum {
        let mut all = Sum([0.0; 16]);
        let bias = self.bias.get(block.wrapping_mul(16)..).unwrap_or(&[]);
        for (to, &from) in all.0.iter_mut().zip(bias) {
            *to = from;
        }
        all
    }

    /// Clamps the sum of a pixel's block and stores it: 16 elements, fewer in the last block.
    fn store(&self, y: &mut [f32], pixel: &Pixel, block: usize, sum: &Sum) {
        let first = block.wrapping_mul(16);
        let count = (self.params.geometry.out_channels as usize).saturating_sub(first).min(16);
        let start = pixel.output.wrapping_add(first);
        let sum = sum.0.map(|v| bound(v, self.params.low, self.params.high));
        match y.get_mut(start..start.wrapping_add(count)) {
            Some(y) if count == 16 => y.iter_mut().zip(sum.iter().take(16)).for_each(|(to, from)| *to = *from),
            Some(y) => y.iter_mut().zip(&sum).for_each(|(to, from)| *to = *from),
            None => {}
        }
    }

    /// All pixels of `B` blocks of channels from `block` on, in tiles of `P`; gives `B`.
    pub(super) fn strip<const P: usize, const B: usize>(&self, v: impl Multiply, block: usize, y: &mut [f32]) -> usize {
        let mut pixels = self.pixels();
        loop {
            let mut all = [Pixel::default(); P];
            match fill(&mut all, &mut pixels) {
                0 => return B,
                // A few last pixels are cheaper one by one.
                few if few.wrapping_mul(3) <= P => {
                    all.iter().take(few).for_each(|pixel| self.tile::<1, B>(v, block, &[*pixel], 1, y));
                }
                count => self.tile::<P, B>(v, block, &all, count, y),
            }
        }
    }

    /// `P` pixels, of which the first `count` are stored, of `B` blocks of channels.
    fn tile<const P: usize, const B: usize>(
        &self,
        v: impl Multiply,
        block: usize,
        pixels: &[Pixel; P],
        count: usize,
        y: &mut [f32],
    ) {
        let mut sums = [[Sum([0.0; 16]); B]; P];
        for (b, block) in (block..block.wrapping_add(B)).enumerate() {
            let bias = self.bias(block);
            sums.iter_mut().filter_map(|sums| sums.get_mut(b)).for_each(|sum| *sum = bias);
        }
        let (columns, len) = self.columns(pixels);
        for row in 0..self.params.geometry.kernel_height {
            for column in 0..columns {
                for skip in (0..len).step_by(LONGEST) {
                    let stretch = Stretch { row, column, skip, len: len.wrapping_sub(skip).min(LONGEST) };
                    let x = pixels.each_ref().map(|pixel| self.input(pixel, &stretch));
                    let weights = core::array::from_fn(|b| self.block(block.wrapping_add(b), &stretch));
                    v.multiply::<P, B>(&mut sums, &x, &weights, stretch.len);
                }
            }
        }
        for (pixel, sums) in pixels.iter().zip(&sums).take(count) {
            for (block, sum) in (block..block.wrapping_add(B)).zip(sums) {
                self.store(y, pixel, block, sum);
            }
        }
    }
}

/// Fills a tile from the front and repeats its last pixel; the number of pixels that are real.
fn fill<const P: usize>(tile: &mut [Pixel; P], pixels: &mut impl Iterator<Item = Pixel>) -> usize {
    let (mut count, mut last) = (0usize, Pixel::default());
    for slot in tile {
        if let Some(pixel) = pixels.next() {
            (last, count) = (pixel, count.wrapping_add(1));
        }
        *slot = last;
    }
    count
}
