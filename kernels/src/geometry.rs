//! The geometry of windows that slide over rows and columns, shared by convolutions and pools.

use core::ops::Range;

/// Windows along one axis: output `o` sees the input positions `o * stride - pad + tap * dilation`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Axis {
    /// Input positions.
    pub input: u32,
    /// Output positions.
    pub output: u32,
    /// Taps of a window.
    pub kernel: u32,
    /// Distance from window to window.
    pub stride: u32,
    /// Distance from tap to tap.
    pub dilation: u32,
    /// Padding before the first input position.
    pub pad: u32,
}

/// Largest number that this module lets a size or a position reach, so that `i32` holds every one of them.
const LARGEST: u32 = i32::MAX as u32;

/// Whether `n` exists and stays within [`LARGEST`].
fn small(n: Option<u32>) -> bool {
    n.is_some_and(|n| n <= LARGEST)
}

/// The product of sizes, where every size and the product stay within `i32`.
fn product(sizes: &[u32]) -> Option<u32> {
    let n = sizes.iter().try_fold(1u32, |n, &d| n.checked_mul(d))?;
    (n <= LARGEST).then_some(n)
}

impl Axis {
    /// Whether no size is zero and no position leaves `i32`.
    pub fn check(&self) -> bool {
        let sizes = [self.input, self.output, self.kernel, self.stride, self.dilation];
        let Some(extent) = self.extent() else { return false };
        let last = self.output.wrapping_sub(1).checked_mul(self.stride).and_then(|n| n.checked_add(extent));
        sizes.iter().all(|&n| n >= 1) && small(last) && small(self.input.checked_add(self.pad))
    }

    /// As [`Axis::check`], for a transposed convolution: input `i` reaches the outputs `i * stride - pad + tap * dilation`.
    pub fn check_transposed(&self) -> bool {
        Self { input: self.output, output: self.input, ..*self }.check()
    }

    /// Positions from the first tap of a window to its last, both counted.
    fn extent(&self) -> Option<u32> {
        self.kernel.checked_sub(1)?.checked_mul(self.dilation)?.checked_add(1)
    }

    /// The input position of the first tap of window `out`; negative within the padding.
    #[inline(always)]
    pub fn start(&self, out: u32) -> i32 {
        (out.wrapping_mul(self.stride) as i32).wrapping_sub(self.pad as i32)
    }

    /// The taps of window `out` that lie inside the input, which may be none.
    #[inline]
    pub fn taps(&self, out: u32) -> Range<u32> {
        let start = self.start(out);
        let first = self.taps_below(start, 0);
        let end = self.taps_below(start, self.input);
        first..end
    }

    /// How many taps of window `out` lie inside the input or in the padding, of which `pad_end` positions follow the
    /// input.
    #[inline]
    pub fn taps_with_padding(&self, out: u32, pad_end: u32) -> u32 {
        self.taps_below(self.start(out), self.input.saturating_add(pad_end).min(LARGEST.saturating_sub(self.pad)))
    }

    /// The first and the end of the outputs whose windows lie wholly inside the input.
    #[inline]
    pub fn inner(&self) -> Range<u32> {
        let reach = self.extent().unwrap_or(0).wrapping_sub(1);
        let first = self.pad.div_ceil_checked(self.stride).min(self.output);
        // o * stride - pad + reach <= input - 1
        let room = self.input.wrapping_add(self.pad).checked_sub(reach.wrapping_add(1));
        let end = room.map_or(0, |room| room.checked_div(self.stride).unwrap_or(0).wrapping_add(1)).min(self.output);
        first..end.max(first)
    }

    /// The input position of `tap` in window `out`, for a tap of [`Axis::taps`].
    #[inline(always)]
    pub fn position(&self, out: u32, tap: u32) -> usize {
        self.start(out).wrapping_add(tap.wrapping_mul(self.dilation) as i32) as usize
    }

    /// In a transposed convolution: the input position that reaches output `out` through `tap`, where there is one.
    #[inline]
    pub fn source(&self, out: u32, tap: u32) -> Option<u32> {
        let distance = out.checked_add(self.pad)?.checked_sub(tap.checked_mul(self.dilation)?)?;
        let position = distance.checked_div(self.stride)?;
        (position.wrapping_mul(self.stride) == distance && position < self.input).then_some(position)
    }

