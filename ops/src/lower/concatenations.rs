//! Convolutions that write into a part of the channels of a larger tensor, a concatenation's say.

use ocellus_plan::args::{ConvI8, ConvRowsI8, element};
use ocellus_plan::{Arguments, Reader};

use super::places::entries;
use super::program::words;
use super::{DeviceStep, Move, Program};

/// Reads of a convolution without a table.
const READS: usize = 4;

/// Step `first` with the movement `second` of all that it writes, where one operation computes both: every pixel of an int8
/// convolution goes to a place of its own, all of them equally far apart, through a table or not.
pub fn placed(program: &mut Program, first: &DeviceStep, second: &DeviceStep) -> Option<DeviceStep> {
    let conv: ConvI8 = (first.code == ConvI8::CODE).then(|| Reader::new(&first.args).get()).flatten()?;
    let moved = Move::of(program, second)?;
    let (g, rows) = (conv.geometry, moved.between_strides()?);
    let (channels, pixels) = (g.out_channels, g.batch * g.out_height * g.out_width);
    let every = (rows.count, rows.row, rows.x_stride, rows.x_offset) == (pixels, channels, channels, 0);
    let inside = rows.y_offset.checked_add(channels).is_some_and(|end| end <= rows.y_stride);
    let all = u64::from(pixels) * u64::from(rows.y_stride) == program.tensors[moved.y].bytes() as u64;
    if !(every && inside && all) {
        return None;
    }
    let own = match first.reads.get(READS) {
        Some(table) => Some(entries(program, (*table)?)?),
        None => None,
    };
    let mut reads = first.reads.get(..READS)?.to_vec();
    if let Some(table) = moved.table_behind(own.as_ref()) {
        reads.push(Some(program.constant(element::I8, table.iter().map(|v| v.cast_unsigned()).collect())));
    }
    let args = ConvRowsI8 {
        geometry: g,
        input_zero_point: conv.input_zero_point,
        output_zero_point: conv.output_zero_point,
        low: conv.low,
        high: conv.high,
        y_stride: rows.y_stride,
        y_offset: rows.y_offset,
        layout: conv.layout,
    };
    let node = |step: &DeviceStep| step.name.split_once(' ').map_or(String::new(), |(_, node)| node.to_owned());
    let name = format!("{} {} + {}", ConvRowsI8::NAME, node(first), node(second));
    Some(DeviceStep {
        code: ConvRowsI8::CODE,
        name: name.trim_end_matches([' ', '+']).to_owned(),
        args: words(args),
        writes: vec![moved.y],
        reads,
        in_place: Vec::new(),
        partial: true,
        macs: first.macs,
        elementwise: None,
    })
}

#[cfg(test)]
mod tests {
    use ocellus_plan::args::{ConvGeometry, Copy, TableRowsI8};

    use super::*;
    use crate::lower::{Constant, DeviceTensor, TensorId};

    /// A convolution of 6 pixels with 8 channels, and the tensors x, its output and one of 20 channels.
    fn convolution() -> (Program, [TensorId; 3]) {
        let mut p = Program::default();
        let [x, t, y] = [6, 48, 120].map(|n| p.add(DeviceTensor::new(element::I8, &[n], None)));
        let [w, b, m] = [element::I8, element::I32, element::F32].map(|e| p.constant(e, vec![0; 4]));
        let geometry = ConvGeometry { batch: 1, out_height: 2, out_width: 3, out_channels: 8, ..Default::default() };
        p.push("conv", ConvI8 { geometry, low: -9, ..Default::default() }, &[t], &[x, w, b, m]).macs = 7;
        (p, [x, t, y])
    }

    fn rows(offsets: [u32; 2]) -> TableRowsI8 {
        let [x_offset, y_offset] = offsets;
        TableRowsI8 { count: 6, row: 8, x_stride: 8, y_stride: 20, x_offset, y_offset }
    }

    fn copy(sizes: [u32; 2], y: [u32; 2], y_offset: u32) -> Copy {
        Copy {
            element_bytes: 1,
            sizes: [1, 1, 1, 1, sizes[0], sizes[1]],
            x_strides: [0, 0, 0, 0, sizes[1] as i32, 1],
            y_strides: [0, 0, 0, 0, y[0], y[1]],
            x_offset: 0,
            y_offset,
        }
    }

    #[test]
    fn a_copy_into_strides_is_the_convolution_s() {
        let (mut p, [_, t, y]) = convolution();
        p.push("cat", copy([6, 8], [20, 1], 12), &[y], &[t]);
        let [conv, cat] = [p.steps[0].clone(), p.steps[1].clone()];
        let step = placed(&mut p, &conv, &cat).unwrap();
        let args: ConvRowsI8 = Reader::new(&step.args).get().unwrap();
        assert_eq!((args.y_stride, args.y_offset, args.low, args.geometry.out_channels), (20, 12, -9, 8));
        assert_eq!((&step.name[..], step.macs, step.partial), ("conv_rows_i8 conv + cat", 7, true));
        assert_eq!((&step.writes[..], &step.reads), (&[y][..], &p.steps[0].reads));
        assert_eq!(placed(&mut p, &step, &cat), None);
    }

    #[test]
    fn tables_are_looked_up_one_after_the_other() {
        let (mut p, [_, t, y]) = convolution();
        let table = |p: &mut Program, factor: i32| {
            let entries = (0..256).map(|k| ((k - 128) * factor) as u8).collect();
            Some(p.constant(element::I8, entries))
        };
        let twice = table(&mut p, 2);
        p.push("cat", rows([0, 3]), &[y], &[t]).reads.push(twice);
        let [mut conv, cat] = [p.steps[0].clone(), p.steps[1].clone()];
        for (own, factor) in [(None, 2), (Some(-3), -6)] {
            if let Some(own) = own {
                conv.reads.push(table(&mut p, own));
            }
            let step = placed(&mut p, &conv, &cat).unwrap();
            let Some(Constant::Bytes(bytes)) = &p.tensors[step.reads[4].unwrap()].constant else { panic!() };
            assert!((0..256).all(|k| bytes[k as usize] == ((k - 128) * factor) as u8), "{own:?}");
        }
    }

    #[test]
    fn other_movements_stay() {
        let (mut p, [x, t, y]) = convolution();
        let conv = p.steps[0].clone();
        let mut none = |args: Copy, from: TensorId, to: TensorId| {
            p.push("cat", args, &[to], &[from]);
            let step = p.steps.pop().unwrap();
            assert_eq!(placed(&mut p, &conv, &step), None, "{step:?}");
        };
        // Some of the pixels, turned ones, beyond the stride, and into less than all pixels of y.
        none(copy([5, 8], [20, 1], 0), t, y);
        none(copy([6, 8], [1, 6], 0), t, y);
        none(copy([6, 8], [20, 1], 13), t, y);
        none(copy([6, 8], [19, 1], 0), t, y);
        let _ = x;
        let table = p.constant(element::I8, vec![0; 256]);
        for args in [rows([8, 0]), TableRowsI8 { row: 7, ..rows([0, 0]) }] {
            p.push("cat", args, &[y], &[t]).reads.push(Some(table));
            let step = p.steps.pop().unwrap();
            assert_eq!(placed(&mut p, &conv, &step), None, "{args:?}");
        }
    }
}
