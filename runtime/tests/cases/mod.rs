//! One small step for every integer and movement operation, with what it should give.
#![allow(dead_code)] // every test file uses its part

use ocellus_plan::args::{self, Broadcast, ConvGeometry, PoolGeometry, element};
use ocellus_plan::{Arguments, Operand, Plan, Space, StepSpec, Writer};
use ocellus_runtime::{Isa, Session, ops};

/// Memory aligned as the plans ask for.
#[repr(align(64))]
#[derive(Clone)]
pub struct Aligned(pub [u8; 32768]);

/// An operation with its operands: one write, and reads that lie in the weights.
pub struct Case {
    pub step: StepSpec,
    pub weights: Vec<u8>,
    pub want: Vec<u8>,
}

/// Bytes of numbers.
fn bytes<T, const N: usize>(values: &[T], to_bytes: impl Fn(&T) -> [u8; N]) -> Vec<u8> {
    values.iter().flat_map(to_bytes).collect()
}

fn i8s(values: &[i8]) -> Vec<u8> {
    bytes(values, |v| v.to_le_bytes())
}

fn i32s(values: &[i32]) -> Vec<u8> {
    bytes(values, |v| v.to_le_bytes())
}

fn i64s(values: &[i64]) -> Vec<u8> {
    bytes(values, |v| v.to_le_bytes())
}

fn f32s(values: &[f32]) -> Vec<u8> {
    bytes(values, |v| v.to_le_bytes())
}

fn case<A: Arguments>(args: A, reads: &[Vec<u8>], want: Vec<u8>) -> Case {
    let mut weights: Vec<u8> = Vec::new();
    let mut read = |bytes: &Vec<u8>| {
        let operand = Operand { space: Space::Weights, offset: weights.len() as u32, len: bytes.len() as u32 };
        weights.extend(bytes);
        weights.resize(weights.len().next_multiple_of(64), 0);
        operand
    };
    let reads = reads.iter().map(&mut read).collect();
    let write = Operand { space: Space::Arena, offset: 64, len: want.len() as u32 };
    Case { step: StepSpec::new(A::NAME, args, vec![write], reads), weights, want }
}

/// Loads and runs a step, gives the bytes of its write; `None` where it is refused.
pub fn run(case: &Case, step: StepSpec, isa: Isa) -> Option<Vec<u8>> {
    let write = step.writes[0];
    let weights = case.weights.clone();
    let writer = Writer { arena_bytes: 1024, arena_align: 64, weights, steps: vec![step], ..Writer::new() };
    let bytes = writer.finish();
    let mut file = Aligned([0; 32768]);
    file.0[..bytes.len()].copy_from_slice(&bytes);
    let plan = Plan::parse(&file.0[..bytes.len()]).unwrap();
    let (mut steps, mut arena) = ([0; 512], Aligned([0; 32768]));
    let mut session = Session::load(plan, ops::ALL, isa, &mut steps, &mut arena.0[..1024]).ok()?;
    session.run();
    Some(arena.0[write.offset as usize..][..write.len as usize].to_vec())
}

const CONV: ConvGeometry = ConvGeometry {
    batch: 1,
    in_height: 2,
    in_width: 2,
    in_channels: 1,
    out_height: 2,
    out_width: 2,
    out_channels: 1,
    kernel_height: 3,
    kernel_width: 3,
    stride_height: 1,
    stride_width: 1,
    dilation_height: 1,
    dilation_width: 1,
    pad_top: 1,
    pad_left: 1,
    groups: 1,
};

const POOL: PoolGeometry = PoolGeometry {
    batch: 1,
    in_height: 2,
    in_width: 2,
    out_height: 1,
    out_width: 1,
    channels: 20,
    kernel_height: 2,
    kernel_width: 2,
    stride_height: 2,
    stride_width: 2,
    dilation_height: 1,
    dilation_width: 1,
    pad_top: 0,
    pad_left: 0,
    pad_bottom: 0,
    pad_right: 0,
};

/// The byte values of four pixels of 20 channels: channel plus 30 times pixel, less 40.
fn pixels() -> Vec<i8> {
    (0..80).map(|k| (k % 20 + k / 20 * 30 - 40) as i8).collect()
}

/// The table of `-1 - v`.
fn negated() -> Vec<u8> {
    i8s(&core::array::from_fn::<i8, 256, _>(|k| (127 - k as i32) as i8))
}

