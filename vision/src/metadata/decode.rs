//! How a model's outputs become answers.

use std::borrow::ToOwned;
use std::collections::BTreeMap;
use std::string::String;
use std::vec::Vec;

use serde::{Deserialize, Serialize};

use super::{DetectDecode, MetadataError, read};
use crate::caption::{Search, WordId};

/// What the outputs mean.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Decode {
    /// One score per class.
    Classify {
        /// The names of the classes, in the order of the scores.
        classes: Vec<String>,
    },
    /// Objects with boxes.
    Detect(DetectDecode),
    /// A class for every pixel.
    Segment(SegmentDecode),
    /// A sentence.
    Caption(CaptionDecode),
}

impl Decode {
    /// The metadata key.
    pub const KEY: &'static str = "ocellus.decode";

    /// What the metadata say, where they say it.
    ///
    /// # Errors
    /// Text that cannot be read.
    pub fn of(metadata: &BTreeMap<String, String>) -> Result<Option<Self>, MetadataError> {
        read(metadata, Self::KEY)
    }

    /// Writes it into the metadata.
    pub fn describe(&self, metadata: &mut BTreeMap<String, String>) {
        metadata.insert(Self::KEY.to_owned(), serde_json::to_string(self).unwrap_or_default());
    }

    /// The task: `classify`, `detect`, `segment` or `caption`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Classify { .. } => "classify",
            Self::Detect(_) => "detect",
            Self::Segment(_) => "segment",
            Self::Caption(_) => "caption",
        }
    }

    /// The names of the classes; a captioner has none.
    pub fn classes(&self) -> &[String] {
        match self {
            Self::Classify { classes } => classes,
            Self::Detect(detect) => &detect.classes,
            Self::Segment(segment) => &segment.classes,
            Self::Caption(_) => &[],
        }
    }
}

/// How a map of class scores is read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SegmentDecode {
    /// The names of the classes, in the order of the channels; the first is usually the background.
    pub classes: Vec<String>,
    /// The output that holds the map `[1, classes, H, W]`.
    pub output: String,
}

/// How a decoder of words is run. The model that carries this is the encoder; the step is a model of its own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CaptionDecode {
    /// The words, in the order of the step's scores.
    pub words: Vec<String>,
    /// The word that begins a sentence.
    pub start: WordId,
    /// The word that ends it.
    pub end: WordId,
    /// Words after which a sentence is cut.
    pub limit: usize,
    /// Beams of the search; 1 is greedy.
    pub beams: usize,
    /// The length penalty.
    pub penalty: f32,
    /// Columns and rows of the attention map `[height, width]`, where the step has an output `attention`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attention: Option<[usize; 2]>,
}

impl CaptionDecode {
    /// The rules of the search.
    pub fn search(&self) -> Search {
        Search { start: self.start, end: self.end, limit: self.limit, penalty: self.penalty }
    }

    /// The words as [`Vocabulary`](crate::caption::Vocabulary) wants them.
    pub fn text(&self) -> String {
        self.words.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use std::string::ToString;

    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let classify = Decode::Classify { classes: std::vec!["cat".to_owned(), "dog".to_owned()] };
        let caption = Decode::Caption(CaptionDecode {
            words: std::vec!["<end>".to_owned(), "a".to_owned()],
            start: 0,
            end: 0,
            limit: 20,
            beams: 3,
            penalty: 0.5,
            attention: Some([6, 8]),
        });
        let segment =
            Decode::Segment(SegmentDecode { classes: std::vec!["ground".to_owned()], output: "y".to_owned() });
        for decode in [classify, caption, segment] {
            let mut metadata = BTreeMap::new();
            decode.describe(&mut metadata);
            assert!(metadata[Decode::KEY].contains(&std::format!("\"kind\":\"{}\"", decode.kind())));
            assert_eq!(Decode::of(&metadata).unwrap(), Some(decode));
        }
        // What earlier versions wrote.
        let old = BTreeMap::from([(Decode::KEY.to_owned(), r#"{"kind":"classify","classes":["a"]}"#.to_owned())]);
        assert_eq!(Decode::of(&old).unwrap().unwrap().classes(), ["a"]);
        let unknown = BTreeMap::from([(Decode::KEY.to_owned(), r#"{"kind":"smell"}"#.to_owned())]);
        assert!(Decode::of(&unknown).unwrap_err().to_string().contains("smell"));
    }
}
