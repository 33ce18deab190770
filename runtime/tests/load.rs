//! What the loader refuses, and that nothing it accepts can leave its memory.

mod cases;

use cases::Aligned;
use ocellus_plan::args::{Branches, ConvAddI8, ConvGeometry, ConvI8, Fill, Gather, Lanes, TableI8, element};
use ocellus_plan::{Arguments, Operand, Plan, Section, Space, Step, StepError, StepSpec, Steps, Writer, crc32};
use ocellus_runtime::{Isa, LoadError, OpEntry, Pool, Session, StepFault, ops};

fn operand(space: Space, offset: u32, len: u32) -> Operand {
    Operand { space, offset, len }
}

/// A plan of one table look-up from 0 to 64 in the arena.
fn sample() -> Writer {
    let write = operand(Space::Arena, 64, 16);
    let reads = vec![operand(Space::Arena, 0, 16), operand(Space::Weights, 0, 256)];
    let step = StepSpec::new("table", TableI8 { len: 16 }, vec![write], reads);
    Writer { arena_bytes: 128, arena_align: 64, weights: vec![3; 256], steps: vec![step], ..Writer::new() }
}

/// The error of loading with `words` of step memory and the arena bytes of this range.
fn load_into(writer: &Writer, words: usize, arena: core::ops::Range<usize>, ops: &'static [OpEntry]) -> LoadError {
    let bytes = writer.finish();
    let mut file = Aligned([0; 32768]);
    file.0[..bytes.len()].copy_from_slice(&bytes);
    let plan = Plan::parse(&file.0[..bytes.len()]).unwrap();
    let (mut steps, mut memory) = (vec![0; words], Aligned([0; 32768]));
    let error = Session::load(plan, ops, Isa::best(), &mut steps, &mut memory.0[arena]).err().expect("refused");
    assert!(!error.to_string().is_empty());
    error
}

/// The fault of the first step.
fn fault(writer: &Writer) -> StepFault {
    match load_into(writer, 512, 0..32768, ops::ALL) {
        LoadError::Step { index: 0, fault } => fault,
        other => panic!("{other}"),
    }
}

fn with_step(change: impl FnOnce(&mut StepSpec)) -> Writer {
    let mut writer = sample();
    change(&mut writer.steps[0]);
    writer
}

#[test]
fn memory_that_is_too_small_or_misaligned_is_refused() {
    let writer = sample();
    let words = 2 + 3 * 3 + 1;
    assert_eq!(
        load_into(&writer, words - 1, 0..128, ops::ALL),
        LoadError::StepMemory { needed: words, given: words - 1 }
    );
    assert_eq!(load_into(&writer, words, 0..127, ops::ALL), LoadError::ArenaTooSmall { needed: 128, given: 127 });
    assert_eq!(load_into(&writer, words, 32..200, ops::ALL), LoadError::ArenaMisaligned { needed: 64 });
}

#[test]
fn a_plan_at_an_odd_address_is_refused() {
    let bytes = sample().finish();
    for (start, refused) in [(0, false), (8, false), (4, true), (2, true), (1, true)] {
        let (mut file, mut steps, mut arena) = (Aligned([0; 32768]), [0; 64], Aligned([0; 32768]));
        file.0[start..start + bytes.len()].copy_from_slice(&bytes);
        let plan = Plan::parse(&file.0[start..start + bytes.len()]).unwrap();
        let loaded = Session::load(plan, ops::ALL, Isa::best(), &mut steps, &mut arena.0);
        assert_eq!(loaded.err(), refused.then_some(LoadError::PlanMisaligned), "{start}");
    }
}

#[test]
fn operations_that_are_not_there_are_named() {
    static NONE: &[OpEntry] = &[];
    static OTHERS: &[OpEntry] = &[ops::COPY, ops::FILL];
    for ops in [NONE, OTHERS] {
        let error = load_into(&sample(), 512, 0..32768, ops);
        assert_eq!(error, LoadError::Step { index: 0, fault: StepFault::UnknownOperation(20) });
        assert_eq!(error.to_string(), "step 0 needs operation 20, which this build does not have");
    }
    assert_eq!(fault(&with_step(|s| s.code = 9999)), StepFault::UnknownOperation(9999));
}

