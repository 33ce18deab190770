//! An ONNX model as a Rust module that is compiled while the crate that runs it is built: inputs and outputs are types, so
//! that wrong sizes do not compile.
//!
//! The crate is named twice in `Cargo.toml`: with its default features under `[build-dependencies]`, and with
//! `default-features = false` under `[dependencies]`, where it is the macro alone.
//!
//! ```no_run
//! // build.rs
//! fn main() -> Result<(), ocellus_build::BuildError> {
//!     ocellus_build::Module::new("lenet5", "models/lenet5.int8.onnx").processor("cortex-m4").max_ram(64 * 1024).write()
//! }
//! ```
//!
//! ```text
//! // src/main.rs
//! ocellus_build::include_plan!(mod lenet5);
//!
//! let mut memory = lenet5::Memory::new();
//! let mut model = lenet5::Model::load(&mut memory)?;
//! model.set_input(&picture)?; // a &[[[[f32; 28]; 28]; 1]; 1], and nothing else
//! model.run();
//! model.output(&mut scores); // a &mut [[f32; 10]; 1]
//! ```
//!
//! The crate in the folder `build/example` is all of this, complete.
#![cfg_attr(not(feature = "compile"), no_std)]
#![forbid(unsafe_code)]

#[cfg(feature = "compile")]
mod module;

#[cfg(feature = "compile")]
pub use module::{BuildError, Module};

/// Declares the module that the build script wrote under this name.
///
/// It has `PLAN`, `OPS`, `ARENA_BYTES`, `STEP_WORDS`, `Memory`, `Model` and a type for every input and output. The crate
/// needs `ocellus-runtime`.
#[macro_export]
macro_rules! include_plan {
    ($(#[$attribute:meta])* $visibility:vis mod $name:ident) => {
        $(#[$attribute])*
        $visibility mod $name {
            #![allow(dead_code, unused_imports)]
            ::core::include!(::core::concat!(::core::env!("OUT_DIR"), "/", ::core::stringify!($name), ".rs"));
        }
    };
}
