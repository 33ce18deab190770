//! Runs the network that was included when this was built, on generated inputs, and prints what came out and which memory
//! was touched.
//!
//! Arguments, from the emulator or debugger: ANSWERS, MORE (runs without a new input, for counting), FAULTS (1: first try
//! what a plan, an arena or an input can have wrong), and a file: inputs, each of which is answered; with FAULTS, the plan of
//! another core.
#![no_std]
#![no_main]

use core::ptr::addr_of_mut;

use cortex_m_rt::entry;
use ocellus_boards::{Draw, answer};
use ocellus_firmware::{argument, faults, file, highest_touched, samples, stack_used};
use ocellus_runtime::{Isa, Plan, Session};
use semihosting::{println, process};

mod model {
    #![allow(missing_docs, dead_code, unused_imports)]
    include!(env!("OCELLUS_MODULE"));
}
use model::{ARENA_BYTES, OPS, PLAN, STEP_WORDS};

/// Bytes after the arena that nobody may touch.
const GUARD: usize = 256;
/// What untouched memory holds.
const PAINT: u8 = 0xA5;

#[repr(align(64))]
struct Arena([u8; ARENA_BYTES + GUARD]);

static mut ARENA: Arena = Arena([PAINT; ARENA_BYTES + GUARD]);
static mut STEPS: [u32; STEP_WORDS] = [0; STEP_WORDS];

/// Room for the plan of another core.
#[repr(align(64))]
struct Foreign([u8; 64 << 10]);

static mut FOREIGN: Foreign = Foreign([0; 64 << 10]);

#[entry]
fn main() -> ! {
    // SAFETY: the only references, made once by the only thread.
    let (arena, steps) = unsafe { (&mut (*addr_of_mut!(ARENA)).0, &mut *addr_of_mut!(STEPS)) };
    let refused = argument(3) != Some(1) || {
        // SAFETY: as above.
        let room = unsafe { &mut (*addr_of_mut!(FOREIGN)).0 };
        faults::all(&PLAN.0, OPS, steps, arena)
            && file(4, room).is_none_or(|plan| faults::foreign(plan, OPS, steps, arena))
    };
    let outcome = refused && run(arena, steps);
    process::exit(if outcome { 0 } else { 1 })
}

/// Loads, runs and reports.
#[inline(never)]
fn run(arena: &mut [u8], steps: &mut [u32]) -> bool {
    let painted = arena.as_ptr();
    let len = arena.len();
    let loaded = Plan::parse(&PLAN.0).map_err(|_| ()).and_then(|plan| {
        let session = Session::load(plan, OPS, Isa::best(), steps, arena);
        session.map_err(|e| println!("{e}"))
    });
    let Ok(mut session) = loaded else { return false };
    for number in 0..argument(1).unwrap_or(1) {
        println!("answer {:08x}", answer(&mut session, &mut Draw::new(number.into())));
    }
    for _ in 0..argument(2).unwrap_or(0) {
        session.run();
    }
    let whole = argument(3) == Some(1) || samples::all(4, &mut session);
    println!("arena {}", highest_touched(painted, len, PAINT));
    println!("stack {}", stack_used());
    whole
}