#[test]
fn operands_are_checked() {
    assert_eq!(fault(&with_step(|s| s.writes[0].len = 15)), StepFault::Operand);
    assert_eq!(fault(&with_step(|s| s.reads[0].len = 17)), StepFault::Operand);
    assert_eq!(fault(&with_step(|s| s.reads[1].len = 255)), StepFault::Operand);
    assert_eq!(fault(&with_step(|s| s.reads[0].space = Space::Absent)), StepFault::Operand);
    assert_eq!(fault(&with_step(|s| s.reads.truncate(1))), StepFault::Operand);
    assert_eq!(fault(&with_step(|s| s.writes.push(operand(Space::Arena, 96, 16)))), StepFault::Operand);
    assert_eq!(fault(&with_step(|s| s.args.push(0))), StepFault::Arguments);
    assert_eq!(fault(&with_step(|s| s.args.clear())), StepFault::Arguments);
}

#[test]
fn bounds_are_checked() {
    assert_eq!(fault(&with_step(|s| s.writes[0].offset = 113)), StepFault::Bounds);
    assert_eq!(fault(&with_step(|s| s.reads[0].offset = 113)), StepFault::Bounds);
    assert_eq!(fault(&with_step(|s| s.reads[1].offset = 1)), StepFault::Bounds);
    assert_eq!(fault(&with_step(|s| s.writes[0].offset = u32::MAX)), StepFault::Bounds);
    assert_eq!(fault(&with_step(|s| s.reads[0].offset = u32::MAX - 15)), StepFault::Bounds);
    assert_eq!(fault(&with_step(|s| s.writes[0].space = Space::Weights)), StepFault::Bounds);
    assert_eq!(fault(&with_step(|s| s.writes[0].space = Space::InPlace)), StepFault::Bounds);
}

#[test]
fn overlaps_are_refused() {
    assert_eq!(fault(&with_step(|s| s.reads[0].offset = 63)), StepFault::Overlap);
    assert_eq!(fault(&with_step(|s| s.reads[0].offset = 64)), StepFault::Overlap);
    assert_eq!(fault(&with_step(|s| s.reads[0].offset = 79)), StepFault::Overlap);
    // Two writes: y and the final state of a recurrent layer.
    let step = |state: u32| {
        let rnn = ocellus_plan::args::Rnn { steps: 1, batch: 1, inputs: 1, hidden: 4, clip: 9.0, ..Default::default() };
        let write = |offset| operand(Space::Arena, offset, 16);
        let reads = [4, 16, 64].map(|len| operand(Space::Weights, 0, len)).to_vec();
        StepSpec::new("rnn", rnn, vec![write(0), write(state), write(64)], reads)
    };
    let apart = Writer { steps: vec![step(16)], ..sample() }.finish();
    let loads = ocellus_runtime::with_session(&apart, Isa::best(), |_| ());
    assert_eq!(loads, Ok(()));
    for state in [0, 4, 12, 52, 64, 76] {
        assert_eq!(fault(&Writer { steps: vec![step(state)], ..sample() }), StepFault::Overlap, "{state}");
    }
}

/// Two bands of two look-ups each, from 0..32 to 64..96, with what is between them in two memories from 128 on; then the
/// same in whole steps.
fn lanes() -> Writer {
    let arena = |offset, len| operand(Space::Arena, offset, len);
    let args = Lanes { bands: 2, steps: 2, piece: 16, memory: 64, memories: 2, whole: 2 };
    let table = |x, y: Operand| {
        let reads = vec![x, operand(Space::Weights, 0, 256)];
        StepSpec::new("table", TableI8 { len: y.len }, vec![y], reads)
    };
    let mut steps = vec![StepSpec::new("lanes", args, vec![arena(64, 32), arena(128, 128)], vec![])];
    for (x, y) in [(0, 64), (16, 80)] {
        steps.extend([table(arena(x, 16), arena(128, 16)), table(arena(128, 16), arena(y, 16))]);
    }
    steps.extend([table(arena(0, 32), arena(256, 32)), table(arena(256, 32), arena(64, 32))]);
    Writer { arena_bytes: 320, arena_align: 64, weights: (0..=255).rev().collect(), steps, ..Writer::new() }
}