    /// As [`Axis::source`], whether or not the position lies inside: the next output that the same tap reaches, `stride`
    /// further, is reached from the next position.
    #[inline]
    pub fn reached_from(&self, out: u32, tap: u32) -> Option<i32> {
        let distance = out.wrapping_add(self.pad).wrapping_sub(tap.wrapping_mul(self.dilation)) as i32;
        let stride = self.stride as i32;
        let position = distance.checked_div_euclid(stride)?;
        (position.wrapping_mul(stride) == distance).then_some(position)
    }

    /// How many taps of a window that starts at `start` lie before position `end`.
    #[inline]
    fn taps_below(&self, start: i32, end: u32) -> u32 {
        match (end as i32).wrapping_sub(start) {
            distance @ 1.. => (distance as u32).div_ceil_checked(self.dilation).min(self.kernel),
            _ => 0,
        }
    }
}

/// Rounded-up division without a panic: a zero divisor gives zero.
trait DivCeilChecked {
    fn div_ceil_checked(self, by: u32) -> u32;
}

impl DivCeilChecked for u32 {
    #[inline(always)]
    fn div_ceil_checked(self, by: u32) -> u32 {
        // Not `(self + by - 1) / by`, whose sum may not fit.
        let whole = self.checked_sub(1).and_then(|n| n.checked_div(by));
        whole.map_or(0, |n| n.wrapping_add(1))
    }
}

/// The geometry of a convolution: input `[batch, in_height, in_width, in_channels]`, output `[batch, out_height,
/// out_width, out_channels]`, NHWC.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Geometry {
    /// N.
    pub batch: u32,
    /// Input rows.
    pub in_height: u32,
    /// Input columns.
    pub in_width: u32,
    /// Input channels.
    pub in_channels: u32,
    /// Output rows.
    pub out_height: u32,
    /// Output columns.
    pub out_width: u32,
    /// Output channels.
    pub out_channels: u32,
    /// Kernel rows.
    pub kernel_height: u32,
    /// Kernel columns.
    pub kernel_width: u32,
    /// Rows from window to window.
    pub stride_height: u32,
    /// Columns from window to window.
    pub stride_width: u32,
    /// Rows from tap to tap.
    pub dilation_height: u32,
    /// Columns from tap to tap.
    pub dilation_width: u32,
    /// Rows of padding before the first.
    pub pad_top: u32,
    /// Columns of padding before the first.
    pub pad_left: u32,
    /// Groups; both channel counts are multiples of it.
    pub groups: u32,
}

impl Geometry {
    /// Whether a convolution of this geometry stays within its operands: no zero size, channels divided by the groups, no
    /// position and no element count above `i32`.
    pub fn check(&self) -> bool {
        self.check_counts() && self.rows().check() && self.columns().check()
    }

    /// As [`Geometry::check`], for a transposed convolution.
    pub fn check_transposed(&self) -> bool {
        self.check_counts() && self.rows().check_transposed() && self.columns().check_transposed()
    }

    fn check_counts(&self) -> bool {
        let divides = |n: u32| n >= 1 && n.checked_rem(self.groups) == Some(0);
        let counts = [self.inputs(), self.outputs(), self.weights()];
        self.batch >= 1 && divides(self.in_channels) && divides(self.out_channels) && counts.iter().all(Option::is_some)
    }

    /// Whether every channel is convolved by itself: groups = input channels = output channels.
    pub fn is_depthwise(&self) -> bool {
        self.groups == self.in_channels && self.groups == self.out_channels
    }

    /// Windows along the rows.
    #[inline(always)]
    pub fn rows(&self) -> Axis {
        Axis {
            input: self.in_height,
            output: self.out_height,
            kernel: self.kernel_height,
            stride: self.stride_height,
            dilation: self.dilation_height,
            pad: self.pad_top,
        }
    }

    /// Windows along the columns.
    #[inline(always)]
    pub fn columns(&self) -> Axis {
        Axis {
            input: self.in_width,
            output: self.out_width,
            kernel: self.kernel_width,
            stride: self.stride_width,
            dilation: self.dilation_width,
            pad: self.pad_left,
        }
    }

    /// Elements of the input.
    pub fn inputs(&self) -> Option<u32> {
        product(&[self.batch, self.in_height, self.in_width, self.in_channels])
    }

    /// Elements of the output.
    pub fn outputs(&self) -> Option<u32> {
        product(&[self.batch, self.out_height, self.out_width, self.out_channels])
    }

