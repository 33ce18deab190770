//! How a detector's outputs are read, and the whole way from them to boxes.

use std::string::String;
use std::vec::Vec;

use serde::{Deserialize, Serialize};

use super::{Decode, MetadataError};
use crate::best::Best;
use crate::detect::{AnchorFree, AnchorLevel, Anchors, Detection, Level, Overlap, suppress};
use crate::values::Map;

/// Candidates that are kept before suppression; the best stay.
const CANDIDATES: usize = 512;
/// Objects that are kept at most.
const OBJECTS: usize = 100;

/// How a detector's outputs are read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DetectDecode {
    /// The names of the classes, in the order of the scores.
    pub classes: Vec<String>,
    /// The kind of head with its outputs.
    #[serde(flatten)]
    pub head: Head,
    /// The least score that is an answer.
    pub score: f32,
    /// What becomes of overlapping boxes.
    #[serde(flatten)]
    pub suppression: Suppression,
}

/// What becomes of overlapping boxes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "suppression", rename_all = "lowercase")]
pub enum Suppression {
    /// The worse one goes.
    Hard {
        /// The greatest intersection over union that both survive.
        iou: f32,
    },
    /// The worse one's score falls by the overlap.
    Soft {
        /// The greater, the milder.
        sigma: f32,
    },
}

/// The kind of head.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "head", rename_all = "kebab-case")]
pub enum Head {
    /// Distances to the four sides.
    AnchorFree {
        /// Channels per side.
        bins: usize,
        /// The levels of the pyramid.
        levels: Vec<AnchorFreeLevel>,
    },
    /// Anchors that are moved and scaled.
    Anchors {
        /// What a move of 1 is worth.
        center_variance: f32,
        /// What a scaling of 1 is worth.
        size_variance: f32,
        /// The maps.
        levels: Vec<AnchoredLevel>,
    },
}

/// The outputs of a level without anchors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AnchorFreeLevel {
    /// Pixels between two places.
    pub stride: usize,
    /// Name of the output with the scores `[1, classes, H, W]`.
    pub scores: String,
    /// Name of the output with the sides `[1, 4 * bins, H, W]`.
    pub boxes: String,
}

/// The outputs of a level with anchors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AnchoredLevel {
    /// Pixels between two places.
    pub stride: usize,
    /// Name of the output with the scores `[1, anchors * (1 + classes), H, W]`.
    pub scores: String,
    /// Name of the output with the moves and scalings `[1, anchors * 4, H, W]`.
    pub boxes: String,
    /// Widths and heights of the anchors, in pixels.
    pub anchors: Vec<[f32; 2]>,
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Found {
    /// The objects, in pixels of the model's input, the surest first.
    pub objects: Vec<Detection>,
    /// Candidates and objects beyond the capacity; those that were kept are the best.
    pub overflow: usize,
}

