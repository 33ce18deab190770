//! Stages of steps that run band by band, by one thread or by several: the same answers, in less memory.

use std::sync::atomic::{AtomicUsize, Ordering};

use ocellus_compiler::{Compiled, Options, compile, prepare};
use ocellus_graph::{DataType, Model};
use ocellus_ops::{Builder, OpError, Window};
use ocellus_runtime::{Host, Isa, Parallel, Part, Pool, Session, with_session};
use ocellus_tests::networks::{activated, random, rounded};

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

fn outputs(session: &Session<'_>) -> Vec<Vec<u8>> {
    let count = session.plan().outputs().count();
    (0..count).map(|i| session.output_bytes(i).expect("an output").to_vec()).collect()
}

/// The answers of a plan with so many threads, and how often they met.
fn run(compiled: &Compiled, isa: Isa, input: &[f32], threads: usize) -> (Vec<Vec<u8>>, usize) {
    let pool = Meetings(Pool::new(threads).unwrap(), AtomicUsize::new(0));
    with_session(&compiled.bytes, isa, |session| {
        let once = |session: &mut Session<'_>| {
            session.set_input(0, Host::F32(input)).unwrap();
            session.run_on(&pool);
            outputs(session)
        };
        let first = once(session);
        let met = pool.1.load(Ordering::Relaxed);
        assert_eq!(once(session), first, "a second run");
        (first, met)
    })
    .unwrap()
}

fn lanes(compiled: &Compiled) -> usize {
    compiled.report.steps.iter().filter(|step| step.name.starts_with("lanes")).count()
}

/// Pictures whose rows neither 4 nor the bands divide.
const SIZE: usize = 75;

/// A block with a residual: a convolution, an activation, a depthwise convolution, a convolution and a sum.
fn block(stride: i64) -> Model {
    let mut b = Builder::new("block");
    let x = b.input("x", DataType::F32, &[1, 8, SIZE, SIZE]);
    let w = [&[64, 8, 1, 1][..], &[64, 1, 3, 3], &[8, 64, 1, 1]].map(|shape| {
        let seed = shape[0] as u64 + shape[2] as u64;
        b.constant(&format!("w{seed}"), random(shape, seed))
    });
    let wide = b.conv(x, w[0], None, &Window::square(1, 1, 0)).unwrap();
    let wide = b.hard_swish(wide).unwrap();
    let wide = b.conv(wide, w[1], None, &Window::square(3, stride, 1).grouped(64)).unwrap();
    let narrow = b.conv(wide, w[2], None, &Window::square(1, 1, 0)).unwrap();
    let y = if stride == 1 { b.add(narrow, x).unwrap() } else { narrow };
    b.output(y, "y");
    b.finish()
}

#[test]
fn large_pictures_take_less_memory_and_the_answer_stays() {
    let input = random(&[1, 8, SIZE, SIZE], 5).to_f32();
    for (stride, isa) in [1, 2].into_iter().flat_map(|stride| Isa::available().map(move |isa| (stride, isa))) {
        let prepared = prepare(block(stride), &[]).unwrap();
        let options = Options { level: isa.level(), ..Options::default() };
        let whole = compile(&prepared, &Options { lanes: false, ..options }).unwrap();
        let alone = compile(&prepared, &Options { threads: 1, ..options }).unwrap();
        let two = compile(&prepared, &options).unwrap();
        assert_eq!((lanes(&whole), lanes(&alone), lanes(&two)), (0, 1, 1));
        let arena = |c: &Compiled| c.report.arena_bytes;
        assert!(
            arena(&alone) < arena(&two) && arena(&two) < arena(&whole) * 3 / 4,
            "{} {}",
            arena(&alone),
            arena(&two)
        );
        assert!(two.report.macs <= whole.report.macs + whole.report.macs / 4);
        let (expected, _) = run(&whole, isa, &input, 1);
        for threads in [1, 2, 3, 5] {
            assert_eq!(run(&alone, isa, &input, threads).0, expected, "{:?}, {threads} threads", isa.level());
            assert_eq!(run(&two, isa, &input, threads).0, expected, "{:?}, {threads} threads", isa.level());
        }
        let met = |c: &Compiled| run(c, isa, &input, 2).1;
        assert!(met(&two) + 2 <= met(&whole), "two threads meet {} times, or {}", met(&two), met(&whole));
    }
}

