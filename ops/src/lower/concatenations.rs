//! Convolutions that write into a part of the channels of a larger tensor, a concatenation's say.

use std::ops::Range;

use ocellus_plan::args::{ConvGeometry, ConvI8, ConvRowsI8, element};
use ocellus_plan::{Arguments, Reader};

use super::places::entries;
use super::program::words;
use super::{Constant, DeviceStep, DeviceTensor, Move, Program, TensorId};

/// Reads of a convolution without a table.
const READS: usize = 4;
/// Bytes from which on it takes longer to move them than to begin another convolution.
const MUCH: usize = 64 << 10;
/// Output channels whose weights lie together.
const BLOCK: u32 = 16;

/// Step `first` with the movement `second` of all that it writes, where one operation computes both: every pixel of an int8
/// convolution goes to a place of its own, all of them equally far apart, through a table or not.
pub fn placed(program: &mut Program, first: &DeviceStep, second: &DeviceStep) -> Option<DeviceStep> {
    let conv = convolution(first)?;
    let channels = conv.geometry.out_channels;
    let taken = Taken::of(program, &conv, second).filter(|taken| taken.channels == (0..channels))?;
    let table = table(program, first, &taken.moved)?;
    let weights = first.reads.get(..READS)?.to_vec();
    Some(step([first, second], &conv, &taken, weights, table))
}

/// Step `first` as a convolution for each of the movements that read it, where these take all of its channels once, whole blocks
/// of 16, and each pixel is read in place; where they move much, as an input is read more often then.
pub fn divided(program: &mut Program, first: &DeviceStep, readers: &[&DeviceStep]) -> Option<Vec<DeviceStep>> {
    let conv = convolution(first)?;
    let g = conv.geometry;
    let pixel = (g.kernel_height, g.kernel_width, g.stride_height, g.stride_width, g.pad_top, g.pad_left);
    let much = program.tensors[program.root(first.writes[0])].bytes() >= MUCH;
    if pixel != (1, 1, 1, 1, 0, 0) || g.groups != 1 || readers.len() < 2 || !much {
        return None;
    }
    let parts = readers.iter().map(|reader| Some((*reader, Taken::of(program, &conv, reader)?)));
    let parts: Vec<(&DeviceStep, Taken)> = parts.collect::<Option<_>>()?;
    let mut ranges: Vec<Range<u32>> = parts.iter().map(|(_, taken)| taken.channels.clone()).collect();
    ranges.sort_by_key(|range| range.start);
    let whole = |range: &Range<u32>| range.start.is_multiple_of(BLOCK) && range.end.is_multiple_of(BLOCK);
    let once = ranges.windows(2).all(|pair| pair[0].end == pair[1].start);
    let ends = (ranges.first()?.start, ranges.last()?.end);
    if !(once && ends == (0, g.out_channels) && ranges.iter().all(whole)) {
        return None;
    }
    let made = parts.into_iter().map(|(reader, taken)| {
        let table = table(program, first, &taken.moved)?;
        let (weights, own) = of_channels(program, first, &conv, &taken.channels)?;
        Some(step([first, reader], &own, &taken, weights, table))
    });
    made.collect()
}

/// What a movement takes of a convolution's output.
struct Taken {
    channels: Range<u32>,
    moved: Move,
    y_stride: u32,
    y_offset: u32,
}

impl Taken {
    /// The same channels of every pixel.
    fn of(program: &Program, conv: &ConvI8, second: &DeviceStep) -> Option<Self> {
        let moved = Move::of(program, second)?;
        let (g, rows) = (conv.geometry, moved.between_strides()?);
        let pixels = g.batch * g.out_height * g.out_width;
        let channels = rows.x_offset..rows.x_offset.checked_add(rows.row)?;
        let every = (rows.count, rows.x_stride) == (pixels, g.out_channels) && channels.end <= g.out_channels;
        let inside = rows.y_offset.checked_add(rows.row).is_some_and(|end| end <= rows.y_stride);
        let all = u64::from(pixels) * u64::from(rows.y_stride) == program.tensors[moved.y].bytes() as u64;
        let (y_stride, y_offset) = (rows.y_stride, rows.y_offset);
        (every && inside && all).then_some(Self { channels, moved, y_stride, y_offset })
    }
}

fn convolution(step: &DeviceStep) -> Option<ConvI8> {
    (step.code == ConvI8::CODE).then(|| Reader::new(&step.args).get()).flatten()
}