#[test]
fn lanes_keep_to_what_is_theirs() {
    let lanes_fault = |change: fn(&mut Writer)| {
        let mut writer = lanes();
        change(&mut writer);
        fault(&writer)
    };
    // A write to the other band's part, to the other memory, across the end of a part, to nobody's memory.
    for offset in [80, 192, 72, 272] {
        let mut writer = lanes();
        writer.steps[2].writes[0].offset = offset;
        assert_eq!(fault(&writer), StepFault::Overlap, "{offset}");
    }
    // A read of the other band's part, of the other memory, of a place that ends in it.
    for offset in [80, 192, 56] {
        let mut writer = lanes();
        writer.steps[1].reads[0].offset = offset;
        assert_eq!(fault(&writer), StepFault::Overlap, "{offset}");
    }
    // Parts that are not as many as y has, no memory, fewer steps than announced, lanes in lanes.
    let set = |writer: &mut Writer, word: usize, value: u32| writer.steps[0].args[word] = value;
    for (word, value) in [(0, 0), (0, 1), (0, 3), (1, 0), (2, 0), (2, 15), (3, 0), (4, 0), (5, 3)] {
        let mut writer = lanes();
        set(&mut writer, word, value);
        assert_eq!(fault(&writer), StepFault::Arguments, "{word} {value}");
    }
    assert_eq!(lanes_fault(|writer| writer.steps[0].args[1] = 1 << 31), StepFault::Overlap);
    assert_eq!(lanes_fault(|writer| writer.steps[0].args[3] = 63), StepFault::Operand);
    assert_eq!(lanes_fault(|writer| writer.steps[2] = writer.steps[0].clone()), StepFault::Overlap);
    assert_eq!(lanes_fault(|writer| writer.steps[5] = writer.steps[0].clone()), StepFault::Arguments);
}

#[test]
fn bands_whole_steps_and_threads_give_the_same() {
    let answer = |writer: &Writer, threads: usize| {
        let bytes = writer.finish();
        let mut file = Aligned([0; 32768]);
        file.0[..bytes.len()].copy_from_slice(&bytes);
        let plan = Plan::parse(&file.0[..bytes.len()]).unwrap();
        let (mut steps, mut memory) = (vec![0; plan.step_words()], Aligned([0; 32768]));
        let mut session = Session::load(plan, ops::ALL, Isa::best(), &mut steps, &mut memory.0).unwrap();
        session.run_on(&Pool::new(threads).unwrap());
        memory.0[64..96].to_vec()
    };
    let mut bands = lanes();
    bands.steps.truncate(5);
    bands.steps[0].args[5] = 0;
    for threads in 1..4 {
        // The table twice: what the bytes were.
        assert_eq!(answer(&lanes(), threads), [0; 32]);
        assert_eq!(answer(&bands, threads), [0; 32]);
    }
    // Another table in the bands alone: that is what two threads run.
    let mut other = lanes();
    other.weights.extend(vec![7; 256]);
    other.steps[2].reads[1].offset = 256;
    other.steps[4].reads[1].offset = 256;
    assert_eq!([1, 2, 3].map(|threads| answer(&other, threads)[31]), [0, 7, 0]);
}

