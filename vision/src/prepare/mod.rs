//! From a frame to a model's input: place, resize, order the colours, look the numbers up.
//!
//! Everything is integer arithmetic and exact: where the picture gets smaller a pixel is the mean of the area that it
//! covers, where it gets larger it is interpolated between the two nearest. Every value is rounded to a byte once, and a
//! table of 256 entries per channel turns the byte into the model's number. So the trainer's pictures and the device's
//! are the same to the bit.

mod axis;
mod place;
mod table;

use core::fmt::{self, Display};
use core::num::NonZeroU64;

pub use place::{Fit, Placement, Region};
pub use table::{IDENTITY, normalized, quantized};

use crate::frame::{Frame, MAX_SIDE};
use axis::{Axis, Taps};

/// The colours of a model's input and their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Color {
    /// One channel, the brightness (ITU-R BT.601).
    Grey,
    /// Red, green, blue.
    Rgb,
    /// Blue, green, red.
    Bgr,
}

impl Color {
    /// Numbers per pixel.
    pub const fn channels(self) -> usize {
        match self {
            Self::Grey => 1,
            Self::Rgb | Self::Bgr => 3,
        }
    }
}

/// What a model's input looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// Rows.
    pub height: u32,
    /// Columns.
    pub width: u32,
    /// Colours and their order.
    pub color: Color,
    /// How a picture of other proportions is placed.
    pub fit: Fit,
}

/// A picture cannot be prepared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PrepareError {
    /// A side of the input is 0 or above 65,535.
    Sides {
        /// Columns.
        width: u32,
        /// Rows.
        height: u32,
    },
    /// The output has another number of elements than the input's sizes ask for.
    Output {
        /// Elements that are needed.
        needed: usize,
        /// Elements given.
        found: usize,
    },
    /// There is not one table per channel.
    Tables {
        /// Channels of the input.
        channels: usize,
        /// Tables given.
        found: usize,
    },
}

impl Display for PrepareError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sides { width, height } => write!(f, "an input of {width} x {height} pixels"),
            Self::Output { needed, found } => write!(f, "room for {found} numbers, {needed} are needed"),
            Self::Tables { channels, found } => write!(f, "{found} tables for {channels} channels"),
        }
    }
}

impl core::error::Error for PrepareError {}

/// Writes a frame as a model's input, `[height, width, channels]`, every byte looked up in its channel's table
/// ([`IDENTITY`] for bytes, [`normalized`] for floats, [`quantized`] for int8). Returns where the picture came to lie, by
/// which answers find their way back.
///
/// # Errors
/// An output or tables that do not fit the target.
pub fn prepare<T: Copy>(
    frame: &Frame<'_>,
    target: &Target,
    tables: &[[T; 256]],
    out: &mut [T],
) -> Result<Placement, PrepareError> {
    let (width, height) = (target.width, target.height);
    if !(1..=MAX_SIDE).contains(&width) || !(1..=MAX_SIDE).contains(&height) {
        return Err(PrepareError::Sides { width, height });
    }
    let channels = target.color.channels();
    if tables.len() != channels {
        return Err(PrepareError::Tables { channels, found: tables.len() });
    }
    let row = (width as usize).saturating_mul(channels);
    let needed = row.saturating_mul(height as usize);
    if out.len() != needed {
        return Err(PrepareError::Output { needed, found: out.len() });
    }
    let placement = Placement::new(frame.width(), frame.height(), width, height, target.fit);
    let (source, inside) = (placement.picture, placement.input);
    let columns = Axis::new(source.width, inside.width);
    let rows = Axis::new(source.height, inside.height);
    for (y, line) in out.chunks_exact_mut(row).enumerate() {
        let taps = (y as u32).checked_sub(inside.y).and_then(|y| rows.taps(y));
        for (x, pixel) in line.chunks_exact_mut(channels).enumerate() {
            let across = (x as u32).checked_sub(inside.x).and_then(|x| columns.taps(x));
            let rgb = match (&taps, across) {
                (Some(down), Some(across)) => mean(frame, &source, down, &across, rows.weight(), columns.weight()),
                _ => [target.fit.fill(); 3],
            };
            write(pixel, rgb, target.color, tables);
        }
    }
    Ok(placement)
}

/// The weighted mean of the pixels that two axes' taps name, rounded to the nearest byte.
fn mean(frame: &Frame<'_>, source: &Region, down: &Taps, across: &Taps, rows: u32, columns: u32) -> [u8; 3] {
    let mut sums = [0u64; 3];
    down.each(|row, weight| {
        let y = source.y.wrapping_add(row);
        let mut line = [0u32; 3];
        across.runs(|column, count, weight| {
            let run = frame.sum(y, source.x.wrapping_add(column), count);
            line.iter_mut().zip(run).for_each(|(l, s)| *l = l.wrapping_add(s.wrapping_mul(weight)));
        });
        sums.iter_mut().zip(line).for_each(|(s, l)| *s = s.wrapping_add(u64::from(l).wrapping_mul(u64::from(weight))));
    });
    let Some(total) = NonZeroU64::new(u64::from(rows).wrapping_mul(u64::from(columns))) else { return [0; 3] };
    sums.map(|s| (s.wrapping_add(total.get() / 2) / total) as u8)
}

fn write<T: Copy>(pixel: &mut [T], [r, g, b]: [u8; 3], color: Color, tables: &[[T; 256]]) {
    let bytes = match color {
        Color::Grey => [luma(r, g, b), 0, 0],
        Color::Rgb => [r, g, b],
        Color::Bgr => [b, g, r],
    };
    for ((out, table), byte) in pixel.iter_mut().zip(tables).zip(bytes) {
        if let Some(value) = table.get(usize::from(byte)) {
            *out = *value;
        }
    }
}

/// Brightness of a colour (ITU-R BT.601) in 1/65536; grey stays itself.
fn luma(r: u8, g: u8, b: u8) -> u8 {
    let sum = u32::from(r).wrapping_mul(19_595);
    let sum = sum.wrapping_add(u32::from(g).wrapping_mul(38_470)).wrapping_add(u32::from(b).wrapping_mul(7_471));
    (sum.wrapping_add(32_768) >> 16) as u8
}

#[cfg(test)]
mod tests;