    /// Output pixels: `batch * out_height * out_width`.
    pub fn pixels(&self) -> Option<u32> {
        product(&[self.batch, self.out_height, self.out_width])
    }

    /// Weights: `out_channels * kernel_height * kernel_width * in_channels / groups`.
    pub fn weights(&self) -> Option<u32> {
        product(&[self.out_channels, self.kernel_height, self.kernel_width, self.group_inputs()])
    }

    /// Input channels of one group.
    #[inline(always)]
    pub fn group_inputs(&self) -> u32 {
        self.in_channels.checked_div(self.groups).unwrap_or(0)
    }

    /// Output channels of one group.
    #[inline(always)]
    pub fn group_outputs(&self) -> u32 {
        self.out_channels.checked_div(self.groups).unwrap_or(0)
    }
}

/// The geometry of a pooling: NHWC, `channels` in and out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PoolGeometry {
    /// N.
    pub batch: u32,
    /// Input rows.
    pub in_height: u32,
    /// Input columns.
    pub in_width: u32,
    /// Output rows.
    pub out_height: u32,
    /// Output columns.
    pub out_width: u32,
    /// Channels.
    pub channels: u32,
    /// Window rows.
    pub kernel_height: u32,
    /// Window columns.
    pub kernel_width: u32,
    /// Rows from window to window.
    pub stride_height: u32,
    /// Columns from window to window.
    pub stride_width: u32,
    /// Rows from tap to tap.
    pub dilation_height: u32,
    /// Columns from tap to tap.
    pub dilation_width: u32,
    /// Rows of padding before the first.
    pub pad_top: u32,
    /// Columns of padding before the first.
    pub pad_left: u32,
    /// Rows of padding after the last that a window may count.
    pub pad_bottom: u32,
    /// Columns of padding after the last that a window may count.
    pub pad_right: u32,
}

impl PoolGeometry {
    /// Whether a pooling of this geometry stays within its operands, see [`Geometry::check`].
    pub fn check(&self) -> bool {
        let counts = [self.inputs(), self.outputs(), self.taps()];
        counts.iter().all(|n| n.is_some_and(|n| n >= 1)) && self.rows().check() && self.columns().check()
    }

    /// Windows along the rows.
    #[inline(always)]
    pub fn rows(&self) -> Axis {
        Axis {
            input: self.in_height,
            output: self.out_height,
            kernel: self.kernel_height,
            stride: self.stride_height,
            dilation: self.dilation_height,
            pad: self.pad_top,
        }
    }

    /// Windows along the columns.
    #[inline(always)]
    pub fn columns(&self) -> Axis {
        Axis {
            input: self.in_width,
            output: self.out_width,
            kernel: self.kernel_width,
            stride: self.stride_width,
            dilation: self.dilation_width,
            pad: self.pad_left,
        }
    }

    /// Elements of the input.
    pub fn inputs(&self) -> Option<u32> {
        product(&[self.batch, self.in_height, self.in_width, self.channels])
    }

    /// Elements of the output.
    pub fn outputs(&self) -> Option<u32> {
        product(&[self.batch, self.out_height, self.out_width, self.channels])
    }

    /// Output pixels: `batch * out_height * out_width`.
    pub fn pixels(&self) -> Option<u32> {
        product(&[self.batch, self.out_height, self.out_width])
    }

    /// Taps of a window.
    pub fn taps(&self) -> Option<u32> {
        product(&[self.kernel_height, self.kernel_width])
    }

