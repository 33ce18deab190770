//! Load and run of a plan behind one C function, with every device operation linked.
#![no_std]

use core::slice;

use ocellus_runtime::{Isa, Plan, Session, ops};

#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    loop {}
}

/// Parses, loads and runs a plan once. 0 on success, a number for every kind of refusal.
///
/// # Safety
/// The three memories are valid for their lengths and do not overlap; `steps` is aligned to 4.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ocellus_run(
    plan: *const u8,
    plan_len: usize,
    steps: *mut u32,
    step_words: usize,
    arena: *mut u8,
    arena_len: usize,
) -> i32 {
    // SAFETY: the caller's promise.
    let (plan, steps, arena) = unsafe {
        (
            slice::from_raw_parts(plan, plan_len),
            slice::from_raw_parts_mut(steps, step_words),
            slice::from_raw_parts_mut(arena, arena_len),
        )
    };
    let Ok(plan) = Plan::parse(plan) else { return 1 };
    let Ok(mut session) = Session::load(plan, ops::ALL, Isa::best(), steps, arena) else { return 2 };
    session.run();
    0
}
