//! What the vector variants share: the walk over O16I4 weights and the places of the input pixels beside them.

use super::{Operands, Params};
use crate::windows::{Window, Windows};

/// A convolution whose operands fit, with weights in O16I4.
pub(super) struct Job<'a> {
    pub(super) params: &'a Params,
    pub(super) operands: &'a Operands<'a>,
    /// Bytes of weights from one block of 16 channels to the next.
    pub(super) block_bytes: usize,
    /// Bytes of weights from tap to tap.
    tap_bytes: usize,
    /// Whole groups of 4 input channels, and the channels after them.
    fours: usize,
    rest: usize,
    /// A row of padding, as long as the longest stretch of it.
    padding: [i8; PADDING],
    pub(super) windows: Windows,
}

/// Channels of the row of padding.
const PADDING: usize = 256;

/// A stretch of weights and of input that meet in order: for every step 4 channels of every pixel times 64 weights of every
/// block.
pub(super) struct Stretch<'a, const P: usize> {
    /// Weights of the first block, from where they are read.
    pub(super) weights: usize,
    /// The pixels' channels, `4 * steps` of each.
    pub(super) x: [&'a [i8]; P],
    /// How many steps.
    pub(super) steps: usize,
}

impl<'a> Job<'a> {
    pub(super) fn new(params: &'a Params, operands: &'a Operands<'a>) -> Self {
        let g = &params.geometry;
        let inputs = g.in_channels as usize;
        let tap_bytes = inputs.div_ceil(4).wrapping_mul(64);
        let taps = (g.kernel_height as usize).wrapping_mul(g.kernel_width as usize);
        Self {
            params,
            operands,
            block_bytes: taps.wrapping_mul(tap_bytes),
            tap_bytes,
            fours: inputs >> 2,
            rest: inputs & 3,
            padding: [params.input_zero_point as i8; PADDING],
            windows: Windows::new(g.rows(), g.columns(), g.in_channels),
        }
    }

    /// Output pixels.
    pub(super) fn pixels(&self) -> usize {
        let g = &self.params.geometry;
        (g.batch as usize).wrapping_mul(g.out_height as usize).wrapping_mul(g.out_width as usize)
    }

    /// Blocks of 16 output channels.
    pub(super) fn blocks(&self) -> usize {
        (self.params.geometry.out_channels as usize).div_ceil(16)
    }

    /// Calls `each` with every stretch of the windows' taps.
    #[inline(always)]
    pub(super) fn stretches<const P: usize>(&self, windows: &[Window; P], mut each: impl FnMut(&Stretch<'_, P>)) {
        if !self.inner(windows, &mut each) {
            self.border(windows, &mut each);
        }
    }

    /// The stretches of windows that all lie inside the input: whole rows of taps where these are dense. Where channels are
    /// left over, the last step reads on into what follows in the input, and meets weights of zero.
    #[inline(always)]
    fn inner<const P: usize>(&self, windows: &[Window; P], each: &mut impl FnMut(&Stretch<'_, P>)) -> bool {
        let (g, x) = (&self.params.geometry, self.operands.x);
        let dense = self.rest == 0 && g.dilation_width == 1;
        let steps = self.fours.wrapping_add(usize::from(self.rest != 0));
        let (runs, steps) =
            if dense { (1, steps.wrapping_mul(g.kernel_width as usize)) } else { (g.kernel_width, steps) };
        let last = self.windows.distance(g.kernel_height.wrapping_sub(1), runs.wrapping_sub(1)).cast_unsigned();
        let end = last.wrapping_add(steps.wrapping_mul(4));
        let fits = |w: &Window| w.inner && w.start.cast_unsigned().wrapping_add(end) <= x.len();
        if !windows.iter().all(fits) {
            return false;
        }
        let mut weights = 0usize;
        for kh in 0..g.kernel_height {
            for run in 0..runs {
                let distance = self.windows.distance(kh, run);
                let pixels = windows.map(|window| {
                    let start = window.start.wrapping_add(distance).cast_unsigned();
                    x.get(start..start.wrapping_add(steps.wrapping_mul(4))).unwrap_or(&[])
                });
                each(&Stretch { weights, x: pixels, steps });
                weights = weights.wrapping_add(steps.wrapping_mul(64));
            }
        }
        true
    }

    /// The stretches of windows of which some lie partly in the padding.
    #[inline(always)]
    fn border<const P: usize>(&self, windows: &[Window; P], each: &mut impl FnMut(&Stretch<'_, P>)) {
        let (g, x) = (&self.params.geometry, self.operands.x);
        let mut tap_weights = 0usize;
        for kh in 0..g.kernel_height {
            for kw in 0..g.kernel_width {
                let places = windows.map(|window| self.windows.tap(&window, kh, kw));
                let mut done = 0usize;
                while done < self.fours {
                    let steps = self.fours.wrapping_sub(done).min(PADDING / 4);
                    let pixels = places.map(|place| {
                        let start = place.map(|place| place.wrapping_add(done.wrapping_mul(4)));
                        self.channels(x, start, steps.wrapping_mul(4))
                    });
                    let weights = tap_weights.wrapping_add(done.wrapping_mul(64));
                    each(&Stretch { weights, x: pixels, steps });
                    done = done.wrapping_add(steps);
                }
                if self.rest != 0 {
                    let whole = self.fours.wrapping_mul(4);
                    let words = places.map(|place| self.rest_of(x, place.map(|place| place.wrapping_add(whole))));
                    let weights = tap_weights.wrapping_add(self.fours.wrapping_mul(64));
                    each(&Stretch { weights, x: words.each_ref().map(|word| &word[..]), steps: 1 });
                }
                tap_weights = tap_weights.wrapping_add(self.tap_bytes);
            }
        }
    }

    /// `len` channels (at most [`PADDING`]) from `start`, or of padding.
    #[inline(always)]
    fn channels<'s>(&'s self, x: &'s [i8], start: Option<usize>, len: usize) -> &'s [i8] {
        let inside = start.and_then(|start| x.get(start..start.wrapping_add(len)));
        inside.or(self.padding.get(..len)).unwrap_or(&[])
    }

    /// The channels after the last whole four, from `start` or of padding; those beyond meet weights of zero.
    #[inline(always)]
    fn rest_of(&self, x: &[i8], start: Option<usize>) -> [i8; 4] {
        let mut word = [0; 4];
        for (to, &from) in word.iter_mut().zip(self.channels(x, start, self.rest)) {
            *to = from;
        }
        word
    }
}
