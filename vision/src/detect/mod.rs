//! Objects with their boxes: decode a model's maps into candidates, then [`suppress`] those that name one object twice.
//!
//! Candidates are collected in [`Best`](crate::Best): the capacity is in the type, the best scores stay, and the overflow
//! is counted.

mod anchor_free;
mod anchors;
mod rect;
mod suppress;

pub use anchor_free::{AnchorFree, Level};
pub use anchors::{AnchorLevel, Anchors};
pub use rect::Rect;
pub use suppress::{Overlap, suppress};

/// An object.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Detection {
    /// Index of the class.
    pub class: usize,
    /// How sure the model is, between 0 and 1.
    pub score: f32,
    /// Its box, in pixels of the model's input, or of the picture after [`Rect::to_picture`].
    pub rect: Rect,
}
