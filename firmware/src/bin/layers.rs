//! Prints, for every instruction set of this core, a line with its name and one with the checksum of every generated layer.
//!
//! Arguments, from the emulator or debugger: COUNT.
#![no_std]
#![no_main]

use cortex_m_rt::entry;
use ocellus_boards::{Scratch, layers};
use ocellus_firmware::argument;
use ocellus_kernels::Isa;
use semihosting::{println, process};

static mut SCRATCH: Scratch = Scratch::new();

#[entry]
fn main() -> ! {
    // SAFETY: the only reference, made once by the only thread.
    let scratch = unsafe { &mut *core::ptr::addr_of_mut!(SCRATCH) };
    let count = argument(1).unwrap_or(1000);
    for isa in Isa::available() {
        println!("isa {}", isa.level().name());
        for number in 0..count {
            println!("{:08x}", layers::checksum(isa, number, scratch));
        }
    }
    process::exit(0)
}