fn windows() -> Vec<Case> {
    let (input_zero_point, output_zero_point, low, high) = (0, 1, -128, 10);
    let geometry = CONV;
    let four = i8s(&[1, 2, 3, 4]);
    let ones = [1i8; 9];
    // One channel of 16: nine weights in fours behind -128 times their sum, and in pairs.
    let (mut fours, mut pairs) = (vec![0i8; 3 * 64], [0i8; 5 * 32]);
    (0..9).for_each(|k| fours[k / 4 * 64 + k % 4] = 1);
    (0..9).for_each(|k| pairs[k / 2 * 32 + k % 2] = 1);
    let mut fours: Vec<u8> = fours.into_iter().map(i8::cast_unsigned).collect();
    let mut sums_of_weights = [0; 16];
    sums_of_weights[0] = -128 * 9;
    fours.splice(..0, i32s(&sums_of_weights));
    let conv = |layout| args::ConvI8 { geometry, input_zero_point, output_zero_point, low, high, layout };
    let scale = f32s(&[0.5]);
    let with_sum = args::ConvAddI8 {
        geometry,
        input_zero_point,
        conv_zero_point: output_zero_point,
        conv_low: low,
        conv_high: high,
        conv_scale: 1.0,
        other_scale: 0.5,
        other_zero_point: 0,
        zero_point: -2,
        low: -128,
        high: 9,
        layout: 0,
    };
    let in_rows = args::ConvRowsI8 {
        geometry,
        input_zero_point,
        output_zero_point,
        low,
        high,
        y_stride: 3,
        y_offset: 1,
        layout: 0,
    };
    // All four windows see all four pixels: (10 + 5) / 2 rounds half to even.
    let sums = i8s(&[9; 4]);
    let depthwise = ConvGeometry { in_channels: 20, out_channels: 20, groups: 20, ..CONV };
    let corner = (0..80).map(|k| (k % 20 * 4 + 20) as i8).collect::<Vec<_>>();
    let transposed = ConvGeometry { out_height: 4, out_width: 4, pad_top: 0, pad_left: 0, ..CONV };
    let spread = [1, 3, 3, 2, 4, 10, 10, 6, 4, 10, 10, 6, 3, 7, 7, 4];
    let average =
        args::AveragePoolI8 { geometry: POOL, count_include_pad: 0, input_zero_point: 5, output_zero_point: 5 };
    vec![
        case(conv(0), &[four.clone(), i8s(&ones), i32s(&[5]), scale.clone()], sums.clone()),
        case(conv(4), &[four.clone(), fours, i32s(&[5]), scale.clone()], sums.clone()),
        case(conv(3), &[four.clone(), i8s(&pairs), i32s(&[5]), scale.clone()], sums),
        case(conv(0), &[four.clone(), i8s(&ones), i32s(&[5]), scale.clone(), negated()], i8s(&[-10; 4])),
        case(in_rows, &[four.clone(), i8s(&ones), i32s(&[5]), scale.clone()], i8s(&[0, 9, 0].repeat(4))),
        case(in_rows, &[four.clone(), i8s(&ones), i32s(&[5]), scale.clone(), negated()], i8s(&[0, -10, 0].repeat(4))),
        case(with_sum, &[four.clone(), i8s(&ones), i32s(&[5]), scale, i8s(&[2, 4, 6, 8])], i8s(&[7, 8, 9, 9])),
        case(
            args::DepthwiseI8 { geometry: depthwise, input_zero_point, output_zero_point: 0, low: -128, high: 127 },
            &[i8s(&pixels()), i8s(&[1; 180]), i32s(&[0; 20]), f32s(&[1.0; 20])],
            i8s(&corner),
        ),
        case(
            args::DepthwiseI8 { geometry: depthwise, input_zero_point, output_zero_point: 0, low: -128, high: 127 },
            &[i8s(&pixels()), i8s(&[1; 180]), i32s(&[0; 20]), f32s(&[1.0; 20]), negated()],
            i8s(&corner.iter().map(|v| -1 - v).collect::<Vec<_>>()),
        ),
        case(
            args::ConvTransposeI8 {
                geometry: transposed,
                input_zero_point: -1,
                output_zero_point,
                low,
                high,
                layout: 0,
            },
            &[i8s(&[0, 1, 2, 3]), i8s(&ones), i32s(&[-1]), f32s(&[1.0])],
            i8s(&spread),
        ),
        case(args::MaxPoolI8 { geometry: POOL }, &[i8s(&pixels())], i8s(&pixels()[60..])),
        case(
            average,
            &[i8s(&pixels()), f32s(&[1.0, 0.5, 0.0, 0.25])],
            i8s(&(0..20).map(|c| c + 5).collect::<Vec<_>>()),
        ),
    ]
}

