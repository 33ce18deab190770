//! The outputs of a plan are the same bits whatever the number of threads, and threads allocate nothing in a run.
#![allow(unsafe_code)] // a global allocator is unsafe by its trait; this one only counts

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use ocellus_compiler::{Options, compile, prepare};
use ocellus_graph::{DataType, Model, Tensor};
use ocellus_ops::{Builder, Gemm, OpError, Window};
use ocellus_runtime::{Host, Isa, Parallel, Part, Pool, Session, with_session};
use ocellus_tests::networks::{Activations, integer_network, random};

struct Counting;

static COUNT: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.fetch_add(1, Ordering::SeqCst);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// A pool that shares every step that can be shared, however small, and counts the parts.
struct Eager(Pool, AtomicUsize);

impl Parallel for Eager {
    fn threads(&self) -> usize {
        self.0.threads()
    }

    fn least_work(&self) -> u64 {
        0
    }

    fn told(&self, shares: usize) {
        assert!(shares > 1);
        self.1.fetch_add(shares, Ordering::Relaxed);
    }

    fn run(&self, parts: &mut [Part<'_>]) {
        Parallel::run(&self.0, parts);
    }
}

/// Every kind of step that is shared in f32.
fn float_network() -> Result<Model, OpError> {
    let mut b = Builder::new("float");
    let x = b.input("x", DataType::F32, &[1, 3, 17, 13]);
    let constant = |b: &mut Builder, shape: &[usize]| b.constant("w", random(shape, shape.len() as u64));
    let w = constant(&mut b, &[19, 3, 3, 3]);
    let stem = b.conv(x, w, None, &Window::square(3, 2, 1))?;
    let w = constant(&mut b, &[19, 1, 3, 3]);
    let deep = b.conv(stem, w, None, &Window::square(3, 1, 1).grouped(19))?;
    let gate = b.sigmoid(deep)?;
    let sum = b.add(stem, gate)?;
    let scale = constant(&mut b, &[19, 1, 1]);
    let product = b.mul(sum, scale)?;
    let flat = b.flatten(product, 1)?;
    let columns = b.shape(flat)?[1];
    let w = constant(&mut b, &[37, columns]);
    let y = b.gemm(flat, w, None, &Gemm { trans_b: true, ..Gemm::default() })?;
    b.output(y, "y");
    Ok(b.finish())
}

/// A fully connected layer of one row in int8.
fn integer_layer() -> Result<Model, OpError> {
    let mut b = Builder::new("layer");
    let x = b.input("x", DataType::F32, &[1, 75]);
    let (s, z) = (b.constant("s", Tensor::scalar(0.01f32)), b.constant("z", Tensor::scalar(3i8)));
    let q = b.quantize_linear(x, s, z, None)?;
    let x = b.dequantize_linear(q, s, Some(z), None)?;
    let values = random(&[50, 75], 3).to_f32().iter().map(|v| (v * 127.0) as i8).collect();
    let (w, ws) = (b.constant("w", Tensor::of::<i8>(&[50, 75], values)), b.constant("ws", Tensor::scalar(0.01f32)));
    let wz = b.constant("wz", Tensor::scalar(0i8));
    let w = b.dequantize_linear(w, ws, Some(wz), None)?;
    let y = b.gemm(x, w, None, &Gemm { trans_b: true, ..Gemm::default() })?;
    let q = b.quantize_linear(y, s, z, None)?;
    let y = b.dequantize_linear(q, s, Some(z), None)?;
    b.output(y, "y");
    Ok(b.finish())
}

/// Small maps with many weights, whose channels are shared: a convolution with a sum, one with another number of channels and
/// a table, and a last one whose sum is not in place.
fn deep_network() -> Result<Model, OpError> {
    let mut b = Builder::new("deep");
    let x = b.input("x", DataType::F32, &[1, 96, 7, 5]);
    let (s, z) = (b.constant("s", Tensor::scalar(0.01f32)), b.constant("z", Tensor::scalar(3i8)));
    let (ws, wz) = (b.constant("ws", Tensor::scalar(0.002f32)), b.constant("wz", Tensor::scalar(0i8)));
    let rounded = |b: &mut Builder, x| {
        let q = b.quantize_linear(x, s, z, None)?;
        b.dequantize_linear(q, s, Some(z), None)
    };
    let weights = |b: &mut Builder, shape: &[usize]| {
        let values = random(shape, shape[0] as u64).to_f32().iter().map(|v| (v * 127.0) as i8).collect();
        let w = b.constant("w", Tensor::of::<i8>(shape, values));
        b.dequantize_linear(w, ws, Some(wz), None)
    };
    let x = rounded(&mut b, x)?;
    let w = weights(&mut b, &[96, 96, 3, 3])?;
    let y = b.conv(x, w, None, &Window::square(3, 1, 1))?;
    let y = rounded(&mut b, y)?;
    let y = b.add(x, y)?;
    let x = rounded(&mut b, y)?;
    let w = weights(&mut b, &[100, 96, 3, 3])?;
    let y = b.conv(x, w, None, &Window::square(3, 1, 1))?;
    let y = rounded(&mut b, y)?;
    let gate = b.sigmoid(y)?;
    let gate = rounded(&mut b, gate)?;
    let y = b.mul(y, gate)?;
    let x = rounded(&mut b, y)?;
    let w = weights(&mut b, &[100, 100, 3, 3])?;
    let y = b.conv(x, w, None, &Window::square(3, 1, 1))?;
    let y = rounded(&mut b, y)?;
    let sum = b.add(y, x)?;
    let sum = rounded(&mut b, sum)?;
    b.output(sum, "sum");
    b.output(x, "x");
    Ok(b.finish())
}

fn bytes(session: &Session<'_>) -> Vec<Vec<u8>> {
    let count = session.plan().outputs().count();
    (0..count).map(|i| session.output_bytes(i).expect("an output").to_vec()).collect()
}

/// One test, so that nothing else allocates meanwhile.
#[test]
fn threads() {
    outputs_do_not_depend_on_the_threads();
    small_steps_stay_on_one_thread();
}

fn outputs_do_not_depend_on_the_threads() {
    let networks: [(Model, &[usize]); 5] = [
        (integer_network(Activations::Unsigned).unwrap(), &[2, 3, 17, 13]),
        (integer_network(Activations::Signed).unwrap(), &[2, 3, 17, 13]),
        (integer_layer().unwrap(), &[1, 75]),
        (float_network().unwrap(), &[1, 3, 17, 13]),
        (deep_network().unwrap(), &[1, 96, 7, 5]),
    ];
    for (model, shape) in networks {
        let prepared = prepare(model, &[]).unwrap();
        let input = random(shape, 9).to_f32();
        for isa in Isa::available() {
            let compiled = compile(&prepared, &Options { level: isa.level(), ..Options::default() }).unwrap();
            with_session(&compiled.bytes, isa, |session| {
                session.set_input(0, Host::F32(&input)).unwrap();
                session.run();
                let expected = bytes(session);
                for threads in [1, 2, 3, 4, 7, 40] {
                    let pool = Eager(Pool::new(threads).unwrap(), AtomicUsize::new(0));
                    for _ in 0..3 {
                        session.set_input(0, Host::F32(&input)).unwrap();
                        let before = COUNT.load(Ordering::SeqCst);
                        session.run_on(&pool);
                        assert_eq!(COUNT.load(Ordering::SeqCst), before, "allocations in a run");
                        assert_eq!(bytes(session), expected, "{threads} threads, {}", isa.level().name());
                    }
                    assert_eq!(pool.1.load(Ordering::Relaxed) > 0, threads > 1, "{threads} threads share steps");
                }
            })
            .unwrap();
        }
    }
}

/// One thread in place of two, which does the last part first, and counts what is shared.
struct Watched(u64, AtomicUsize);

impl Parallel for Watched {
    fn threads(&self) -> usize {
        2
    }

