//! A counting allocator proves that load and run allocate nothing.
#![allow(unsafe_code)] // a global allocator is unsafe by its trait; this one only counts

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use ocellus_compiler::{Options, compile, prepare};
use ocellus_runtime::{AlignedBytes, Host, HostMut, Isa, Plan, Session, ops};
use ocellus_tests::networks::{Activations, integer_network, random};

struct Counting;

thread_local! {
    /// Allocations of this thread: the test harness has others.
    static COUNT: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.set(COUNT.get() + 1);
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

#[test]
fn load_and_run_allocate_nothing() {
    let prepared = prepare(integer_network(Activations::Unsigned).unwrap(), &[]).unwrap();
    let compiled = compile(&prepared, &Options::default()).unwrap();
    let bytes = AlignedBytes::copy_of(&compiled.bytes, 64);
    let input = random(&[2, 3, 17, 13], 1).to_f32();
    let mut scores = vec![0.0; 42];
    let mut steps = vec![0; compiled.report.step_words];
    let mut arena = AlignedBytes::new(compiled.report.arena_bytes, 64);
    let before = COUNT.get();
    let plan = Plan::parse(bytes.as_ref()).unwrap();
    let mut session = Session::load(plan, ops::ALL, Isa::best(), &mut steps, arena.as_mut()).unwrap();
    session.set_input(0, Host::F32(&input)).unwrap();
    session.run();
    session.output(0, HostMut::F32(&mut scores)).unwrap();
    let after = COUNT.get();
    assert_eq!(after - before, 0, "allocations in parse, load, set_input, run and output");
    assert!(scores.iter().any(|&s| s != 0.0), "the run computed something");
    assert!(before > 0, "the allocator counts");
}