fn elementwise() -> Vec<Case> {
    let dense = Broadcast { sizes: [1, 1, 1, 1, 2, 20], a_strides: [0, 0, 0, 0, 20, 1], b_strides: [0, 0, 0, 0, 0, 1] };
    let add = args::AddI8 {
        broadcast: dense,
        a_scale: 1.0,
        b_scale: 0.5,
        a_zero_point: 1,
        b_zero_point: 0,
        zero_point: -2,
        low: -128,
        high: 127,
    };
    let (scale, zero_point) = (0.5, 0);
    let mul =
        args::MulI8 { broadcast: dense, scale, a_zero_point: 1, b_zero_point: 0, zero_point: -2, low: -128, high: 127 };
    let a: Vec<i8> = (0..40).collect();
    let sums: Vec<i8> = (0..40).map(|k| k - 1 + 4 - 2).collect();
    let products: Vec<i8> = (0..40).map(|k| (k - 1) * 2 - 2).collect();
    let table: Vec<i8> = (0..256).map(|k| (127 - k) as i8).collect();
    let mut cases = vec![
        case(add, &[i8s(&a), i8s(&[8; 20])], i8s(&sums)),
        case(mul, &[i8s(&a), i8s(&[4; 20])], i8s(&products)),
        case(args::Quantize { len: 3, scale, zero_point }, &[f32s(&[1.0, -0.25, f32::NAN])], i8s(&[2, 0, 0])),
        case(args::Dequantize { len: 2, scale, zero_point: 1 }, &[i8s(&[3, -1])], f32s(&[1.0, -1.0])),
        case(args::TableI8 { len: 3 }, &[i8s(&[-128, 0, 127]), i8s(&table)], i8s(&[127, -1, -128])),
        case(
            args::TableRowsI8 { count: 2, row: 3, x_stride: 4, y_stride: 5, x_offset: 1, y_offset: 2 },
            &[i8s(&[9, -128, 0, 127, 9, 1, 2, 3]), i8s(&table)],
            i8s(&[0, 0, 127, -1, -128, 0, 0, -2, -3, -4]),
        ),
        case(
            args::SoftmaxI8 { outer: 1, axis: 4, inner: 1 },
            &[i8s(&[3, 3, 3, 3]), bytes(&[1000u32; 256], |v| v.to_le_bytes())],
            i8s(&[-64; 4]),
        ),
        case(args::Cast { len: 2, from: element::I64, to: element::I8 }, &[i64s(&[-1, 257])], i8s(&[-1, 1])),
    ];
    let sizes = [1, 1, 1, 1, 2, 2];
    let rows = Broadcast { sizes, a_strides: [0, 0, 0, 0, 2, 1], b_strides: [0, 0, 0, 0, 1, 0] };
    for (element, a, b) in [
        (element::I8, i8s(&[1, 2, 3, 4]), i8s(&[2, 3])),
        (element::BOOL, vec![1, 2, 3, 4], vec![2, 3]),
        (element::I32, i32s(&[1, 2, 3, 4]), i32s(&[2, 3])),
        (element::I64, i64s(&[1, 2, 3, 4]), i64s(&[2, 3])),
        (element::F32, f32s(&[1.0, 2.0, 3.0, 4.0]), f32s(&[2.0, 3.0])),
    ] {
        cases.push(case(args::Compare { function: 3, element, broadcast: rows }, &[a, b], vec![1, 1, 1, 0]));
    }
    let (condition_strides, a_strides, b_strides) = ([0, 0, 0, 0, 1, 0], [0, 0, 0, 0, 0, 1], [0; 6]);
    let select = args::Select { element_bytes: 4, sizes, condition_strides, a_strides, b_strides };
    cases.push(case(select, &[vec![1, 0], i32s(&[5, 6]), i32s(&[7])], i32s(&[5, 6, 7, 7])));
    let one_tap = ConvGeometry { kernel_height: 1, kernel_width: 1, pad_top: 0, pad_left: 0, ..CONV };
    // Weights as `w + 128`, filled up with those of zero.
    let mut packed = vec![128; 64];
    packed[..8].copy_from_slice(&[129, 130, 128, 128, 131, 132, 128, 128]);
    packed.resize(256, 0);
    packed[64..72].copy_from_slice(&f32s(&[1.0, 1.0]));
    packed[192..200].copy_from_slice(&i32s(&[3, 7]));
    let pixel = ConvGeometry { in_height: 1, in_width: 1, out_height: 1, out_width: 1, ..one_tap };
    let geometry = ConvGeometry { in_channels: 2, out_channels: 2, ..pixel };
    let product = args::ConvInteger { geometry, signed: 0 };
    cases.push(case(product, &[vec![5, 6], packed.clone(), vec![4]], i32s(&[5, 11])));
    let real = args::ConvDynamic { geometry, signed: 0, scales: 1, low: 0.0, high: 2.5 };
    let reads = [vec![5, 6], packed.clone(), f32s(&[0.5]), f32s(&[-1.0, -4.0]), vec![4]];
    cases.push(case(real, &reads, f32s(&[1.5, 1.5])));
    let each = args::ConvDynamic { scales: 2, ..real };
    let reads = [vec![5, 6], packed, f32s(&[0.25, -1.0]), f32s(&[0.0, 0.0]), vec![4]];
    cases.push(case(each, &reads, f32s(&[1.25, 0.0])));
    // A channel by itself: `w - w_zero` in 16 bits, filled up.
    let reads = [vec![1, 2, 3, 255], vec![2, 0, 0, 0], vec![1]];
    cases.push(case(args::ConvInteger { geometry: one_tap, signed: 0 }, &reads, i32s(&[0, 2, 4, 508])));
    cases.push(case(args::ConvInteger { geometry: one_tap, signed: 1 }, &reads, i32s(&[0, 2, 4, -4])));
    let mut dynamic = case(args::QuantizeDynamic { len: 3 }, &[f32s(&[-1.0, 0.0, 1.55])], vec![0, 100, 255]);
    dynamic.step.writes.push(Operand { space: Space::Arena, offset: 128, len: 4 });
    dynamic.step.writes.push(Operand { space: Space::Arena, offset: 192, len: 1 });
    cases.push(dynamic);
    // In place, the output is what the arena held: zeros.
    let mut in_place = case(args::AddI8 { a_zero_point: -3, ..add }, &[vec![], i8s(&[8; 20])], i8s(&[5; 40]));
    in_place.step.reads[0] = Operand { space: Space::InPlace, ..Operand::ABSENT };
    cases.push(in_place);
    cases
}

