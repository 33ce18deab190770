//! Which device operations work on pictures row by row, and how a part of the rows is asked for.
//!
//! Everything that such a step writes is one picture of one batch entry; read 0 is another one. All its other reads that
//! are no constants are as high as what it writes.

use std::ops::Range;

use ocellus_plan::args::{
    AddI8, Binary, Broadcast, ConvAddF32, ConvAddI8, ConvRowsI8, Copy, MaxPoolF32, MaxPoolI8, MulI8, PoolGeometry,
    TableI8, TableRowsI8, Unary,
};
use ocellus_plan::{Arguments, Reader};

use super::bands::{Band, Windows, band_of, geometry, with_geometry};
use super::program::words;

/// The heights of read 0 and of write 0.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RowWise {
    /// Those of windows.
    Heights(u32, u32),
    /// The same, which the tensors say.
    Same,
}

/// A part of the rows of a step.
#[derive(Clone, Debug, PartialEq)]
pub struct RowPart {
    /// Its arguments.
    pub args: Vec<u32>,
    /// The rows of read 0 that it reads.
    pub input: Range<u32>,
    /// Elements of a row of read 0 and of write 0, where the operation only works with pictures that have so many.
    pub pitches: Option<[u32; 2]>,
}

/// Whether an operation works row by row.
pub fn row_wise(code: u16, args: &[u32]) -> Option<RowWise> {
    match code {
        Unary::CODE | TableI8::CODE | AddI8::CODE | MulI8::CODE | Binary::CODE | TableRowsI8::CODE | Copy::CODE => {
            Some(RowWise::Same)
        }
        _ => {
            let (batch, windows) = windows(code, args)?;
            (batch == 1).then_some(RowWise::Heights(windows.in_height, windows.out_height))
        }
    }
}

/// The part of an operation that makes these rows of a picture of this height; `None` where it cannot be cut there.
pub fn row_part(code: u16, args: &[u32], rows: Range<u32>, height: u32) -> Option<RowPart> {
    let mut reader = Reader::new(args);
    let part = |n: u32| n.is_multiple_of(height).then(|| n / height * rows.len() as u32);
    let mut pitches = None;
    let args = match code {
        Unary::CODE => {
            let all: Unary = reader.get()?;
            words(Unary { len: part(all.len)?, ..all })
        }
        TableI8::CODE => words(TableI8 { len: part(reader.get::<TableI8>()?.len)? }),
        AddI8::CODE => {
            let all: AddI8 = reader.get()?;
            words(AddI8 { broadcast: of_elements(all.broadcast, part)?, ..all })
        }
        MulI8::CODE => {
            let all: MulI8 = reader.get()?;
            words(MulI8 { broadcast: of_elements(all.broadcast, part)?, ..all })
        }
        Binary::CODE => {
            let all: Binary = reader.get()?;
            words(Binary { broadcast: of_elements(all.broadcast, part)?, ..all })
        }
        TableRowsI8::CODE => {
            let all: TableRowsI8 = reader.get()?;
            let within = |offset: u32, stride: u32| offset.checked_add(all.row).is_some_and(|end| end <= stride);
            let whole = within(all.x_offset, all.x_stride) && within(all.y_offset, all.y_stride);
            let count = part(all.count).filter(|_| whole)?;
            pitches = Some([all.x_stride, all.y_stride].map(|stride| all.count / height * stride));
            words(TableRowsI8 { count, ..all })
        }
        Copy::CODE => {
            let (args, own) = of_box(reader.get()?, part, height)?;
            pitches = Some(own);
            words(args)
        }
        _ => {
            if code == ConvRowsI8::CODE {
                let all: ConvRowsI8 = reader.get()?;
                let g = &all.geometry;
                pitches = Some([g.in_width * g.in_channels, g.out_width * all.y_stride]);
            }
            let Band { args, input } = windowed(code, args, rows)?;
            return Some(RowPart { args, input, pitches });
        }
    };
    Some(RowPart { args, input: rows, pitches })
}

/// A broadcast that is none, of a part of its elements.
fn of_elements(b: Broadcast, part: impl Fn(u32) -> Option<u32>) -> Option<Broadcast> {
    let plain = b.sizes[..5] == [1; 5] && b.a_strides[5] == 1 && b.b_strides[5] == 1;
    let sizes = [1, 1, 1, 1, 1, part(b.sizes[5])?];
    plain.then_some(Broadcast { sizes, ..b })
}

/// A copy of a part of the rows, and elements of a row on both sides: every row is copied to the same row.
fn of_box(all: Copy, part: impl Fn(u32) -> Option<u32>, height: u32) -> Option<(Copy, [u32; 2])> {
    let outermost = all.sizes.iter().position(|&n| n > 1)?;
    let inner = outermost + 1..6;
    let x_strides: Vec<u32> = all.x_strides.iter().map(|&s| u32::try_from(s).ok()).collect::<Option<_>>()?;
    let within = |strides: &[u32], offset: u32| {
        let last: u64 = inner.clone().map(|k| u64::from(all.sizes[k] - 1) * u64::from(strides[k])).sum();
        u64::from(offset) + last < u64::from(strides[outermost])
    };
    let mut sizes = all.sizes;
    sizes[outermost] = part(sizes[outermost])?;
    let whole = within(&x_strides, all.x_offset) && within(&all.y_strides, all.y_offset);
    let rows = all.sizes[outermost] / height;
    let pitches = [x_strides[outermost], all.y_strides[outermost]].map(|stride| stride * rows);
    whole.then_some((Copy { sizes, ..all }, pitches))
}

