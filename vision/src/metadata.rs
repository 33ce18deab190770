//! What a model says of its pictures and its answers: JSON under two keys of its metadata, in the ONNX file and in the
//! plan. `docs/metadata.md` describes every field.
//!
//! ```
//! use std::collections::BTreeMap;
//! use ocellus_vision::metadata::{Decode, Preprocess};
//! let text = r#"{"height":32,"width":48,"channels":3,"mean":[0.5,0.5,0.5],"std":[0.25,0.25,0.25]}"#;
//! let metadata = BTreeMap::from([(Preprocess::KEY.to_owned(), text.to_owned())]);
//! let preprocess = Preprocess::of(&metadata).unwrap().expect("is there");
//! assert_eq!(preprocess.target().unwrap().width, 48);
//! assert!(Decode::of(&metadata).unwrap().is_none());
//! ```

use std::borrow::ToOwned;
use std::collections::BTreeMap;
use std::string::{String, ToString};
use std::vec::Vec;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::prepare::{Color, Fit, Target, normalized};

mod decode;
mod detect;

pub use decode::{CaptionDecode, Decode, SegmentDecode};
pub use detect::{AnchorFreeLevel, AnchoredLevel, DetectDecode, Found, Head, Suppression};

/// Metadata that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MetadataError {
    /// The text is not the JSON that the key asks for.
    #[error("metadata {key:?} cannot be read ({problem}): {text}")]
    Json {
        /// The key.
        key: &'static str,
        /// What is wrong.
        problem: String,
        /// The text.
        text: String,
    },
    /// The values contradict each other, or the model.
    #[error("metadata {key:?}: {problem}")]
    Content {
        /// The key.
        key: &'static str,
        /// What is wrong.
        problem: String,
    },
}

/// The value of a key, where it is there.
fn read<T: DeserializeOwned>(
    metadata: &BTreeMap<String, String>,
    key: &'static str,
) -> Result<Option<T>, MetadataError> {
    let Some(text) = metadata.get(key) else { return Ok(None) };
    let broken = |e: serde_json::Error| MetadataError::Json { key, problem: e.to_string(), text: text.clone() };
    serde_json::from_str(text).map(Some).map_err(broken)
}

/// From bytes to numbers: `(pixel / 255 - mean) / std` per channel, through a table of 256 entries so that every machine
/// agrees to the bit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Normalization {
    /// Mean of each channel, of pixels in `[0, 1]`.
    pub mean: Vec<f32>,
    /// Standard deviation of each channel, of pixels in `[0, 1]`.
    pub std: Vec<f32>,
}

impl Normalization {
    /// The same mean and deviation for every one of `channels` channels.
    pub fn uniform(channels: usize, mean: f32, std: f32) -> Self {
        Self { mean: std::vec![mean; channels], std: std::vec![std; channels] }
    }

    /// The 256 values of every channel.
    pub fn tables(&self) -> Vec<[f32; 256]> {
        self.mean.iter().zip(&self.std).map(|(&mean, &std)| normalized(mean, std)).collect()
    }

    /// Whether there is one mean and one positive deviation for each of `channels` channels.
    pub fn fits(&self, channels: usize) -> bool {
        let finite = self.mean.iter().all(|m| m.is_finite()) && self.std.iter().all(|s| s.is_finite() && *s > 0.0);
        self.mean.len() == channels && self.std.len() == channels && finite
    }
}

/// The order of the colours of an input with three channels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Order {
    /// Red, green, blue.
    #[default]
    Rgb,
    /// Blue, green, red.
    Bgr,
}

/// How pictures of other proportions are placed; see [`Fit`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Placing {
    /// Each axis by itself.
    #[default]
    Stretch,
    /// The whole picture, centred, the rest filled.
    Letterbox,
    /// The largest centred part.
    Crop,
}

/// From a picture to the network's input.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Preprocess {
    /// Rows of the input.
    pub height: usize,
    /// Columns of the input.
    pub width: usize,
    /// Channels: 1 (grey) or 3.
    pub channels: usize,
    /// Order of the colours.
    #[serde(default)]
    pub color: Order,
    /// How pictures of other proportions are placed.
    #[serde(default)]
    pub fit: Placing,
    /// The byte around a letterboxed picture.
    #[serde(default)]
    pub fill: u8,
    /// From bytes to numbers.
    #[serde(flatten)]
    pub normalization: Normalization,
}

