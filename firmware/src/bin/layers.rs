//! Prints, for every instruction set of this core, a line with its name and one with the checksum of every generated layer.
//!
//! Arguments, from the emulator or debugger: COUNT, PROBES (1: compute the probes instead, and print what the work of each
//! is).
#![no_std]
#![no_main]

use cortex_m_rt::entry;
use ocellus_boards::{Scratch, layers, probes};
use ocellus_firmware::argument;
use ocellus_kernels::Isa;
use semihosting::{println, process};

static mut SCRATCH: Scratch = Scratch::new();

#[entry]
fn main() -> ! {
    // SAFETY: the only reference, made once by the only thread.
    let scratch = unsafe { &mut *core::ptr::addr_of_mut!(SCRATCH) };
    if argument(2) == Some(1) {
        probes::all(scratch, |name, work| println!("probe {} {} {name}", work.count(), work.unit()));
        process::exit(0)
    }
    let count = argument(1).unwrap_or(1000);
    for isa in Isa::available() {
        println!("isa {}", isa.level().name());
        for number in 0..count {
            println!("{:08x}", layers::checksum(isa, number, scratch));
        }
    }
    process::exit(0)
}