fn movement() -> Vec<Case> {
    let element_bytes = 4;
    let transpose = args::Copy {
        element_bytes,
        sizes: [1, 1, 1, 1, 3, 2],
        x_strides: [0, 0, 0, 0, 1, 3],
        y_strides: [0, 0, 0, 0, 2, 1],
        x_offset: 0,
        y_offset: 0,
    };
    let resize = args::ResizeI8 {
        batch: 1,
        in_height: 1,
        in_width: 2,
        out_height: 1,
        out_width: 3,
        channels: 1,
        row_taps: 1,
        column_taps: 2,
        zero_point: -1,
    };
    let column_weights = f32s(&[1.0, 0.0, 0.5, 0.5, 0.0, 1.0]);
    let words = |values: &[u32]| bytes(values, |v| v.to_le_bytes());
    let arg_max = args::ArgMax { element: element::I8, outer: 1, axis: 3, inner: 1, least: 0, select_last: 1 };
    let gather = args::Gather { element_bytes, index_element: element::I64, outer: 1, axis: 3, inner: 1, count: 2 };
    vec![
        case(transpose, &[i32s(&[1, 2, 3, 4, 5, 6])], i32s(&[1, 4, 2, 5, 3, 6])),
        case(args::Fill { element_bytes, len: 3, value: 7, value_high: 9 }, &[], i32s(&[7; 3])),
        case(gather, &[i32s(&[10, 11, 12]), i64s(&[-1, 1])], i32s(&[12, 11])),
        case(arg_max, &[i8s(&[5, -3, 5])], i64s(&[2])),
        case(args::ArgMax { element: element::F32, least: 1, ..arg_max }, &[f32s(&[5.0, -3.0, 5.0])], i64s(&[1])),
        case(
            resize,
            &[i8s(&[1, 4]), words(&[0]), f32s(&[1.0]), words(&[0, 1, 0, 1, 0, 1]), column_weights],
            // 3.5 and the zero point: half to even before it.
            i8s(&[1, 3, 4]),
        ),
    ]
}

/// A case for every operation.
pub fn all() -> Vec<Case> {
    [windows(), elementwise(), movement()].into_iter().flatten().collect()
}
