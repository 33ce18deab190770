//! Steps of which none depends on the others, which two threads run at the same time: the same answers in the same memory.

use std::sync::atomic::{AtomicUsize, Ordering};

use ocellus_compiler::{Compiled, Options, compile, prepare};
use ocellus_graph::{DataType, Model};
use ocellus_ops::{Builder, OpError, Window};
use ocellus_runtime::{Host, Isa, Parallel, Part, Pool, with_session};
use ocellus_tests::networks::{activated, convolved, random, rounded};

/// Threads of a pool, and how often they met.
struct Meetings(Pool, AtomicUsize);

impl Parallel for Meetings {
    fn threads(&self) -> usize {
        self.0.threads()
    }

    fn least_work(&self) -> u64 {
        0
    }

    fn told(&self, _: usize) {
        self.1.fetch_add(1, Ordering::Relaxed);
    }

    fn run(&self, parts: &mut [Part<'_>]) {
        Parallel::run(&self.0, parts);
    }
}

/// The answers of a plan with so many threads, and how often they met.
fn run(compiled: &Compiled, isa: Isa, input: &[f32], threads: usize) -> (Vec<Vec<u8>>, usize) {
    let pool = Meetings(Pool::new(threads).unwrap(), AtomicUsize::new(0));
    with_session(&compiled.bytes, isa, |session| {
        let mut answers = [(); 2].map(|()| {
            session.set_input(0, Host::F32(input)).unwrap();
            session.run_on(&pool);
            let count = session.plan().outputs().count();
            (0..count).map(|i| session.output_bytes(i).unwrap().to_vec()).collect::<Vec<_>>()
        });
        let last = std::mem::take(&mut answers[1]);
        assert_eq!(answers[0], last, "a second run");
        (last, pool.1.load(Ordering::Relaxed) / 2)
    })
    .unwrap()
}

const SIZE: usize = 48;

/// A detector: three maps, each half as high as the one before, with two heads of three layers; the heads of each kind are
/// joined. Whoever comes last in a map's heads is the sum of two layers, which may be computed in place.
fn detector() -> Result<Model, OpError> {
    let mut b = Builder::new("detector");
    let x = b.input("x", DataType::F32, &[1, 3, SIZE, SIZE]);
    let x = rounded(&mut b, x, 0.02)?;
    let (one, three, half) = (Window::square(1, 1, 0), Window::square(3, 1, 1), Window::square(3, 2, 1));
    let mut map = activated(&mut b, x, &[32, 3, 3, 3], &half, 0.02)?;
    let mut joined = [Vec::new(), Vec::new()];
    for _ in 0..3 {
        map = activated(&mut b, map, &[32, 32, 3, 3], &half, 0.02)?;
        for (kind, channels) in [(0, 24), (1, 40)] {
            let y = activated(&mut b, map, &[channels, 32, 3, 3], &three, 0.02)?;
            let z = activated(&mut b, y, &[channels, channels, 3, 3], &three, 0.02)?;
            let y = b.add(y, z)?;
            let y = rounded(&mut b, y, 0.02)?;
            let y = activated(&mut b, y, &[channels, channels, 1, 1], &one, 0.02)?;
            let pixels = b.shape(y)?[2..].iter().product::<usize>() as i64;
            joined[kind].push(b.reshape(y, &[1, channels as i64, pixels])?);
        }
    }
    for (kind, parts) in joined.iter().enumerate() {
        let y = b.concat(parts, 2)?;
        let y = rounded(&mut b, y, 0.02)?;
        b.output(y, ["boxes", "classes"][kind]);
    }
    Ok(b.finish())
}

#[test]
fn heads_run_at_the_same_time_and_the_bits_stay() {
    let prepared = prepare(detector().unwrap(), &[]).unwrap();
    let input = random(&[1, 3, SIZE, SIZE], 9).to_f32();
    for isa in Isa::available() {
        let options = Options { level: isa.level(), ..Options::default() };
        let whole = compile(&prepared, &Options { lanes: false, ..options }).unwrap();
        let alone = compile(&prepared, &Options { threads: 1, ..options }).unwrap();
        let two = compile(&prepared, &options).unwrap();
        let branches = |c: &Compiled| c.report.steps.iter().filter(|step| step.name == "branches").count();
        assert_eq!([&whole, &alone, &two].map(branches), [0, 0, 2], "{:?}", isa.level());
        assert!(two.report.arena_bytes <= whole.report.arena_bytes);
        assert_eq!(two.report.macs, whole.report.macs);
        let (expected, often) = run(&whole, isa, &input, 2);
        for threads in [1, 2, 3, 4] {
            let (found, met) = run(&two, isa, &input, threads);
            assert_eq!(found, expected, "{:?}, {threads} threads", isa.level());
            assert!(threads != 2 || met + 4 < often, "{:?}: {met} times instead of {often}", isa.level());
        }
    }
}

/// The end of a detector: two maps with two heads of one layer each; the channels of both heads lie behind each other, and so do
/// the pixels of both maps. The copies of the second map are the last steps.
fn joined_heads() -> Result<Model, OpError> {
    let mut b = Builder::new("joined");
    let x = b.input("x", DataType::F32, &[1, 3, 2 * SIZE, 2 * SIZE]);
    let mut map = rounded(&mut b, x, 0.02)?;
    let (one, half) = (Window::square(1, 1, 0), Window::square(3, 2, 1));
    let (mut channels, mut maps) = (3, Vec::new());
    for _ in 0..2 {
        map = activated(&mut b, map, &[32, channels, 3, 3], &half, 0.02)?;
        channels = 32;
        let boxes = convolved(&mut b, map, &[64, 32, 1, 1], &one, 0.02)?;
        let classes = convolved(&mut b, map, &[80, 32, 1, 1], &one, 0.02)?;
        let y = b.concat(&[boxes, classes], 1)?;
        let y = rounded(&mut b, y, 0.02)?;
        let pixels = b.shape(y)?[2..].iter().product::<usize>() as i64;
        maps.push(b.reshape(y, &[1, 144, pixels])?);
    }
    let y = b.concat(&maps, 2)?;
    let y = rounded(&mut b, y, 0.02)?;
    b.output(y, "y");
    Ok(b.finish())
}

#[test]
fn parts_of_an_output_are_copied_at_the_same_time() {
    let prepared = prepare(joined_heads().unwrap(), &[]).unwrap();
    let input = random(&[1, 3, 2 * SIZE, 2 * SIZE], 5).to_f32();
    for isa in Isa::available() {
        let options = Options { level: isa.level(), ..Options::default() };
        let alone = compile(&prepared, &Options { threads: 1, ..options }).unwrap();
        let two = compile(&prepared, &options).unwrap();
        let last = two.report.steps.iter().rposition(|step| step.name == "branches").unwrap();
        let behind = &two.report.steps[last + 1..];
        assert!(behind.len() == 2 && behind.iter().all(|step| step.name.starts_with("copy")), "{behind:?}");
        assert!(two.report.arena_bytes <= alone.report.arena_bytes);
        let (expected, _) = run(&alone, isa, &input, 1);
        for threads in [1, 2, 3, 4] {
            assert_eq!(run(&two, isa, &input, threads).0, expected, "{:?}, {threads} threads", isa.level());
        }
    }
}