/// What outputs are looked up in, as a constant: the convolution's table and then that of the movement, if there are any.
fn table(program: &mut Program, first: &DeviceStep, moved: &Move) -> Option<Option<TensorId>> {
    let own = match first.reads.get(READS) {
        Some(table) => Some(entries(program, (*table)?)?),
        None => None,
    };
    let table = moved.table_behind(own.as_ref());
    Some(table.map(|t| program.constant(element::I8, t.iter().map(|v| v.cast_unsigned()).collect())))
}

/// The reads of a convolution without its table, and its arguments, for some of its output channels.
fn of_channels(
    program: &mut Program,
    first: &DeviceStep,
    conv: &ConvI8,
    channels: &Range<u32>,
) -> Option<(Vec<Option<TensorId>>, ConvI8)> {
    let [x, weights, bias, multipliers] = *first.reads.first_chunk::<READS>()?;
    let geometry = ConvGeometry { out_channels: channels.end - channels.start, ..conv.geometry };
    let Some(Constant::ConvI8(rows, _)) = &program.tensors[weights?].constant else { return None };
    let row = rows.len() / conv.geometry.out_channels as usize;
    let rows = rows.get(channels.start as usize * row..channels.end as usize * row)?.to_vec();
    let mut part = DeviceTensor::new(element::I8, &[rows.len()], None);
    part.constant = Some(Constant::ConvI8(rows, geometry));
    let weights = program.add(part);
    let mut numbers = |t: TensorId| {
        let tensor = &program.tensors[t];
        let Some(Constant::Bytes(bytes)) = &tensor.constant else { return None };
        let part = bytes.get(channels.start as usize * 4..channels.end as usize * 4)?.to_vec();
        Some(program.constant(tensor.element, part))
    };
    let (bias, multipliers) = (numbers(bias?)?, numbers(multipliers?)?);
    Some((vec![x, Some(weights), Some(bias), Some(multipliers)], ConvI8 { geometry, ..*conv }))
}

/// Both steps as one, with these weights.
fn step(
    [first, second]: [&DeviceStep; 2],
    conv: &ConvI8,
    taken: &Taken,
    mut reads: Vec<Option<TensorId>>,
    table: Option<TensorId>,
) -> DeviceStep {
    reads.extend(table.map(Some));
    let channels = conv.geometry.out_channels;
    let whole = channels == taken.y_stride;
    let all = convolution(first).map_or(channels, |all| all.geometry.out_channels);
    let args = ConvRowsI8 {
        geometry: conv.geometry,
        input_zero_point: conv.input_zero_point,
        output_zero_point: conv.output_zero_point,
        low: conv.low,
        high: conv.high,
        y_stride: taken.y_stride,
        y_offset: taken.y_offset,
        layout: conv.layout,
    };
    let (code, operation, args) = if whole {
        (ConvI8::CODE, ConvI8::NAME, words(*conv))
    } else {
        (ConvRowsI8::CODE, ConvRowsI8::NAME, words(args))
    };
    let node = |step: &DeviceStep| step.name.split_once(' ').map_or(String::new(), |(_, node)| node.to_owned());
    let name = format!("{operation} {} + {}", node(first), node(second));
    DeviceStep {
        code,
        name: name.trim_end_matches([' ', '+']).to_owned(),
        args,
        writes: vec![taken.moved.y],
        reads,
        in_place: Vec::new(),
        partial: !whole,
        macs: first.macs * u64::from(channels) / u64::from(all).max(1),
        elementwise: None,
    }
}

#[cfg(test)]
mod tests {
    use ocellus_plan::args::{Copy, TableRowsI8};

