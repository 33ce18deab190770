//! Trained models that ship: float weights in 16 bits, and in their metadata what the 8-bit model is made with.
//!
//! They were trained on made scenes ([`stamps`](crate::stamps)); `card` says how, and what they reach.

use ocellus_graph::{Model, OnnxError};

use crate::half::widened;

/// What a model answers with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// Boxes.
    Detect,
    /// A class for every pixel.
    Segment,
    /// A sentence.
    Caption,
}

/// A trained model.
#[derive(Clone, Copy)]
pub struct Shipped {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it answers with.
    pub task: Task,
    /// What it is for, how it was trained and what was measured, as Markdown.
    pub card: &'static str,
    model: &'static [u8],
    step: Option<&'static [u8]>,
}

/// Every model that ships; of several for one task the first is the one that answers unless another is named.
pub const ALL: &[Shipped] = &[
    Shipped {
        name: "detector_board",
        task: Task::Detect,
        card: include_str!("detector/board.md"),
        model: include_bytes!("../shipped/detector_board.onnx"),
        step: None,
    },
    Shipped {
        name: "detector_micro",
        task: Task::Detect,
        card: include_str!("detector/micro.md"),
        model: include_bytes!("../shipped/detector_micro.onnx"),
        step: None,
    },
    Shipped {
        name: "segmenter",
        task: Task::Segment,
        card: include_str!("segmenter/card.md"),
        model: include_bytes!("../shipped/segmenter.onnx"),
        step: None,
    },
    Shipped {
        name: "captioner_attention",
        task: Task::Caption,
        card: include_str!("captioner/card.md"),
        model: include_bytes!("../shipped/captioner_attention.onnx"),
        step: Some(include_bytes!("../shipped/captioner_attention.step.onnx")),
    },
];

/// A network of a model that ships, by its name: `segmenter`, or for the decoder's step `captioner_attention.step`.
///
/// # Errors
/// None, unless the program itself is damaged.
pub fn find(name: &str) -> Option<Result<Model, OnnxError>> {
    let bytes = ALL.iter().find_map(|s| match name.strip_prefix(s.name)? {
        "" => Some(s.model),
        ".step" => s.step,
        _ => None,
    })?;
    Some(Model::from_bytes(bytes, None).map(widened))
}

/// The model that answers for a task.
pub fn of(task: Task) -> Option<&'static Shipped> {
    ALL.iter().find(|s| s.task == task)
}

#[cfg(test)]
mod tests {
    use ocellus_vision::metadata::{Decode, Preprocess};

    use super::*;

    #[test]
    fn every_model_says_what_it_takes_and_answers() {
        let mut bytes = 0;
        for shipped in ALL {
            let model = find(shipped.name).unwrap().unwrap();
            let kind = match shipped.task {
                Task::Detect => "detect",
                Task::Segment => "segment",
                Task::Caption => "caption",
            };
            assert_eq!(Decode::of(&model.metadata).unwrap().unwrap().kind(), kind);
            assert!(Preprocess::of(&model.metadata).unwrap().is_some());
            assert!(shipped.card.starts_with("# "));
            let step = format!("{}.step", shipped.name);
            assert_eq!(find(&step).is_some(), shipped.task == Task::Caption);
            bytes += shipped.model.len() + shipped.step.map_or(0, <[u8]>::len);
        }
        let first = [Task::Detect, Task::Segment, Task::Caption].map(|task| of(task).map(|s| s.name));
        assert_eq!(first, [Some("detector_board"), Some("segmenter"), Some("captioner_attention")]);
        assert!(bytes <= 10_000_000, "{bytes} bytes ship");
        assert!(find("nothing").is_none());
    }
}
