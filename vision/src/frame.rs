//! A picture as a camera or a decoder gives it.

use core::fmt::{self, Display};

/// Greatest width or height of a frame.
pub(crate) const MAX_SIDE: u32 = 65_535;

/// The bytes of a picture, rows from the top.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pixels<'a> {
    /// Red, green, blue: 3 bytes.
    Rgb(&'a [u8]),
    /// Blue, green, red: 3 bytes.
    Bgr(&'a [u8]),
    /// Red, green, blue, and a byte that is ignored.
    Rgba(&'a [u8]),
    /// Blue, green, red, and a byte that is ignored.
    Bgra(&'a [u8]),
    /// One byte of brightness.
    Grey(&'a [u8]),
    /// Two pixels in the 4 bytes Y U Y V (ITU-R BT.601, video range).
    Yuyv(&'a [u8]),
    /// A plane of Y, then rows of U V pairs at half the size, both with the same stride (ITU-R BT.601, video range).
    Nv12 {
        /// One byte per pixel.
        luma: &'a [u8],
        /// Two bytes for every 2 x 2 pixels.
        chroma: &'a [u8],
    },
}

/// A frame does not have the bytes that its sizes ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameError {
    /// A side of 0 or above 65,535 pixels.
    Sides {
        /// Columns.
        width: u32,
        /// Rows.
        height: u32,
    },
    /// A stride smaller than a row.
    Stride {
        /// Bytes of a row.
        needed: usize,
        /// The stride given.
        found: usize,
    },
    /// Fewer bytes than the rows take.
    Bytes {
        /// Bytes that are needed.
        needed: usize,
        /// Bytes given.
        found: usize,
    },
}

impl Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sides { width, height } => {
                write!(f, "a picture of {width} x {height}; both sides have to be between 1 and {MAX_SIDE}")
            }
            Self::Stride { needed, found } => write!(f, "a stride of {found} bytes for rows of {needed}"),
            Self::Bytes { needed, found } => write!(f, "{found} bytes of pixels, {needed} are needed"),
        }
    }
}

impl core::error::Error for FrameError {}

/// A picture with checked sizes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    width: u32,
    height: u32,
    stride: usize,
    pixels: Pixels<'a>,
}

impl<'a> Frame<'a> {
    /// A picture of `width` x `height` pixels whose rows begin `stride` bytes apart.
    ///
    /// # Errors
    /// Sides out of range, or fewer bytes than they need.
    pub fn new(width: u32, height: u32, stride: usize, pixels: Pixels<'a>) -> Result<Self, FrameError> {
        if !(1..=MAX_SIDE).contains(&width) || !(1..=MAX_SIDE).contains(&height) {
            return Err(FrameError::Sides { width, height });
        }
        let (w, h) = (width as usize, height as usize);
        let pair = w.div_ceil(2);
        match pixels {
            Pixels::Rgb(b) | Pixels::Bgr(b) => check(b, w.saturating_mul(3), h, stride)?,
            Pixels::Rgba(b) | Pixels::Bgra(b) => check(b, w.saturating_mul(4), h, stride)?,
            Pixels::Yuyv(b) => check(b, pair.saturating_mul(4), h, stride)?,
            Pixels::Grey(b) => check(b, w, h, stride)?,
            Pixels::Nv12 { luma, chroma } => {
                check(luma, w, h, stride)?;
                check(chroma, pair.saturating_mul(2), h.div_ceil(2), stride)?;
            }
        }
        Ok(Self { width, height, stride, pixels })
    }

    /// Columns.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Rows.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// Sums of red, green and blue over `count` pixels of row `y` from column `x` on. Pixels outside add nothing.
    #[inline]
    pub(crate) fn sum(&self, y: u32, x: u32, count: u32) -> [u32; 3] {
        let (y, x, count) = (y as usize, x as usize, count as usize);
        match self.pixels {
            Pixels::Rgb(b) => add(packed::<3>(b, self.stride, y, x, count), |&[r, g, b]| [r, g, b]),
            Pixels::Bgr(b) => add(packed::<3>(b, self.stride, y, x, count), |&[b, g, r]| [r, g, b]),
            Pixels::Rgba(b) => add(packed::<4>(b, self.stride, y, x, count), |&[r, g, b, _]| [r, g, b]),
            Pixels::Bgra(b) => add(packed::<4>(b, self.stride, y, x, count), |&[b, g, r, _]| [r, g, b]),
            Pixels::Grey(b) => add(packed::<1>(b, self.stride, y, x, count), |&[v]| [v, v, v]),
            Pixels::Yuyv(b) => sum_pixels(x, count, |x| {
                let pair = packed::<4>(b, self.stride, y, x / 2, 1).first()?;
                let [y0, u, y1, v] = *pair;
                Some(rgb(if x & 1 == 0 { y0 } else { y1 }, u, v))
            }),
            Pixels::Nv12 { luma, chroma } => sum_pixels(x, count, |x| {
                let [l] = *packed::<1>(luma, self.stride, y, x, 1).first()?;
                let [u, v] = *packed::<2>(chroma, self.stride, y / 2, x / 2, 1).first()?;
                Some(rgb(l, u, v))
            }),
        }
    }
}

fn check(bytes: &[u8], row: usize, rows: usize, stride: usize) -> Result<(), FrameError> {
    if stride < row {
        return Err(FrameError::Stride { needed: row, found: stride });
    }
    let needed = stride.saturating_mul(rows.saturating_sub(1)).saturating_add(row);
    if bytes.len() < needed { Err(FrameError::Bytes { needed, found: bytes.len() }) } else { Ok(()) }
}