/// Two look-ups from 0..32 to 64..96 over 128..160, and one of the same bytes to 192..224, as branches; then a look-up of
/// all that they wrote, to 256..416.
fn branches() -> Writer {
    let arena = |offset, len| operand(Space::Arena, offset, len);
    let table = |x, y: Operand| {
        let reads = vec![x, operand(Space::Weights, 0, 256)];
        StepSpec::new("table", TableI8 { len: y.len }, vec![y], reads)
    };
    let steps = vec![
        StepSpec::new("branches", Branches { first: 2, second: 1 }, vec![], vec![]),
        table(arena(0, 32), arena(128, 32)),
        table(arena(128, 32), arena(64, 32)),
        table(arena(0, 32), arena(192, 32)),
        table(arena(64, 160), arena(256, 160)),
    ];
    Writer { arena_bytes: 448, arena_align: 64, weights: (0..=255).rev().collect(), steps, ..Writer::new() }
}

#[test]
fn branches_keep_apart() {
    // A write to the other branch's result, to what is between its steps, to what it reads.
    for offset in [64, 95, 128, 159] {
        let mut writer = branches();
        writer.steps[3].writes[0].offset = offset;
        assert_eq!(fault(&writer), StepFault::Overlap, "{offset}");
    }
    let mut writes = branches();
    (writes.steps[3].reads[0].offset, writes.steps[3].writes[0].offset) = (384, 31);
    assert_eq!(fault(&writes), StepFault::Overlap);
    // A read of what the other branch writes.
    let mut reads = branches();
    reads.steps[3].reads[0].offset = 100;
    assert_eq!(fault(&reads), StepFault::Overlap);
    // No steps, more than there are, steps without a write or with none that has a byte, and branches of branches.
    for (word, value) in [(0, 0), (1, 0), (1, 3), (0, u32::MAX)] {
        let mut writer = branches();
        writer.steps[0].args[word] = value;
        assert_eq!(fault(&writer), StepFault::Arguments, "{word} {value}");
    }
    let mut nested = branches();
    nested.steps[1] = nested.steps[0].clone();
    assert_eq!(fault(&nested), StepFault::Operand);
    let mut empty = branches();
    empty.steps[3].args[0] = 0;
    (empty.steps[3].writes[0].len, empty.steps[3].reads[0].len) = (0, 0);
    assert_eq!(fault(&empty), StepFault::Operand);
    let mut operands = branches();
    operands.steps[0].writes.push(operand(Space::Arena, 0, 4));
    assert_eq!(fault(&operands), StepFault::Operand);
}

#[test]
fn branches_give_the_same_on_any_number_of_threads() {
    let answer = |writer: &Writer, threads: usize| {
        let bytes = writer.finish();
        let mut file = Aligned([0; 32768]);
        file.0[..bytes.len()].copy_from_slice(&bytes);
        let plan = Plan::parse(&file.0[..bytes.len()]).unwrap();
        let (mut steps, mut memory) = (vec![0; plan.step_words()], Aligned([0; 32768]));
        let mut session = Session::load(plan, ops::ALL, Isa::best(), &mut steps, &mut memory.0).unwrap();
        session.run_on(&Pool::new(threads).unwrap());
        memory.0[256..416].to_vec()
    };
    // The memory is 0, of which the table makes 127, and of 127 it makes 0.
    let expected = [127, 127, 0, 127, 0].map(|byte| [byte; 32]).concat();
    let mut crowded = branches();
    // More parts of the arena than a branch may have: one thread runs everything.
    let table = crowded.steps[1].clone();
    for k in 0..20 {
        let mut step = table.clone();
        step.args[0] = 1;
        (step.writes[0], step.reads[0].len) = (operand(Space::Arena, 416 + 2 * k, 1), 1);
        crowded.steps.insert(3, step);
    }
    crowded.arena_bytes = 512;
    crowded.steps[0].args[0] = 22;
    for threads in 1..5 {
        assert_eq!(answer(&branches(), threads), expected, "{threads}");
        assert_eq!(answer(&crowded, threads), expected, "{threads}");
    }
}