    use super::*;

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
        let (mut p, [_, t, y]) = convolution();
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
        let table = p.constant(element::I8, vec![0; 256]);
        for args in [rows([8, 0]), TableRowsI8 { row: 7, ..rows([0, 0]) }] {
            p.push("cat", args, &[y], &[t]).reads.push(Some(table));
            let step = p.steps.pop().unwrap();
            assert_eq!(placed(&mut p, &conv, &step), None, "{args:?}");
        }
    }
    /// A 1x1 convolution of 32x48 pixels with 48 channels, and tensors of 16, 32 and 40 channels.
    fn wide() -> (Program, [TensorId; 5]) {
        let mut p = Program::default();
        let ids = [2, 48, 16, 32, 40].map(|n| p.add(DeviceTensor::new(element::I8, &[32, 48, n], None)));
        let g = ConvGeometry {
            batch: 1,
            in_height: 32,
            in_width: 48,
            in_channels: 2,
            out_height: 32,
            out_width: 48,
            ..all(1)
        };
        let geometry = ConvGeometry { out_channels: 48, pad_top: 0, pad_left: 0, ..g };
        let rows: Vec<i8> = (0..96).collect();
        let mut weights = DeviceTensor::new(element::I8, &[96], None);
        weights.constant = Some(Constant::ConvI8(rows, geometry));
        let w = p.add(weights);
        let b = p.constant(element::I32, (0..48i32).flat_map(i32::to_le_bytes).collect());
        let m = p.constant(element::F32, (0..48u8).flat_map(|k| f32::from(k).to_le_bytes()).collect());
        p.push("conv", ConvI8 { geometry, ..Default::default() }, &[ids[1]], &[ids[0], w, b, m]).macs = 96;
        (p, ids)
    }

    fn all(n: u32) -> ConvGeometry {
        ConvGeometry {
            kernel_height: n,
            kernel_width: n,
            stride_height: n,
            stride_width: n,
            dilation_height: n,
            dilation_width: n,
            groups: n,
            ..Default::default()
        }
    }

    fn channels(
        p: &mut Program,
        [x, y]: [TensorId; 2],
        row: u32,
        x_offset: u32,
        [y_stride, y_offset]: [u32; 2],
    ) -> DeviceStep {
        let table = p.constant(element::I8, (0..=255).collect());
        let args = TableRowsI8 { count: 32 * 48, row, x_stride: 48, y_stride, x_offset, y_offset };
        p.push("part", args, &[y], &[x]).reads.push(Some(table));
        p.steps.pop().unwrap()
    }

    #[test]
    fn movements_of_some_channels_divide_a_convolution() {
        let (mut p, [_, t, a, b, _]) = wide();
        let conv = p.steps[0].clone();
        let [first, second] = [channels(&mut p, [t, a], 16, 0, [16, 0]), channels(&mut p, [t, b], 32, 16, [32, 0])];
        let steps = divided(&mut p, &conv, &[&second, &first]).unwrap();
        assert_eq!(
            steps.iter().map(|s| (s.code, s.writes[0], s.macs, s.partial)).collect::<Vec<_>>(),
            [(ConvI8::CODE, b, 64, false), (ConvI8::CODE, a, 32, false)]
        );
        let Some(Constant::ConvI8(rows, g)) = &p.tensors[steps[0].reads[1].unwrap()].constant else { panic!() };
        assert_eq!((g.out_channels, rows), (32, &(32..96).collect::<Vec<i8>>()));
        let Some(Constant::Bytes(bias)) = &p.tensors[steps[1].reads[2].unwrap()].constant else { panic!() };
        assert_eq!(bias, &(0..16i32).flat_map(i32::to_le_bytes).collect::<Vec<u8>>());
        assert_eq!(steps[0].reads.len(), 5);
    }

    #[test]
    fn a_divided_convolution_writes_into_strides_too() {
        let (mut p, [_, t, a, _, y]) = wide();
        let conv = p.steps[0].clone();
        let [first, second] = [channels(&mut p, [t, a], 16, 0, [16, 0]), channels(&mut p, [t, y], 32, 16, [40, 8])];
        let steps = divided(&mut p, &conv, &[&first, &second]).unwrap();
        let args: ConvRowsI8 = Reader::new(&steps[1].args).get().unwrap();
        assert_eq!((args.y_stride, args.y_offset, args.geometry.out_channels, steps[1].partial), (40, 8, 32, true));
    }

    #[test]
    fn channels_that_are_taken_twice_or_not_at_all_do_not_divide() {
        let (mut p, [_, t, a, b, y]) = wide();
        let conv = p.steps[0].clone();
        let whole = channels(&mut p, [t, y], 32, 0, [40, 0]);
        let twice = channels(&mut p, [t, b], 32, 16, [32, 0]);
        let [first, last] = [0, 32].map(|at| channels(&mut p, [t, a], 16, at, [16, 0]));
        assert_eq!(divided(&mut p, &conv, &[&whole, &twice]), None);
        assert_eq!(divided(&mut p, &conv, &[&first, &last]), None);
        assert_eq!(divided(&mut p, &conv, &[&whole]), None);
        assert!(divided(&mut p, &conv, &[&whole, &last]).is_some());
        let [odd, rest] = [channels(&mut p, [t, a], 8, 0, [16, 0]), channels(&mut p, [t, y], 40, 8, [40, 0])];
        assert_eq!(divided(&mut p, &conv, &[&odd, &rest]), None);
        p.tensors[t].shape = vec![6, 48];
        assert_eq!(divided(&mut p, &conv, &[&whole, &last]), None);
    }
}
