//! How well sentences about scenes are written: the field's metrics, and how many of the objects are named.

use ocellus_models::stamps::{by_category, named};
use ocellus_trainer::metrics::{CaptionMetrics, words};
use serde_json::{Value, json};

use crate::scenes::{ScenePart, SceneSource};

/// Words of sentences that name nothing.
const OTHER: [&str; 12] = ["a", "an", "and", "next", "to", "above", "below", "there", "is", "picture", "of", "nothing"];

/// Sentences so far.
pub struct CaptionAccuracy {
    metrics: CaptionMetrics,
    /// Whether the scenes are made ones, whose objects are known by their names.
    made: bool,
    /// Whether objects go by their categories, as those that training has not seen do.
    by_category: bool,
    found: usize,
    all: usize,
}

impl CaptionAccuracy {
    /// For a part of a set.
    pub fn new(data: &SceneSource, part: ScenePart) -> Self {
        let made = *data == SceneSource::Stamps;
        let by_category = made && part == ScenePart::Unseen;
        Self { metrics: CaptionMetrics::default(), made, by_category, found: 0, all: 0 }
    }

    /// A sentence, and what is true, the most telling first.
    pub fn add(&mut self, said: &str, truth: &[String]) {
        let said = if self.by_category { by_category(said) } else { said.to_owned() };
        self.metrics.add(&said, truth);
        let mut left = self.objects(&said);
        for object in self.objects(truth.first().map_or("", String::as_str)) {
            self.all += 1;
            if let Some(place) = left.iter().position(|o| *o == object) {
                left.swap_remove(place);
                self.found += 1;
            }
        }
    }

    /// What a sentence names: of made scenes the objects, of others every word that can name one.
    fn objects(&self, sentence: &str) -> Vec<String> {
        match self.made {
            true => named(sentence).into_iter().map(|n| n.name.to_owned()).collect(),
            false => words(sentence).into_iter().filter(|w| !OTHER.contains(&w.as_str())).collect(),
        }
    }

    /// The figures.
    pub fn figures(&self) -> Value {
        let scores = self.metrics.scores();
        json!({
            "bleu1": scores.bleu[0], "bleu2": scores.bleu[1], "bleu3": scores.bleu[2], "bleu4": scores.bleu[3],
            "rouge": scores.rouge, "cider": scores.cider, "objects": self.found as f64 / self.all.max(1) as f64,
            "pictures": self.metrics.pictures(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_counted_once_each() {
        let truth = ["a goat next to a goat and a yellow pear".to_owned()];
        let mut known = CaptionAccuracy::new(&SceneSource::Stamps, ScenePart::Known);
        known.add("A goat above a yellow pear.", &truth);
        assert!((known.figures()["objects"].as_f64().unwrap() - 2.0 / 3.0).abs() < 1e-9);
        let mut unseen = CaptionAccuracy::new(&SceneSource::Stamps, ScenePart::Unseen);
        unseen.add("A yellow pear and an ostrich.", &["a fruit and a bird".to_owned()]);
        let figures = unseen.figures();
        assert_eq!((figures["objects"].as_f64(), figures["pictures"].as_u64()), (Some(1.0), Some(1)));
    }
}