/// A branch reads 320..384 and then overwrites 336..368 of it; the other one reads 32 bytes from `other` on.
fn overwriting(other: u32) -> Writer {
    let (mut writer, arena) = (branches(), |offset, len| operand(Space::Arena, offset, len));
    let places = [(arena(320, 64), 128), (arena(128, 32), 336), (arena(other, 32), 192), (arena(64, 320), 384)];
    for (step, (read, write)) in writer.steps.iter_mut().skip(1).zip(places) {
        step.args[0] = read.len;
        (step.reads[0], step.writes[0]) = (read, arena(write, read.len));
    }
    Writer { arena_bytes: 704, ..writer }
}

#[test]
fn branches_overwrite_some_of_what_they_have_read() {
    let answer = |writer: &Writer, threads: usize| {
        let bytes = writer.finish();
        let mut file = Aligned([0; 32768]);
        file.0[..bytes.len()].copy_from_slice(&bytes);
        let plan = Plan::parse(&file.0[..bytes.len()]).unwrap();
        let (mut steps, mut memory) = (vec![0; plan.step_words()], Aligned([0; 32768]));
        let mut session = Session::load(plan, ops::ALL, Isa::best(), &mut steps, &mut memory.0).unwrap();
        session.run_on(&Pool::new(threads).unwrap());
        memory.0[384..704].to_vec()
    };
    // What is read beside that is nobody's, or the first branch's.
    for other in [0, 32, 288, 304] {
        let expected = answer(&overwriting(other), 1);
        assert_ne!(expected, [0; 320]);
        for threads in 2..5 {
            assert_eq!(answer(&overwriting(other), threads), expected, "{other} {threads}");
        }
    }
    assert_eq!(fault(&overwriting(305)), StepFault::Overlap);
}

#[test]
fn misaligned_operands_are_refused() {
    let gather = Gather { element_bytes: 1, index_element: element::I64, outer: 1, axis: 4, inner: 1, count: 1 };
    let step = |x: u32, index: u32| {
        let reads = vec![operand(Space::Weights, x, 4), operand(Space::Weights, index, 8)];
        StepSpec::new("gather", gather, vec![operand(Space::Arena, 0, 1)], reads)
    };
    assert_eq!(fault(&Writer { steps: vec![step(1, 12)], ..sample() }), StepFault::Alignment);
    assert_eq!(fault(&Writer { steps: vec![step(1, 8)], arena_align: 4, ..sample() }), StepFault::Alignment);
    let fine = Writer { steps: vec![step(1, 8)], ..sample() }.finish();
    assert_eq!(ocellus_runtime::with_session(&fine, Isa::best(), |_| ()), Ok(()));
}

#[test]
fn tables_of_convolutions_are_checked() {
    let one = ConvGeometry {
        batch: 1,
        in_height: 1,
        in_width: 1,
        in_channels: 1,
        out_height: 1,
        out_width: 1,
        out_channels: 1,
        kernel_height: 1,
        kernel_width: 1,
        stride_height: 1,
        stride_width: 1,
        dilation_height: 1,
        dilation_width: 1,
        groups: 1,
        ..ConvGeometry::default()
    };
    let with = |tables: &[Operand]| {
        let args = ConvI8 { geometry: one, low: -128, high: 127, ..ConvI8::default() };
        let reads = [operand(Space::Arena, 1, 1)].into_iter().chain([1, 4, 4].map(|n| operand(Space::Weights, 0, n)));
        let reads = reads.chain(tables.iter().copied()).collect();
        Writer { steps: vec![StepSpec::new("conv", args, vec![operand(Space::Arena, 0, 1)], reads)], ..sample() }
    };
    let table = operand(Space::Weights, 0, 256);
    for fine in [&[][..], &[table]] {
        assert_eq!(ocellus_runtime::with_session(&with(fine).finish(), Isa::best(), |_| ()), Ok(()));
    }
    let in_place = Operand { space: Space::InPlace, offset: 0, len: 0 };
    for wrong in [operand(Space::Weights, 0, 255), Operand::ABSENT, in_place] {
        assert_eq!(fault(&with(&[wrong])), StepFault::Operand);
    }
    assert_eq!(fault(&with(&[table, table])), StepFault::Operand);
}