/// Batch entries and windows of a convolution or a pooling.
fn windows(code: u16, args: &[u32]) -> Option<(u32, Windows)> {
    let mut reader = Reader::new(args);
    let g = match code {
        MaxPoolI8::CODE => pool(reader.get::<MaxPoolI8>()?.geometry),
        MaxPoolF32::CODE => pool(reader.get::<MaxPoolF32>()?.geometry),
        ConvAddI8::CODE => reader.get::<ConvAddI8>().map(|a| (a.geometry.batch, Windows::of(&a.geometry)))?,
        ConvAddF32::CODE => reader.get::<ConvAddF32>().map(|a| (a.geometry.batch, Windows::of(&a.geometry)))?,
        _ => geometry(code, args).map(|g| (g.batch, Windows::of(&g)))?,
    };
    Some(g)
}

fn pool(g: PoolGeometry) -> (u32, Windows) {
    let windows = Windows {
        in_height: g.in_height,
        out_height: g.out_height,
        kernel: g.kernel_height,
        stride: g.stride_height,
        dilation: g.dilation_height,
        pad: g.pad_top,
    };
    (g.batch, windows)
}

/// The part of a convolution or a pooling that makes these rows.
fn windowed(code: u16, args: &[u32], output: Range<u32>) -> Option<Band> {
    let mut reader = Reader::new(args);
    let (_, all) = windows(code, args)?;
    let (part, input) = band_of(&all, output)?;
    let of_pool = |g: PoolGeometry| PoolGeometry {
        in_height: part.in_height,
        out_height: part.out_height,
        pad_top: part.pad,
        ..g
    };
    let args = match code {
        MaxPoolI8::CODE => words(MaxPoolI8 { geometry: of_pool(reader.get::<MaxPoolI8>()?.geometry) }),
        MaxPoolF32::CODE => words(MaxPoolF32 { geometry: of_pool(reader.get::<MaxPoolF32>()?.geometry) }),
        ConvAddI8::CODE => {
            let all: ConvAddI8 = reader.get()?;
            words(ConvAddI8 { geometry: part.within(all.geometry), ..all })
        }
        ConvAddF32::CODE => {
            let all: ConvAddF32 = reader.get()?;
            words(ConvAddF32 { geometry: part.within(all.geometry), ..all })
        }
        _ => with_geometry(code, args, part.within(geometry(code, args)?))?,
    };
    Some(Band { args, input })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_concatenation_stays_in_its_rows() {
        // Three rows of four pixels: two of six channels, behind the first three.
        let copy = Copy {
            element_bytes: 1,
            sizes: [1, 1, 1, 1, 12, 2],
            x_strides: [0, 0, 0, 0, 2, 1],
            y_strides: [0, 0, 0, 0, 6, 1],
            x_offset: 0,
            y_offset: 3,
        };
        let part = row_part(Copy::CODE, &words(copy), 1..3, 3).unwrap();
        assert_eq!((part.input, part.pitches), (1..3, Some([8, 24])));
        assert_eq!(part.args, words(Copy { sizes: [1, 1, 1, 1, 8, 2], ..copy }));
        // Behind the row, and in another order.
        assert_eq!(row_part(Copy::CODE, &words(Copy { y_offset: 5, ..copy }), 1..3, 3), None);
        let turned = Copy { x_strides: [0, 0, 0, 0, -2, 1], x_offset: 22, ..copy };
        assert_eq!(row_part(Copy::CODE, &words(turned), 1..3, 3), None);
    }

    #[test]
    fn broadcasts_are_left_whole() {
        let strides = [0, 0, 0, 0, 0, 1];
        let broadcast = Broadcast { sizes: [1, 1, 1, 1, 1, 24], a_strides: strides, b_strides: strides };
        let add = AddI8 { broadcast, ..AddI8::default() };
        assert_eq!(row_part(AddI8::CODE, &words(add), 0..2, 3).map(|p| p.args[5]), Some(16));
        let wide = Broadcast { sizes: [1, 1, 1, 1, 4, 6], a_strides: [0, 0, 0, 0, 6, 1], b_strides: strides };
        assert_eq!(row_part(AddI8::CODE, &words(AddI8 { broadcast: wide, ..add }), 0..2, 3), None);
    }

    #[test]
    fn windows_of_a_pooling_reach_over_the_edge_of_a_part() {
        let geometry = PoolGeometry {
            batch: 1,
            in_height: 9,
            out_height: 5,
            kernel_height: 3,
            stride_height: 2,
            dilation_height: 1,
            pad_top: 1,
            ..PoolGeometry::default()
        };
        let args = words(MaxPoolI8 { geometry });
        assert_eq!(row_wise(MaxPoolI8::CODE, &args), Some(RowWise::Heights(9, 5)));
        let part = row_part(MaxPoolI8::CODE, &args, 2..3, 5).unwrap();
        let g = Reader::new(&part.args).get::<MaxPoolI8>().unwrap().geometry;
        assert_eq!((part.input, g.in_height, g.out_height, g.pad_top), (3..6, 3, 1, 0));
    }
}
