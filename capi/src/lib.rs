//! The runtime for programs in C: `include/ocellus.h` declares what is defined here, `examples/classify.c` uses it.
//!
//! Nothing allocates: the caller owns the session, the step table and the arena. Nothing panics: what can be wrong is a
//! [`status`], and a session that was not loaded is one of them.
//!
//! ```sh
//! cargo rustc --release --package ocellus-capi --crate-type staticlib     # target/release/libocellus_capi.a
//! cc -Icapi/include capi/examples/classify.c target/release/libocellus_capi.a -lpthread -ldl -lm -o classify
//! ```
//!
//! For bare metal add `--no-default-features --target ...`.
#![no_std]
#![allow(unsafe_code)] // Pointers of another language: every function names what it trusts its caller with.
#![deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[cfg(any(feature = "std", test))]
extern crate std;

mod memory;
mod plan;
mod session;
pub mod status;
mod top;

pub use plan::{PlanSizes, PortInfo, ocellus_input, ocellus_output, ocellus_sizes};
pub use session::{
    SessionRoom, ocellus_get_output, ocellus_input_bytes, ocellus_load, ocellus_output_bytes, ocellus_run,
    ocellus_self_test, ocellus_set_input,
};
pub use status::ocellus_message;
pub use top::{Class, TOP_MAX, ocellus_top};

/// What a program without Rust has no other one of. Nothing reaches it.
#[cfg(all(not(feature = "std"), not(test)))]
#[panic_handler]
fn halt(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