impl Preprocess {
    /// The metadata key.
    pub const KEY: &'static str = "ocellus.preprocess";

    /// Stretched pictures in red, green and blue, or grey, of the sizes `[height, width, channels]`.
    pub fn new([height, width, channels]: [usize; 3], normalization: Normalization) -> Self {
        let (color, fit) = (Order::default(), Placing::default());
        Self { height, width, channels, color, fit, fill: 0, normalization }
    }

    /// What the metadata say, where they say it.
    ///
    /// # Errors
    /// Text that cannot be read, or values that contradict each other.
    pub fn of(metadata: &BTreeMap<String, String>) -> Result<Option<Self>, MetadataError> {
        let found: Option<Self> = read(metadata, Self::KEY)?;
        if let Some(found) = &found {
            found.target()?;
        }
        Ok(found)
    }

    /// Writes them into the metadata.
    pub fn describe(&self, metadata: &mut BTreeMap<String, String>) {
        metadata.insert(Self::KEY.to_owned(), serde_json::to_string(self).unwrap_or_default());
    }

    /// What `prepare` is to make.
    ///
    /// # Errors
    /// Sizes or channels that no picture has, or a normalisation of other channels.
    pub fn target(&self) -> Result<Target, MetadataError> {
        let content = |problem: String| MetadataError::Content { key: Self::KEY, problem };
        let color = match (self.channels, self.color) {
            (1, _) => Color::Grey,
            (3, Order::Rgb) => Color::Rgb,
            (3, Order::Bgr) => Color::Bgr,
            (other, _) => return Err(content(std::format!("{other} channels; pictures have 1 or 3"))),
        };
        if !self.normalization.fits(self.channels) {
            return Err(content(std::format!("mean and std have to have {} numbers each, std above 0", self.channels)));
        }
        let side = |side: usize| match u16::try_from(side) {
            Ok(side) if side > 0 => Ok(u32::from(side)),
            _ => Err(content(std::format!("{} x {} pixels", self.width, self.height))),
        };
        let fit = match self.fit {
            Placing::Stretch => Fit::Stretch,
            Placing::Letterbox => Fit::Letterbox { fill: self.fill },
            Placing::Crop => Fit::Crop,
        };
        Ok(Target { height: side(self.height)?, width: side(self.width)?, color, fit })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_the_formula() {
        let n = Normalization { mean: std::vec![0.5, 0.25], std: std::vec![0.5, 0.125] };
        let t = n.tables();
        assert_eq!((t[0][0], t[0][255], t[1][255]), (-1.0, 1.0, 6.0));
        assert!(n.fits(2) && !n.fits(1) && !Normalization::uniform(1, 0.0, 0.0).fits(1));
    }

    #[test]
    fn what_is_written_is_read() {
        let mut preprocess = Preprocess::new([4, 6, 3], Normalization::uniform(3, 0.25, 0.5));
        preprocess.fit = Placing::Letterbox;
        preprocess.fill = 114;
        preprocess.color = Order::Bgr;
        let mut metadata = BTreeMap::new();
        assert_eq!(Preprocess::of(&metadata), Ok(None));
        preprocess.describe(&mut metadata);
        assert_eq!(Preprocess::of(&metadata).unwrap(), Some(preprocess.clone()));
        let target = preprocess.target().unwrap();
        assert_eq!((target.color, target.fit), (Color::Bgr, Fit::Letterbox { fill: 114 }));
        let text = &metadata[Preprocess::KEY];
        assert!(text.contains("\"mean\":[0.25,0.25,0.25]") && text.contains("\"fit\":\"letterbox\""), "{text}");
    }

    #[test]
    fn contradictions_are_named() {
        let wrong = |change: &dyn Fn(&mut Preprocess)| {
            let mut preprocess = Preprocess::new([4, 6, 3], Normalization::uniform(3, 0.25, 0.5));
            change(&mut preprocess);
            preprocess.target().unwrap_err().to_string()
        };
        assert!(wrong(&|p| p.channels = 2).contains("2 channels"));
        assert!(wrong(&|p| p.normalization.mean.truncate(1)).contains("3 numbers"));
        assert!(wrong(&|p| p.height = 0).contains("6 x 0"));
        let broken = BTreeMap::from([(Preprocess::KEY.to_owned(), "{".to_owned())]);
        assert!(Preprocess::of(&broken).unwrap_err().to_string().contains("ocellus.preprocess"));
    }
}
