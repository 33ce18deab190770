//! Learning to detect: which place of which level answers for an object ([`Grid`], [`AnchorGrid`]), the losses
//! ([`DetectionObjective`], [`AnchorObjective`]), and scenes as batches ([`DetectionBatches`]).
//!
//! Without anchors the network's answer is one tensor `[N, 4 * bins + classes, cells]`: for every place of every level, in the order of
//! [`Grid`], the logits of the distances to the four sides, then those of the classes. The target is one tensor of the
//! same places, `[N, classes + 5, cells]`: the class (1 at the object's own), the four distances in strides, and whether
//! the place answers for an object.

mod anchor_objective;
mod anchors;
mod assign;
mod batches;
mod objective;

pub use anchor_objective::AnchorObjective;
pub use anchors::AnchorGrid;
pub use assign::{Grid, assign};
pub use batches::DetectionBatches;
pub use objective::DetectionObjective;

use crate::data::Object;

/// What a detector is to answer for the objects of a picture.
pub trait Targets: Send + Sync {
    /// Rows and columns of the target of one picture.
    fn shape(&self, classes: usize) -> [usize; 2];

    /// Writes the target over zeros, row by row; sides are in pixels of the input.
    fn fill(&self, objects: &[Object], classes: usize, out: &mut [f32]);
}