    /// How many taps of the window at `row`, `column` of the output count for an average: those inside the input, or,
    /// with `count_include_pad`, also those in the padding.
    #[inline]
    pub fn counted(&self, row: u32, column: u32, count_include_pad: bool) -> u32 {
        let (rows, columns) = (self.rows(), self.columns());
        let (n, m) = if count_include_pad {
            (rows.taps_with_padding(row, self.pad_bottom), columns.taps_with_padding(column, self.pad_right))
        } else {
            (rows.taps(row).len() as u32, columns.taps(column).len() as u32)
        };
        n.wrapping_mul(m)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AXIS: Axis = Axis { input: 7, output: 4, kernel: 3, stride: 2, dilation: 1, pad: 1 };

    #[test]
    fn one_tap_is_where_it_is_whatever_its_dilation() {
        let axis = Axis { kernel: 1, dilation: u32::MAX, ..AXIS };
        assert!(axis.check());
        assert_eq!((0..4).map(|o| axis.taps(o).len()).collect::<std::vec::Vec<_>>(), [0, 1, 1, 1]);
        assert_eq!((0.div_ceil_checked(3), 4.div_ceil_checked(0), u32::MAX.div_ceil_checked(2)), (0, 0, 1 << 31));
    }

    #[test]
    fn taps_are_those_inside_the_input() {
        for input in 1..9 {
            for (kernel, stride, dilation) in [(1, 1, 1), (3, 1, 1), (3, 2, 2), (2, 3, 4), (5, 1, 3)] {
                for pad in 0..6 {
                    let axis = Axis { input, output: 8, kernel, stride, dilation, pad };
                    assert!(axis.check());
                    let place = |o: u32, t: u32| i64::from(o * stride + t * dilation) - i64::from(pad);
                    let inside = |o, t| (0..i64::from(input)).contains(&place(o, t));
                    for o in 0..8 {
                        let want: std::vec::Vec<u32> = (0..kernel).filter(|&t| inside(o, t)).collect();
                        let taps = axis.taps(o);
                        assert_eq!(taps.clone().collect::<std::vec::Vec<_>>(), want, "{axis:?} {o}");
                        for t in taps {
                            assert_eq!(axis.position(o, t) as i64, place(o, t));
                        }
                        let want = (0..kernel).filter(|&t| place(o, t) < i64::from(input) + 2).count();
                        assert_eq!(axis.taps_with_padding(o, 2) as usize, want, "{axis:?} {o}");
                    }
                    let whole = |o: &u32| (0..kernel).all(|t| inside(*o, t));
                    assert!(axis.inner().eq((0..8).filter(whole)), "{axis:?}");
                }
            }
        }
    }

    #[test]
    fn outputs_at_a_distance_of_the_stride_are_reached_from_neighbours() {
        for (kernel, stride, dilation, pad) in [(4, 2, 1, 1), (3, 3, 2, 0), (5, 1, 1, 4), (2, 4, 3, 2)] {
            let axis = Axis { input: 6, output: 30, kernel, stride, dilation, pad };
            for (out, tap) in (0..30).flat_map(|out| (0..kernel).map(move |tap| (out, tap))) {
                let position = axis.reached_from(out, tap);
                let inside = position.filter(|position| (0..6).contains(position)).map(i32::cast_unsigned);
                assert_eq!(inside, axis.source(out, tap), "{axis:?} {out} {tap}");
                assert_eq!(axis.reached_from(out + stride, tap), position.map(|position| position + 1));
            }
        }
        assert_eq!(Axis { stride: 0, ..AXIS }.reached_from(1, 1), None);
    }

    #[test]
    fn zero_sizes_and_overflows_are_refused() {
        assert!(AXIS.check());
        let bad = [
            Axis { input: 0, ..AXIS },
            Axis { output: 0, ..AXIS },
            Axis { kernel: 0, ..AXIS },
            Axis { stride: 0, ..AXIS },
            Axis { dilation: 0, ..AXIS },
            Axis { dilation: 1 << 31, ..AXIS },
            Axis { dilation: u32::MAX, kernel: 2, ..AXIS },
            Axis { stride: 1 << 30, ..AXIS },
            Axis { pad: u32::MAX, ..AXIS },
            Axis { pad: i32::MAX as u32, ..AXIS },
        ];
        for axis in bad {
            assert!(!axis.check(), "{axis:?}");
        }
    }

    #[test]
    fn groups_divide_both_channel_counts() {
        let good = Geometry {
            batch: 1,
            in_height: 7,
            in_width: 7,
            in_channels: 6,
            out_height: 4,
            out_width: 4,
            out_channels: 9,
            kernel_height: 3,
            kernel_width: 3,
            stride_height: 2,
            stride_width: 2,
            dilation_height: 1,
            dilation_width: 1,
            pad_top: 1,
            pad_left: 1,
            groups: 3,
        };
        assert!(good.check());
        assert_eq!((good.inputs(), good.outputs(), good.weights()), (Some(294), Some(144), Some(162)));
        for groups in [0, 2, 9, 4] {
            assert!(!Geometry { groups, ..good }.check());
        }
        assert!(!Geometry { batch: 0, ..good }.check());
        assert!(!Geometry { batch: 1 << 26, ..good }.check());
        assert!(!Geometry { in_channels: 0, ..good }.check());
        assert!(!Geometry { out_channels: 3 << 29, ..good }.check());
    }
}