#[test]
fn layouts_that_nobody_reads_are_named() {
    let ones = ConvGeometry {
        batch: 1,
        in_height: 1,
        in_width: 1,
        in_channels: 1,
        out_height: 1,
        out_width: 1,
        out_channels: 1,
        kernel_height: 1,
        kernel_width: 1,
        stride_height: 1,
        stride_width: 1,
        dilation_height: 1,
        dilation_width: 1,
        pad_top: 0,
        pad_left: 0,
        groups: 1,
    };
    for layout in [2, 12, 99, u32::MAX] {
        let args = ConvI8 { geometry: ones, input_zero_point: 0, output_zero_point: 0, low: -128, high: 127, layout };
        let reads = [1, 1, 4, 4].map(|len| operand(Space::Weights, 0, len)).to_vec();
        let step = StepSpec::new("conv", args, vec![operand(Space::Arena, 0, 1)], reads);
        let writer = Writer { steps: vec![step], ..sample() };
        assert_eq!(fault(&writer), StepFault::Layout(layout));
        let said = load_into(&writer, 512, 0..32768, ops::ALL).to_string();
        assert!(said.contains(&format!("layout {layout}")) && said.contains("compile for this target"), "{said}");
    }
}

#[test]
fn records_that_cannot_be_read_are_named() {
    // Word 0 of the table: code, writes, reads; word 1: length of the record.
    let damaged = |word: usize, value: u32| {
        let mut bytes = sample().finish();
        patch(&mut bytes, word, value);
        let mut file = Aligned([0; 32768]);
        file.0[..bytes.len()].copy_from_slice(&bytes);
        let plan = Plan::parse(&file.0[..bytes.len()]).unwrap();
        let (mut steps, mut arena) = ([0; 64], Aligned([0; 32768]));
        Session::load(plan, ops::ALL, Isa::best(), &mut steps, &mut arena.0).err()
    };
    let record = |error| Some(LoadError::Step { index: 0, fault: StepFault::Record(error) });
    assert_eq!(damaged(0, 20 | 5 << 16), record(StepError::Operands));
    assert_eq!(damaged(0, 20 | 1 << 16 | 9 << 24), record(StepError::Operands));
    assert_eq!(damaged(1, 0), record(StepError::Truncated));
    assert_eq!(damaged(1, 4), record(StepError::Truncated));
    assert_eq!(damaged(1, 99), record(StepError::Truncated));
    assert_eq!(damaged(1, u32::MAX), record(StepError::Truncated));
    assert_eq!(damaged(2, 4), record(StepError::Space));
}

/// Where the step table lies in a plan, in bytes.
fn table(bytes: &[u8]) -> core::ops::Range<usize> {
    let steps = Plan::parse(bytes).unwrap().section(Section::Steps);
    let start = steps.as_ptr().addr() - bytes.as_ptr().addr();
    start..start + steps.len()
}

/// Overwrites a word of the step table and seals the plan again.
fn patch(bytes: &mut [u8], word: usize, value: u32) {
    let place = table(bytes).start + 4 * word;
    bytes[place..place + 4].copy_from_slice(&value.to_le_bytes());
    let crc = crc32(0, &bytes[20..]).to_le_bytes();
    bytes[16..20].copy_from_slice(&crc);
}

/// A plan with a step of every integer and movement operation, each with its own place in the arena.
fn everything() -> Writer {
    let mut writer = Writer { arena_align: 64, ..Writer::new() };
    for case in cases::all() {
        let mut step = case.step;
        for write in &mut step.writes {
            write.offset = writer.arena_bytes;
            writer.arena_bytes += write.len.next_multiple_of(64);
        }
        for read in step.reads.iter_mut().filter(|read| read.space == Space::Weights) {
            read.offset += writer.weights.len() as u32;
        }
        writer.weights.extend(&case.weights);
        writer.steps.push(step);
    }
    writer
}

