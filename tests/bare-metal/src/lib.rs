//! Load and run of a plan behind one C function, with every device operation linked; and pixels in, answers out, behind
//! another.
#![no_std]

mod see;

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

/// Prepares a picture and decodes its bytes as every kind of answer; the number depends on all of them.
///
/// # Safety
/// The memories are valid for their lengths and do not overlap.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ocellus_see(
    bytes: *const u8,
    len: usize,
    out: *mut u8,
    out_len: usize,
    sizes: *const [u32; 4],
    kind: u32,
) -> i32 {
    // SAFETY: the caller's promise.
    let (bytes, out, sizes) =
        unsafe { (slice::from_raw_parts(bytes, len), slice::from_raw_parts_mut(out, out_len), *sizes) };
    see::see(bytes, out, sizes, kind)
}
