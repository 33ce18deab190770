//! The checksum of a generated layer behind one function.
#![no_std]

use core::ptr::addr_of_mut;

use ocellus_boards::{Scratch, layers};
use ocellus_kernels::Isa;

#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    core::arch::wasm32::unreachable()
}

static mut SCRATCH: Scratch = Scratch::new();

/// The checksum of layer `number`, by the best variant of this module.
#[unsafe(no_mangle)]
pub extern "C" fn checksum(number: u32) -> u32 {
    // SAFETY: the only reference; a module has one thread, and this function does not call itself.
    layers::checksum(Isa::best(), number, unsafe { &mut *addr_of_mut!(SCRATCH) })
}