/// Loads a plan with its arena between bytes of `around`; where it loads, runs it and gives the arena.
fn run_between(bytes: &[u8], isa: Isa, around: u8) -> Option<Vec<u8>> {
    let plan = Plan::parse(bytes).unwrap();
    let mut steps = vec![0; plan.step_words()];
    let mut memory = Aligned([around; 32768]);
    let (before, rest) = memory.0.split_at_mut(2048);
    let (arena, after) = rest.split_at_mut(plan.arena_bytes());
    let mut session = Session::load(plan, ops::ALL, isa, &mut steps, arena).ok()?;
    session.run();
    assert!(before.iter().chain(after.iter()).all(|&b| b == around), "written outside the arena");
    Some(arena.to_vec())
}

/// A small generator (splitmix64).
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) % n as u64) as usize
    }

    /// A word like those that a table has, or a wild one.
    fn word(&mut self, old: u32) -> u32 {
        match self.below(6) {
            0 => old.wrapping_add(1),
            1 => old.wrapping_sub(1),
            2 => old ^ 1 << self.below(32),
            3 => self.below(70) as u32,
            4 => [0, 1 << 16, i32::MAX as u32, 1 << 31, u32::MAX][self.below(5)],
            _ => self.below(1 << 32) as u32,
        }
    }
}

/// Runs a damaged plan: whatever of it is accepted keeps to its memory, reads nothing else, and gives the same bits with
/// every instruction set, where these read the same weights. Returns whether it was accepted.
fn is_harmless(bytes: &[u8], whole: &Writer) -> bool {
    let portable = run_between(bytes, Isa::PORTABLE, 0xA5);
    assert_eq!(run_between(bytes, Isa::PORTABLE, 0x5A), portable, "read outside the arena");
    let same = !sums_elsewhere(bytes, whole);
    for isa in Isa::available() {
        let found = run_between(bytes, isa, 0xA5);
        assert!(!same || found == portable, "{:?}", isa.level());
        assert_eq!(run_between(bytes, isa, 0x5A), found, "{:?}: read outside the arena", isa.level());
    }
    portable.is_some()
}

/// Whether weights in fours are read where others lie: some instruction sets take the sums of weights before them as they
/// are, others never look at them.
fn sums_elsewhere(bytes: &[u8], whole: &Writer) -> bool {
    let fours = |code: u16, args: &[u32]| [ConvI8::CODE, ConvAddI8::CODE].contains(&code) && args.last() == Some(&4);
    let places: Vec<Operand> = whole.steps.iter().filter(|s| fours(s.code, &s.args)).map(|s| s.reads[1]).collect();
    let words: Vec<u32> =
        bytes[table(bytes)].as_chunks().0.iter().map(|&word: &[u8; 4]| u32::from_le_bytes(word)).collect();
    let known = |step: Step<'_>| step.reads().nth(1).is_some_and(|weights| places.contains(&weights));
    Steps::new(&words).map_while(Result::ok).any(|step| fours(step.code, step.args) && !known(step))
}

#[test]
fn two_thousand_damaged_step_tables_are_refused_or_harmless() {
    let whole = everything();
    let (mut random, mut accepted) = (Random(1), 0);
    let undamaged = cases::Aligned([0; 32768]);
    let place = |bytes: &[u8]| {
        let mut file = undamaged.clone();
        file.0[..bytes.len()].copy_from_slice(bytes);
        file
    };
    let bytes = whole.finish();
    assert!(is_harmless(&place(&bytes).0[..bytes.len()], &whole), "the undamaged plan is refused");
    let words = table(&bytes).len() / 4;
    for round in 0..2000 {
        let mut damaged = bytes.clone();
        if round % 2 == 0 {
            // A field of a step, through the writer.
            let mut writer = whole.clone();
            let step = random.below(writer.steps.len());
            let step = &mut writer.steps[step];
            for _ in 0..=random.below(3) {
                change(step, &mut random);
            }
            damaged = writer.finish();
        } else {
            // Any word, headers included.
            for _ in 0..=random.below(3) {
                let word = random.below(words);
                let at = table(&bytes).start + 4 * word;
                let old = u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
                patch(&mut damaged, word, random.word(old));
            }
        }
        accepted += usize::from(is_harmless(&place(&damaged).0[..damaged.len()], &whole));
    }
    // Enough must be accepted that running them proves something.
    assert!(accepted > 100, "{accepted}");
}