/// Up to `count` pixels of `P` bytes in row `y` from column `x` on.
#[inline]
fn packed<const P: usize>(bytes: &[u8], stride: usize, y: usize, x: usize, count: usize) -> &[[u8; P]] {
    let start = y.wrapping_mul(stride).wrapping_add(x.wrapping_mul(P));
    let row = bytes.get(start..).unwrap_or(&[]);
    let (pixels, _) = row.as_chunks::<P>();
    pixels.get(..count).unwrap_or(pixels)
}

#[inline]
fn add<const P: usize>(pixels: &[[u8; P]], order: impl Fn(&[u8; P]) -> [u8; 3]) -> [u32; 3] {
    let mut sums = [0u32; 3];
    for pixel in pixels {
        let values = order(pixel);
        sums.iter_mut().zip(values).for_each(|(s, v)| *s = s.wrapping_add(u32::from(v)));
    }
    sums
}

#[inline]
fn sum_pixels(x: usize, count: usize, pixel: impl Fn(usize) -> Option<[u8; 3]>) -> [u32; 3] {
    let mut sums = [0u32; 3];
    for x in x..x.saturating_add(count) {
        let Some(values) = pixel(x) else { break };
        sums.iter_mut().zip(values).for_each(|(s, v)| *s = s.wrapping_add(u32::from(v)));
    }
    sums
}

/// ITU-R BT.601 in video range (Y from 16 to 235), in 1/256.
fn rgb(y: u8, u: u8, v: u8) -> [u8; 3] {
    let y = i32::from(y).wrapping_sub(16).wrapping_mul(298).wrapping_add(128);
    let (u, v) = (i32::from(u).wrapping_sub(128), i32::from(v).wrapping_sub(128));
    let byte = |sum: i32| {
        let value = sum >> 8;
        if value < 0 {
            0
        } else if value > 255 {
            255
        } else {
            value as u8
        }
    };
    let red = y.wrapping_add(v.wrapping_mul(409));
    let green = y.wrapping_sub(u.wrapping_mul(100)).wrapping_sub(v.wrapping_mul(208));
    [byte(red), byte(green), byte(y.wrapping_add(u.wrapping_mul(516)))]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_format_gives_red_green_blue() {
        let rgb = [10u8, 20, 30, 40, 50, 60];
        let bgr = [30u8, 20, 10, 60, 50, 40];
        let rgba = [10u8, 20, 30, 9, 40, 50, 60, 9];
        let bgra = [30u8, 20, 10, 9, 60, 50, 40, 9];
        let frames =
            [(6, Pixels::Rgb(&rgb)), (6, Pixels::Bgr(&bgr)), (8, Pixels::Rgba(&rgba)), (8, Pixels::Bgra(&bgra))];
        for (stride, pixels) in frames {
            let frame = Frame::new(2, 1, stride, pixels).unwrap();
            assert_eq!(frame.sum(0, 0, 2), [50, 70, 90]);
            assert_eq!(frame.sum(0, 1, 1), [40, 50, 60]);
        }
        assert_eq!(Frame::new(2, 1, 2, Pixels::Grey(&[3, 4])).unwrap().sum(0, 0, 2), [7, 7, 7]);
    }

    #[test]
    fn video_formats_know_white_black_and_red() {
        // White, black: Y 235 and 16 with no colour. Red: Y 81, U 90, V 240.
        let yuyv = [235u8, 128, 16, 128, 81, 90, 81, 240];
        let frame = Frame::new(4, 1, 8, Pixels::Yuyv(&yuyv)).unwrap();
        assert_eq!((frame.sum(0, 0, 1), frame.sum(0, 1, 1)), ([255; 3], [0; 3]));
        let [r, g, b] = frame.sum(0, 3, 1);
        assert!(r > 250 && g < 5 && b < 5, "{r} {g} {b}");
        let luma = [235u8, 16, 81, 0, 235, 16, 81, 0, 235, 235, 235];
        let chroma = [128u8, 128, 90, 240, 128, 128, 128, 128];
        let frame = Frame::new(3, 3, 4, Pixels::Nv12 { luma: &luma, chroma: &chroma }).unwrap();
        assert_eq!((frame.sum(0, 0, 1), frame.sum(0, 1, 1)), ([255; 3], [0; 3]));
        assert!(frame.sum(0, 2, 1)[0] > 250);
    }

    #[test]
    fn sizes_are_checked() {
        assert_eq!(Frame::new(0, 1, 3, Pixels::Rgb(&[])), Err(FrameError::Sides { width: 0, height: 1 }));
        assert_eq!(Frame::new(2, 1, 5, Pixels::Rgb(&[0; 6])), Err(FrameError::Stride { needed: 6, found: 5 }));
        assert_eq!(Frame::new(2, 2, 8, Pixels::Rgb(&[0; 13])), Err(FrameError::Bytes { needed: 14, found: 13 }));
        assert!(Frame::new(2, 2, 8, Pixels::Rgb(&[0; 14])).is_ok());
        assert!(Frame::new(3, 1, 8, Pixels::Yuyv(&[0; 8])).is_ok());
        assert!(Frame::new(3, 3, 4, Pixels::Nv12 { luma: &[0; 11], chroma: &[0; 7] }).is_err());
    }
}
