//! A sentence about a picture, word by word: greedy or beam search over a [`Step`] that the runtime's caller implements.
//!
//! The state of the decoder stays where the model keeps it: a step is told which beam of the step before each beam goes
//! on from, and moves the rows itself.

mod search;
mod vocabulary;

pub use search::{Beam, Caption, Search, Step, search};
pub use vocabulary::{Vocabulary, WordId};