fn change(step: &mut StepSpec, random: &mut Random) {
    let spaces = [Space::Arena, Space::Weights, Space::InPlace, Space::Absent];
    match random.below(4) {
        0 if !step.reads.is_empty() => {
            let k = random.below(step.reads.len());
            let read = &mut step.reads[k];
            match random.below(3) {
                0 => read.space = spaces[random.below(4)],
                1 => read.offset = random.word(read.offset),
                _ => read.len = random.word(read.len),
            }
        }
        1 => {
            let write = &mut step.writes[0];
            match random.below(2) {
                0 => write.offset = random.word(write.offset),
                _ => write.len = random.word(write.len),
            }
        }
        _ => {
            let k = random.below(step.args.len());
            step.args[k] = random.word(step.args[k]);
        }
    }
}

#[test]
fn a_run_of_accepted_plans_repeats() {
    let bytes = Writer {
        arena_bytes: 64,
        arena_align: 64,
        steps: vec![StepSpec::new(
            "fill",
            Fill { element_bytes: 4, len: 16, value: 7, value_high: 0 },
            vec![operand(Space::Arena, 0, 64)],
            vec![],
        )],
        ..Writer::new()
    }
    .finish();
    let same = ocellus_runtime::with_session(&bytes, Isa::best(), |session| {
        session.run();
        let mut names = vec![];
        session.run_each(|index, name| names.push((index, name)));
        assert_eq!(names, [(0, "fill")]);
        session.run_until(0).map(|b| b.chunks(4).all(|b| b == [7, 0, 0, 0]))
    });
    assert_eq!(same, Ok(Some(true)));
}

#[test]
fn a_thousand_damaged_lanes_are_refused_or_harmless() {
    damaged(&lanes());
}

#[test]
fn a_thousand_damaged_branches_are_refused_or_harmless() {
    damaged(&branches());
}

/// Runs what is accepted of a thousand plans with some other words in their steps, on one thread and on more.
fn damaged(writer: &Writer) {
    let (mut random, mut accepted) = (Random(5), 0);
    let pools = [1, 2, 3].map(|threads| Pool::new(threads).unwrap());
    let bytes = writer.finish();
    let words = table(&bytes);
    let mut file = Aligned([0; 32768]);
    for _ in 0..1000 {
        file.0[..bytes.len()].copy_from_slice(&bytes);
        let damaged = &mut file.0[..bytes.len()];
        for _ in 0..=random.below(2) {
            let at = words.start + 4 * random.below(words.len() / 4);
            let old = u32::from_le_bytes(damaged[at..at + 4].try_into().unwrap());
            damaged[at..at + 4].copy_from_slice(&random.word(old).to_le_bytes());
        }
        let crc = crc32(0, &damaged[20..]).to_le_bytes();
        damaged[16..20].copy_from_slice(&crc);
        let plan = Plan::parse(&file.0[..bytes.len()]).unwrap();
        for pool in &pools {
            let (mut steps, mut memory) = (vec![0; plan.step_words()], Aligned([0xA5; 32768]));
            let (before, rest) = memory.0.split_at_mut(2048);
            let (arena, after) = rest.split_at_mut(plan.arena_bytes());
            let Ok(mut session) = Session::load(plan, ops::ALL, Isa::best(), &mut steps, arena) else { continue };
            session.run_on(pool);
            assert!(before.iter().chain(after.iter()).all(|&b| b == 0xA5), "written outside the arena");
            accepted += 1;
        }
    }
    assert!(accepted > 100, "{accepted} accepted: nothing was tried");
}
