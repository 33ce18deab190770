//! Every float operation through a plan: its result, and that no damaged arguments get it to fail while it runs.

use ocellus_plan::args::{self, ConvGeometry, PoolGeometry};
use ocellus_plan::{Arguments, Operand, Plan, Space, StepSpec, Writer};
use ocellus_runtime::{Isa, Session, ops};

/// Memory aligned as the plans ask for.
#[repr(align(64))]
#[derive(Clone)]
struct Aligned([u8; 4096]);

/// An operation with its operands: writes first, by their length in elements of 4 bytes, then reads by their values.
struct Case {
    step: StepSpec,
    weights: Vec<u8>,
    arena: u32,
    want: Vec<f32>,
}

/// A read operand.
enum Read<'a> {
    F32(&'a [f32]),
    U32(&'a [u32]),
    Absent,
}

use Read::{Absent, F32, U32};

/// A case whose first write should hold `want`; `scratch` are the lengths of the other writes.
fn case<A: Arguments>(args: A, reads: &[Read<'_>], want: &[f32], scratch: &[usize]) -> Case {
    let mut arena = 0;
    let mut write = |n: usize| {
        let operand = Operand { space: Space::Arena, offset: arena, len: 4 * n as u32 };
        arena += (4 * n as u32).next_multiple_of(64);
        operand
    };
    let writes: Vec<_> = [want.len()].iter().chain(scratch).map(|&n| write(n)).collect();
    let mut weights: Vec<u8> = Vec::new();
    let mut read = |read: &Read<'_>| {
        let words: Vec<u32> = match read {
            F32(v) => v.iter().map(|v| v.to_bits()).collect(),
            U32(v) => v.to_vec(),
            Absent => return Operand::ABSENT,
        };
        let operand = Operand { space: Space::Weights, offset: weights.len() as u32, len: 4 * words.len() as u32 };
        weights.extend(words.iter().flat_map(|w| w.to_le_bytes()));
        weights.resize(weights.len().next_multiple_of(64), 0);
        operand
    };
    let reads = reads.iter().map(&mut read).collect();
    Case { step: StepSpec::new(A::NAME, args, writes, reads), weights, arena, want: want.to_vec() }
}

/// Loads and runs a step, gives the values of its first write; `None` where it is refused.
fn run(case: &Case, step: StepSpec, isa: Isa) -> Option<Vec<f32>> {
    let write = step.writes[0];
    let writer = Writer {
        arena_bytes: case.arena,
        arena_align: 64,
        weights: case.weights.clone(),
        steps: vec![step],
        ..Writer::new()
    };
    let bytes = writer.finish();
    let mut file = Aligned([0; 4096]);
    file.0[..bytes.len()].copy_from_slice(&bytes);
    let plan = Plan::parse(&file.0[..bytes.len()]).unwrap();
    let (mut steps, mut arena) = ([0; 512], Aligned([0; 4096]));
    let mut session = Session::load(plan, ops::ALL, isa, &mut steps, &mut arena.0).ok()?;
    session.run();
    let bytes = &arena.0[write.offset as usize..][..write.len as usize];
    Some(bytes.chunks(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect())
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
    channels: 1,
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

const FOUR: [f32; 4] = [1.0, 2.0, 3.0, 4.0];
const FREE: (f32, f32) = (f32::NEG_INFINITY, f32::INFINITY);

fn windows() -> Vec<Case> {
    let (low, high) = FREE;
    let geometry = CONV;
    let nine = [0.0, 0.0, 0.0, 0.0, 1.0, 2.0, 0.0, 0.0, 0.0];
    let (ones, mut o16) = ([1.0; 9], [0.0; 144]);
    nine.iter().enumerate().for_each(|(k, &w)| o16[16 * k] = w);
    let conv = |layout| args::ConvF32 { geometry, low, high: 10.0, layout };
    let with_sum = args::ConvAddF32 { geometry, conv_low: low, conv_high: 10.0, low, high: 6.0, layout: 0 };
    let transposed = ConvGeometry { out_height: 4, out_width: 4, pad_top: 0, pad_left: 0, ..CONV };
    let spread = [1.0, 3.0, 3.0, 2.0, 4.0, 10.0, 10.0, 6.0, 4.0, 10.0, 10.0, 6.0, 3.0, 7.0, 7.0, 4.0];
    vec![
        case(conv(0), &[F32(&FOUR), F32(&nine), F32(&[0.5])], &[5.5, 2.5, 10.0, 4.5], &[]),
        case(conv(1), &[F32(&FOUR), F32(&o16), F32(&[0.5])], &[5.5, 2.5, 10.0, 4.5], &[]),
        case(with_sum, &[F32(&FOUR), F32(&nine), F32(&[0.5]), F32(&[1.0; 4])], &[6.0, 3.5, 6.0, 5.5], &[]),
        case(args::DepthwiseF32 { geometry, low, high }, &[F32(&FOUR), F32(&ones), F32(&[1.0])], &[11.0; 4], &[]),
        case(
            args::ConvTransposeF32 { geometry: transposed, low, high, layout: 0 },
            &[F32(&FOUR), F32(&ones), F32(&[0.0])],
            &spread,
            &[],
        ),
        case(args::MaxPoolF32 { geometry: POOL }, &[F32(&FOUR)], &[4.0], &[]),
        case(args::AveragePoolF32 { geometry: POOL, count_include_pad: 0 }, &[F32(&FOUR)], &[2.5], &[]),
        case(args::LpPool { geometry: POOL, p: 1 }, &[F32(&FOUR)], &[10.0], &[]),
    ]
}

fn elementwise() -> Vec<Case> {
    let (low, high) = FREE;
    let broadcast =
        args::Broadcast { sizes: [1, 1, 1, 1, 2, 2], a_strides: [0, 0, 0, 0, 2, 1], b_strides: [0, 0, 0, 0, 0, 1] };
    let binary = |function, element| args::Binary { function, element, broadcast, low, high };
    let ints = U32(&[7, 8, 9, 10]);
    let quotients = [3, 2, 4, 3].map(f32::from_bits);
    let mut cases = vec![
        case(args::Unary { function: 11, len: 4, ..Default::default() }, &[F32(&FOUR)], &[-1.0, -2.0, -3.0, -4.0], &[]),
        case(binary(1, 0), &[F32(&FOUR), F32(&[1.0, 2.0])], &[0.0, 0.0, 2.0, 2.0], &[]),
        case(binary(3, 3), &[ints, U32(&[2, 3])], &quotients, &[]),
        case(
            args::SoftmaxF32 { outer: 2, axis: 2, inner: 1, logarithm: 0 },
            &[F32(&[0.0, 0.0, 3.0, 3.0])],
            &[0.5; 4],
            &[],
        ),
        case(
            args::Lrn { pixels: 2, channels: 2, size: 1, alpha: 0.0, beta: 0.5, bias: 4.0 },
            &[F32(&FOUR)],
            &[0.5, 1.0, 1.5, 2.0],
            &[],
        ),
    ];
    // In place, the output is what the arena held: zeros.
    let mut in_place = case(args::Unary { function: 8, len: 4, ..Default::default() }, &[Absent], &[1.0; 4], &[]);
    in_place.step.reads[0] = Operand { space: Space::InPlace, ..Operand::ABSENT };
    cases.push(in_place);
    let mut in_place = case(binary(1, 0), &[Absent, F32(&[1.0, 2.0])], &[-1.0, -2.0, -1.0, -2.0], &[]);
    in_place.step.reads[0] = Operand { space: Space::InPlace, ..Operand::ABSENT };
    cases.push(in_place);
    cases
}

fn sums() -> Vec<Case> {
    let reduce = args::Reduce {
        function: 0,
        kept: [1, 1, 1, 1, 1, 2],
        kept_strides: [0, 0, 0, 0, 0, 1],
        reduced: [1, 1, 1, 1, 1, 2],
        reduced_strides: [0, 0, 0, 0, 0, 2],
    };
    let matmul = args::MatMul {
        batch: [1; 4],
        a_strides: [0; 4],
        b_strides: [0; 4],
        rows: 2,
        inner: 2,
        columns: 1,
        b_transposed: 0,
    };
    let resize = args::ResizeF32 {
        batch: 1,
        in_height: 2,
        in_width: 1,
        out_height: 4,
        out_width: 1,
        channels: 2,
        row_taps: 1,
        column_taps: 1,
    };
    let (rows, ones) = (U32(&[0, 0, 1, 1]), F32(&[1.0; 4]));
    vec![
        case(reduce, &[F32(&FOUR)], &[4.0, 6.0], &[]),
        case(matmul, &[F32(&FOUR), F32(&[1.0, 10.0])], &[21.0, 43.0], &[]),
        case(resize, &[F32(&FOUR), rows, ones, U32(&[0]), F32(&[1.0])], &[1.0, 2.0, 1.0, 2.0, 3.0, 4.0, 3.0, 4.0], &[]),
    ]
}

const RELU: args::Activation = args::Activation { function: 0, alpha: 0.0, beta: 0.0 };
const SIGMOID: args::Activation = args::Activation { function: 3, ..RELU };
const TANH: args::Activation = args::Activation { function: 4, ..RELU };

fn recurrent() -> Vec<Case> {
    let inf = f32::INFINITY;
    let (steps, batch, inputs, hidden, direction, clip) = (2, 1, 1, 1, 0, inf);
    let rnn = args::Rnn { steps, batch, inputs, hidden, direction, clip, activations: [RELU; 2] };
    let gru = args::Gru {
        steps,
        batch,
        inputs,
        hidden,
        direction,
        clip,
        linear_before_reset: 0,
        activations: [SIGMOID, TANH, SIGMOID, TANH],
    };
    let lstm = args::Lstm {
        steps,
        batch,
        inputs,
        hidden,
        direction,
        clip,
        input_forget: 0,
        activations: [SIGMOID, TANH, TANH, SIGMOID, TANH, TANH],
    };
    let activations = [SIGMOID, TANH, TANH, SIGMOID, TANH, TANH];
    let dynamic = args::LstmDynamic { steps, batch, inputs, hidden, direction, clip, input_forget: 0, activations };
    let packed = [0; 64];
    let (x, zeros) = (F32(&[1.0, 2.0]), [0.0; 8]);
    let w = |n| F32(&zeros[..n]);
    let lengths = U32(&[1]);
    // With weights of zero every gate is 1/2 and every candidate 0.
    vec![
        case(rnn, &[F32(&[1.0, 2.0]), F32(&[3.0]), F32(&[1.0])], &[3.0, 9.0], &[1, 2]),
        case(gru, &[F32(&[1.0, 2.0]), w(3), w(3), Absent, Absent, F32(&[8.0])], &[4.0, 2.0], &[1, 6]),
        case(
            dynamic,
            &[F32(&[1.0, 2.0]), U32(&packed), U32(&packed), w(8), Absent, F32(&[1.0]), w(1), w(3)],
            &[0.0, 0.0],
            &[1, 1, 19],
        ),
        case(lstm, &[x, w(4), w(4), w(8), lengths, F32(&[1.0]), w(1), w(3)], &[0.0, 0.0], &[1, 1, 8]),
    ]
}

/// Layers with weights in 16 bits; of two inputs and two units, since a word holds two of them.
fn recurrent_half() -> Vec<Case> {
    let (steps, batch, inputs, hidden, direction, clip) = (2, 1, 2, 2, 0, f32::INFINITY);
    let layer = args::Rnn { steps, batch, inputs, hidden, direction, clip, activations: [RELU; 2] };
    let rnn = |layout| args::RnnHalf { layer, layout };
    let activations = [SIGMOID, TANH, SIGMOID, TANH];
    let gru = args::Gru { steps, batch, inputs, hidden, direction, clip, linear_before_reset: 0, activations };
    let activations = [SIGMOID, TANH, TANH, SIGMOID, TANH, TANH];
    let lstm = args::Lstm { steps, batch, inputs, hidden, direction, clip, input_forget: 0, activations };
    let (f16, bf16) = (args::FloatLayout::ROWS_F16, args::FloatLayout::ROWS_BF16);
    let (x, zeros, state) = (|| F32(&FOUR), [0; 8], || F32(&[8.0, 4.0]));
    // The matrix (3, 0; 0, 1) and the one of ones.
    let want = [3.0, 2.0, 14.0, 9.0];
    vec![
        case(rnn(f16), &[x(), U32(&[0x4200, 0x3C00_0000]), U32(&[0x3C00_3C00; 2])], &want, &[2, 4]),
        case(rnn(bf16), &[x(), U32(&[0x4040, 0x3F80_0000]), U32(&[0x3F80_3F80; 2])], &want, &[2, 4]),
        case(
            args::GruHalf { layer: gru, layout: f16 },
            &[x(), U32(&zeros[..6]), U32(&zeros[..6]), Absent, Absent, state()],
            &[4.0, 2.0, 2.0, 1.0],
            &[2, 12],
        ),
        case(
            args::LstmHalf { layer: lstm, layout: bf16 },
            &[x(), U32(&zeros), U32(&zeros), Absent, Absent, state()],
            &[0.0; 4],
            &[2, 2, 16],
        ),
    ]
}

fn cases() -> Vec<Case> {
    [windows(), elementwise(), sums(), recurrent(), recurrent_half()].into_iter().flatten().collect()
}

#[test]
fn every_operation_computes() {
    for case in cases() {
        for isa in Isa::available() {
            let y = run(&case, case.step.clone(), isa);
            let (name, level) = (&case.step.name, isa.level());
            let y = y.unwrap_or_else(|| panic!("{name} is refused on {level:?}"));
            let close = y.iter().zip(&case.want).all(|(y, want)| y == want || (y - want).abs() < 1e-6);
            assert!(close, "{name} on {level:?}: {y:?} for {:?}", case.want);
        }
    }
}

#[test]
fn damaged_arguments_are_refused_or_harmless() {
    let words = [0, 1, 2, 3, 5, 9, 17, 255, 65_536, 1 << 20, i32::MAX as u32, 1 << 31, u32::MAX - 1, u32::MAX];
    for case in cases() {
        for isa in Isa::available() {
            for place in 0..case.step.args.len() {
                for word in words {
                    let mut step = case.step.clone();
                    step.args[place] = word;
                    // What is still accepted runs without a fault.
                    let _ = run(&case, step, isa);
                }
            }
        }
    }
}

#[test]
fn operands_of_another_length_or_kind_are_refused() {
    for case in cases() {
        for k in 0..case.step.reads.len() {
            if case.step.reads[k].space != Space::Weights {
                continue;
            }
            let mut step = case.step.clone();
            step.reads[k].len += 4;
            assert!(run(&case, step, Isa::PORTABLE).is_none(), "{} read {k} too long", case.step.name);
            let mut step = case.step.clone();
            // Half an element, of the larger ones.
            step.reads[k].offset += if case.step.name.ends_with("_half") { 1 } else { 2 };
            assert!(run(&case, step, Isa::PORTABLE).is_none(), "{} read {k} misaligned", case.step.name);
        }
        for k in 0..case.step.writes.len() {
            let mut step = case.step.clone();
            step.writes[k].len -= 4;
            assert!(run(&case, step, Isa::PORTABLE).is_none(), "{} write {k} too short", case.step.name);
        }
        let mut step = case.step.clone();
        step.args.push(0);
        assert!(run(&case, step, Isa::PORTABLE).is_none(), "{} with an argument too many", case.step.name);
        let mut step = case.step.clone();
        step.args.pop();
        assert!(run(&case, step, Isa::PORTABLE).is_none(), "{} without its last argument", case.step.name);
    }
}