#[test]
fn memory_for_one_thread_is_taken_where_more_is_too_much() {
    let prepared = prepare(block(1), &[]).unwrap();
    let alone = compile(&prepared, &Options { threads: 1, ..Options::default() }).unwrap();
    let limit = alone.report.arena_bytes;
    let within = compile(&prepared, &Options { max_ram: Some(limit), ..Options::default() }).unwrap();
    assert_eq!(within.bytes, alone.bytes);
    assert!(compile(&prepared, &Options { max_ram: Some(limit - 1), ..Options::default() }).is_err());
}

/// Layers as detectors have them: split, bottlenecks with sums, a pooling, concatenated, and one output on the way.
fn detector() -> Result<Model, OpError> {
    let mut b = Builder::new("detector");
    let x = b.input("x", DataType::F32, &[1, 3, 43, 26]);
    let x = rounded(&mut b, x, 0.02)?;
    let (one, three) = (Window::square(1, 1, 0), Window::square(3, 1, 1));
    let x = activated(&mut b, x, &[24, 3, 3, 3], &Window::square(3, 2, 1), 0.02)?;
    let x = activated(&mut b, x, &[32, 24, 1, 1], &one, 0.02)?;
    let parts = b.split(x, &[16, 16], 1)?;
    let mut all = parts.clone();
    for _ in 0..2 {
        let last = all[all.len() - 1];
        let y = activated(&mut b, last, &[16, 16, 3, 3], &three, 0.02)?;
        let y = activated(&mut b, y, &[16, 16, 3, 3], &three, 0.02)?;
        let y = b.add(last, y)?;
        all.push(rounded(&mut b, y, 0.02)?);
    }
    let pooled = b.max_pool(all[0], &Window::square(5, 1, 2))?;
    all.push(rounded(&mut b, pooled, 0.02)?);
    let joined = b.concat(&all, 1)?;
    let joined = rounded(&mut b, joined, 0.02)?;
    let map = activated(&mut b, joined, &[40, 80, 1, 1], &one, 0.02)?;
    let deep = activated(&mut b, map, &[40, 1, 3, 3], &Window::square(3, 1, 1).grouped(40), 0.02)?;
    let y = activated(&mut b, deep, &[16, 40, 1, 1], &one, 0.02)?;
    b.output(y, "y");
    b.output(map, "map");
    Ok(b.finish())
}

#[test]
fn two_threads_meet_seldom_and_the_bits_stay() {
    let prepared = prepare(detector().unwrap(), &[]).unwrap();
    let input = random(&[1, 3, 43, 26], 9).to_f32();
    for isa in Isa::available() {
        let options = Options { level: isa.level(), ..Options::default() };
        let whole = compile(&prepared, &Options { lanes: false, ..options }).unwrap();
        let alone = compile(&prepared, &Options { threads: 1, ..options }).unwrap();
        let two = compile(&prepared, &options).unwrap();
        assert_eq!(whole.bytes, alone.bytes, "one thread has nothing to gain");
        assert!(two.report.arena_bytes <= whole.report.arena_bytes);
        assert_eq!(two.report.macs, whole.report.macs, "one thread runs the steps once");
        let (expected, often) = run(&whole, isa, &input, 2);
        for threads in [1, 2, 3, 4] {
            let (found, met) = run(&two, isa, &input, threads);
            assert_eq!(found, expected, "{:?}, {threads} threads", isa.level());
            assert!(threads != 2 || met < often, "{:?}: {met} times instead of {often}", isa.level());
        }
    }
}