impl DetectDecode {
    /// From outputs to objects. `map` gives the output of a name for one picture; `input` is `[height, width]`;
    /// `score` replaces the model's own least score.
    ///
    /// # Errors
    /// An output that is not there, or does not have the channels that the head asks for.
    pub fn decode<'m>(
        &self,
        map: impl Fn(&str) -> Option<Map<'m>>,
        input: [usize; 2],
        score: Option<f32>,
    ) -> Result<Found, MetadataError> {
        let threshold = score.unwrap_or(self.score);
        let mut candidates = Best::<Detection, CANDIDATES>::new();
        let input = input.map(|side| side as f32);
        let classes = self.classes.len();
        let take = |name: &str, channels: usize| {
            let problem = |text: String| MetadataError::Content { key: Decode::KEY, problem: text };
            let found = map(name).ok_or_else(|| problem(std::format!("the model has no output map {name:?}")))?;
            match found.channels == channels {
                true => Ok(found),
                false => Err(problem(std::format!(
                    "output {name:?} has to have {channels} channels, it has {}",
                    found.channels
                ))),
            }
        };
        match &self.head {
            Head::AnchorFree { bins, levels } => {
                let decoder = AnchorFree { bins: *bins, threshold, input };
                for level in levels {
                    let scores = take(&level.scores, classes)?;
                    let boxes = take(&level.boxes, bins.saturating_mul(4))?;
                    decoder.candidates(&Level { scores, boxes, stride: level.stride as f32 }, &mut candidates);
                }
            }
            Head::Anchors { center_variance, size_variance, levels } => {
                let (center_variance, size_variance) = (*center_variance, *size_variance);
                let decoder = Anchors { center_variance, size_variance, threshold, input };
                for level in levels {
                    let (anchors, count) = (level.anchors.as_slice(), level.anchors.len());
                    let scores = take(&level.scores, count.saturating_mul(classes.saturating_add(1)))?;
                    let boxes = take(&level.boxes, count.saturating_mul(4))?;
                    let level = AnchorLevel { scores, boxes, stride: level.stride as f32, anchors };
                    decoder.candidates(&level, &mut candidates);
                }
            }
        }
        let overlap = match self.suppression {
            Suppression::Hard { iou } => Overlap::Drop { iou },
            Suppression::Soft { sigma } => Overlap::Gaussian { sigma },
        };
        let mut kept = heapless::Vec::<Detection, OBJECTS>::new();
        let more = suppress(&candidates, overlap, true, threshold, &mut kept);
        Ok(Found { objects: kept.to_vec(), overflow: candidates.overflow().saturating_add(more) })
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::ToOwned;
    use std::collections::BTreeMap;
    use std::string::ToString;

    use super::*;

    fn detector() -> DetectDecode {
        DetectDecode {
            classes: std::vec!["cat".to_owned(), "dog".to_owned()],
            head: Head::AnchorFree {
                bins: 1,
                levels: std::vec![AnchorFreeLevel { stride: 8, scores: "s".to_owned(), boxes: "b".to_owned() }],
            },
            score: 0.3,
            suppression: Suppression::Hard { iou: 0.6 },
        }
    }

    #[test]
    fn the_whole_way() {
        let scores = [-5.0f32, 3.0, -5.0, -5.0];
        let boxes = [1.0f32; 8];
        let map = |name: &str| match name {
            "s" => Some(Map::planes(&scores, [2, 1, 2])),
            "b" => Some(Map::planes(&boxes, [4, 1, 2])),
            _ => None,
        };
        let found = detector().decode(map, [8, 16], None).unwrap();
        assert_eq!((found.objects.len(), found.objects[0].class, found.overflow), (1, 0, 0));
        assert_eq!(detector().decode(map, [8, 16], Some(0.001)).unwrap().objects.len(), 2);
        let error = detector().decode(|_| None, [8, 16], None).unwrap_err().to_string();
        assert!(error.contains("no output map \"s\""), "{error}");
        let short = |name: &str| map(name).map(|m| Map { channels: 1, ..m });
        assert!(detector().decode(short, [8, 16], None).unwrap_err().to_string().contains("2 channels"));
    }

    #[test]
    fn what_is_written_is_read() {
        let anchors = DetectDecode {
            head: Head::Anchors {
                center_variance: 0.1,
                size_variance: 0.2,
                levels: std::vec![AnchoredLevel {
                    stride: 16,
                    scores: "s".to_owned(),
                    boxes: "b".to_owned(),
                    anchors: std::vec![[16.0, 32.0]],
                }],
            },
            suppression: Suppression::Soft { sigma: 0.5 },
            ..detector()
        };
        for decode in [Decode::Detect(detector()), Decode::Detect(anchors)] {
            let mut metadata = BTreeMap::new();
            decode.describe(&mut metadata);
            assert_eq!(Decode::of(&metadata).unwrap(), Some(decode), "{metadata:?}");
        }
    }
}
