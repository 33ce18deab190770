//! Clothes on a picture of 28 by 28 grey pixels, without heap, files or panics; the memory is the caller's, and its size
//! is known when this is built.
//!
//! ```
//! use ocellus_build_example::{Memory, Model, classify};
//! let mut memory = Memory::new();
//! let mut model = Model::load(&mut memory).unwrap();
//! let picture = [[[[0.0; 28]; 28]; 1]; 1];
//! assert!(classify(&mut model, &picture).unwrap() < 10);
//! ```
//!
//! A picture of another size is another type, and does not compile:
//!
//! ```compile_fail,E0308
//! use ocellus_build_example::{Memory, Model, classify};
//! let mut memory = Memory::new();
//! let mut model = Model::load(&mut memory).unwrap();
//! let picture = [[[[0.0; 28]; 27]; 1]; 1];
//! assert!(classify(&mut model, &picture).unwrap() < 10);
//! ```
//!
//! Nor do scores of another number of classes:
//!
//! ```compile_fail,E0308
//! use ocellus_build_example::{Memory, Model};
//! let mut memory = Memory::new();
//! let model = Model::load(&mut memory).unwrap();
//! model.output(&mut [[0.0; 11]; 1]);
//! ```
#![no_std]
#![forbid(unsafe_code)]

use ocellus_runtime::PortError;

ocellus_build::include_plan!(mod lenet5);

pub use lenet5::{ARENA_BYTES, Input, Memory, Model, Output};

/// The class with the highest score, of ten kinds of clothes.
///
/// # Errors
/// A pixel that is not a number.
pub fn classify(model: &mut Model<'_>, picture: &Input) -> Result<usize, PortError> {
    model.set_input(picture)?;
    model.run();
    let mut scores = Output::default();
    model.output(&mut scores);
    let all = scores.as_flattened().iter().enumerate();
    Ok(all.max_by(|(_, a), (_, b)| a.total_cmp(b)).map_or(0, |(class, _)| class))
}
