//! The least that runs a network: no debugger, no output, a panic handler that nothing may reach. Its size is what a network
//! costs in flash, and its symbols show that neither an allocator nor a panic is linked.
#![no_std]
#![no_main]

use cortex_m_rt::entry;

#[allow(dead_code, missing_docs, unused_imports)]
mod model {
    include!(env!("OCELLUS_MODULE"));
}
use model::{Memory, Model};

#[panic_handler]
fn halt(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

#[entry]
fn main() -> ! {
    static mut MEMORY: Memory = Memory::new();
    let Ok(mut model) = Model::load(MEMORY) else { loop {} };
    loop {
        // Here a camera or microphone would write to the input, and somebody would read the output.
        model.run();
    }
}