    fn least_work(&self) -> u64 {
        self.0
    }

    fn told(&self, _: usize) {
        self.1.fetch_add(1, Ordering::Relaxed);
    }

    fn run(&self, parts: &mut [Part<'_>]) {
        assert_eq!(parts.len(), 2);
        parts.iter_mut().rev().for_each(Part::run);
    }
}

fn small_steps_stay_on_one_thread() {
    let compiled = compile(&prepare(integer_layer().unwrap(), &[]).unwrap(), &Options::default()).unwrap();
    let watched = Watched(4_000, AtomicUsize::new(0));
    with_session(&compiled.bytes, Isa::best(), |session| {
        let input = random(&[1, 75], 9).to_f32();
        session.set_input(0, Host::F32(&input)).unwrap();
        session.run();
        let expected = bytes(session);
        session.input_bytes(0).unwrap().fill(0);
        session.run();
        assert_ne!(bytes(session), expected);
        session.set_input(0, Host::F32(&input)).unwrap();
        session.run_on(&watched);
        assert_eq!(bytes(session), expected, "steps for one thread run too");
        // The first part does what nobody else does.
        let eager = Watched(0, AtomicUsize::new(0));
        session.set_input(0, Host::F32(&input)).unwrap();
        session.run_on(&eager);
        assert_eq!(bytes(session), expected, "nobody helped");
        assert!(eager.1.load(Ordering::Relaxed) > 0);
    })
    .unwrap();
    assert_eq!(watched.1.load(Ordering::Relaxed), 0);
}
