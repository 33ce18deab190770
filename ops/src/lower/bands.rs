//! Which device operations work row by row, and how a part of their rows is asked for.

use std::ops::Range;

use ocellus_plan::args::{
    ConvBf16, ConvF16, ConvF32, ConvGeometry, ConvI8, ConvRowsI8, DepthwiseF32, DepthwiseHalf, DepthwiseI8,
};
use ocellus_plan::{Arguments, Reader};

use super::program::words;

/// A part of the rows of an operation whose first write and first read are pictures of one batch entry.
#[derive(Clone, Debug, PartialEq)]
pub struct Band {
    /// The arguments of the part.
    pub args: Vec<u32>,
    /// The rows of input that it reads.
    pub input: Range<u32>,
}

/// The heights of input and output of an operation that works row by row, `None` for any other.
pub fn heights(code: u16, args: &[u32]) -> Option<(u32, u32)> {
    let g = geometry(code, args)?;
    (g.batch == 1).then_some((g.in_height, g.out_height))
}

/// The part of an operation that makes these rows of output.
pub fn band(code: u16, args: &[u32], output: Range<u32>) -> Option<Band> {
    let g = geometry(code, args)?;
    let (part, input) = band_of(&Windows::of(&g), output)?;
    Some(Band { args: with_geometry(code, args, part.within(g))?, input })
}

/// The windows of an operation in one direction: down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Windows {
    pub in_height: u32,
    pub out_height: u32,
    pub kernel: u32,
    pub stride: u32,
    pub dilation: u32,
    pub pad: u32,
}

impl Windows {
    pub(super) fn of(g: &ConvGeometry) -> Self {
        Self {
            in_height: g.in_height,
            out_height: g.out_height,
            kernel: g.kernel_height,
            stride: g.stride_height,
            dilation: g.dilation_height,
            pad: g.pad_top,
        }
    }

    /// A convolution with these windows.
    pub(super) fn within(&self, g: ConvGeometry) -> ConvGeometry {
        ConvGeometry { in_height: self.in_height, out_height: self.out_height, pad_top: self.pad, ..g }
    }
}

/// The windows that make these rows of output, and the rows of input that they see.
pub(super) fn band_of(w: &Windows, output: Range<u32>) -> Option<(Windows, Range<u32>)> {
    let start = i64::from(output.start) * i64::from(w.stride) - i64::from(w.pad);
    let reach = i64::from(w.kernel - 1) * i64::from(w.dilation);
    let end = i64::from(output.end - 1) * i64::from(w.stride) - i64::from(w.pad) + reach + 1;
    let input = start.max(0) as u32..end.min(w.in_height.into()) as u32;
    if input.is_empty() {
        return None; // Nothing but padding.
    }
    let pad = (-start).max(0) as u32;
    Some((Windows { in_height: input.len() as u32, out_height: output.len() as u32, pad, ..*w }, input))
}

/// The geometry of a convolution.
pub(super) fn geometry(code: u16, args: &[u32]) -> Option<ConvGeometry> {
    let mut reader = Reader::new(args);
    match code {
        ConvI8::CODE => reader.get::<ConvI8>().map(|a| a.geometry),
        ConvRowsI8::CODE => reader.get::<ConvRowsI8>().map(|a| a.geometry),
        DepthwiseI8::CODE => reader.get::<DepthwiseI8>().map(|a| a.geometry),
        ConvBf16::CODE => reader.get::<ConvBf16>().map(|a| a.geometry),
        ConvF16::CODE => reader.get::<ConvF16>().map(|a| a.geometry),
        ConvF32::CODE => reader.get::<ConvF32>().map(|a| a.geometry),
        DepthwiseF32::CODE => reader.get::<DepthwiseF32>().map(|a| a.geometry),
        DepthwiseHalf::CODE => reader.get::<DepthwiseHalf>().map(|a| a.geometry),
        _ => None,
    }
}

pub(super) fn with_geometry(code: u16, args: &[u32], geometry: ConvGeometry) -> Option<Vec<u32>> {
    let mut reader = Reader::new(args);
    Some(match code {
        ConvI8::CODE => words(ConvI8 { geometry, ..reader.get()? }),
        ConvRowsI8::CODE => words(ConvRowsI8 { geometry, ..reader.get()? }),
        DepthwiseI8::CODE => words(DepthwiseI8 { geometry, ..reader.get()? }),
        ConvBf16::CODE => words(ConvBf16 { geometry, ..reader.get()? }),
        ConvF16::CODE => words(ConvF16 { geometry, ..reader.get()? }),
        ConvF32::CODE => words(ConvF32 { geometry, ..reader.get()? }),
        DepthwiseF32::CODE => words(DepthwiseF32 { geometry, ..reader.get()? }),
        DepthwiseHalf::CODE => words(DepthwiseHalf { geometry, ..reader.get()? }),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GEOMETRY: ConvGeometry = ConvGeometry {
        batch: 1,
        in_height: 9,
        in_width: 9,
        in_channels: 4,
        out_height: 5,
        out_width: 5,
        out_channels: 4,
        kernel_height: 3,
        kernel_width: 3,
        stride_height: 2,
        stride_width: 2,
        dilation_height: 1,
        dilation_width: 1,
        pad_top: 1,
        pad_left: 1,
        groups: 4,
    };

    fn part(output: Range<u32>) -> (Range<u32>, u32, u32, u32) {
        let args = words(DepthwiseI8 { geometry: GEOMETRY, ..DepthwiseI8::default() });
        let band = band(DepthwiseI8::CODE, &args, output).unwrap();
        let g = geometry(DepthwiseI8::CODE, &band.args).unwrap();
        (band.input, g.in_height, g.out_height, g.pad_top)
    }

    #[test]
    fn the_rows_of_a_part_are_those_that_its_windows_see() {
        assert_eq!(part(0..5), (0..9, 9, 5, 1));
        assert_eq!(part(0..2), (0..4, 4, 2, 1));
        assert_eq!(part(2..3), (3..6, 3, 1, 0));
        assert_eq!(part(4..5), (7..9, 2, 1, 0));
    }

    #[test]
    fn other_operations_have_no_rows() {
        assert_eq!(heights(999, &[]), None);
        let args = words(ConvI8 { geometry: ConvGeometry { batch: 2, ..GEOMETRY }, ..ConvI8::default() });
        assert_eq!(heights(ConvI8::CODE, &args), None);
    }
}
