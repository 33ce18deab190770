//! What a network is trained for.

use ocellus_graph::{DataType, ValueId};
use ocellus_ops::OpError;
use serde::{Deserialize, Serialize};

use crate::NetworkBuilder;
use crate::losses::{correct_count, hinge, mean_squared_error, multi_class_hinge, softmax_cross_entropy, target_rows};

/// From the network's answer and the batch's target to losses.
pub trait Objective {
    /// A line that names the objective and its constants.
    fn describe(&self) -> String;

    /// Type and sizes of the targets of a batch of `batch` samples.
    fn target(&self, batch: usize) -> (DataType, Vec<usize>);

    /// The loss of every sample, `[N]`.
    ///
    /// # Errors
    /// An answer of another shape than the objective takes.
    fn losses(&self, b: &mut NetworkBuilder, output: ValueId, target: ValueId) -> Result<ValueId, OpError>;

    /// How many answers are right, a scalar f32; `None` where there is no right and wrong.
    ///
    /// # Errors
    /// As [`Objective::losses`].
    fn correct(&self, b: &mut NetworkBuilder, output: ValueId, target: ValueId) -> Result<Option<ValueId>, OpError>;
}

/// One class per picture, from scores `[N, classes]`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Classification {
    /// Softmax cross-entropy with this label smoothing (0 is none).
    CrossEntropy {
        /// Part of the target that is moved evenly over all classes.
        smoothing: f32,
    },
    /// The linear support vector machine, one class against the rest.
    Hinge {
        /// Whether margins are squared.
        squared: bool,
    },
    /// The multi-class hinge of Weston and Watkins.
    MultiClassHinge {
        /// Whether margins are squared.
        squared: bool,
    },
    /// Mean squared error against 1 for the class and -1 for others, as in the first LeNets.
    SquaredError,
}

impl Objective for Classification {
    fn describe(&self) -> String {
        format!("{self:?}")
    }

    fn target(&self, batch: usize) -> (DataType, Vec<usize>) {
        (DataType::I64, vec![batch])
    }

    fn losses(&self, b: &mut NetworkBuilder, output: ValueId, target: ValueId) -> Result<ValueId, OpError> {
        match *self {
            Self::CrossEntropy { smoothing } => softmax_cross_entropy(b, output, target, smoothing),
            Self::Hinge { squared } => hinge(b, output, target, squared),
            Self::MultiClassHinge { squared } => multi_class_hinge(b, output, target, squared),
            Self::SquaredError => {
                let rows = target_rows(b, output, target, 1.0, -1.0)?;
                mean_squared_error(b, output, rows)
            }
        }
    }

    fn correct(&self, b: &mut NetworkBuilder, output: ValueId, target: ValueId) -> Result<Option<ValueId>, OpError> {
        correct_count(b, output, target).map(Some)
    }
}
