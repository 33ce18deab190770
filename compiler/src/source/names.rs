//! Names of tensors as identifiers: of any text, and no two alike.

use std::collections::BTreeSet;

/// What a module and its model have besides their tensors.
const TAKEN: [&str; 13] = [
    "Memory",
    "Model",
    "Aligned",
    "Host",
    "HostMut",
    "Isa",
    "LoadError",
    "OpEntry",
    "Plan",
    "PortError",
    "Session",
    "Self",
    "Result",
];

/// The functions of a model, and words of the language that a tensor may well be called.
const RESERVED: [&str; 17] = [
    "load", "run", "session", "box", "type", "in", "match", "loop", "move", "ref", "self", "super", "where", "use",
    "mod", "fn", "let",
];

/// The identifiers given so far.
#[derive(Default)]
pub(super) struct Names(BTreeSet<String>);

impl Names {
    /// Type and function of an input: `Pixels` and `set_pixels`.
    pub fn input(&mut self, name: &str) -> (String, String) {
        let words = words(name);
        (self.free(camel(&words)), self.free(format!("set_{}", words.join("_"))))
    }

    /// Type and function of an output: `Scores` and `scores`.
    pub fn output(&mut self, name: &str) -> (String, String) {
        let words = words(name);
        (self.free(camel(&words)), self.free(words.join("_")))
    }

    /// This identifier, with a number behind it where it is taken.
    fn free(&mut self, name: String) -> String {
        let taken = |n: &String| TAKEN.contains(&n.as_str()) || RESERVED.contains(&n.as_str()) || self.0.contains(n);
        let numbered = (2..).map(|k| format!("{name}_{k}"));
        let free = std::iter::once(name.clone()).chain(numbered).find(|n| !taken(n)).unwrap_or_default();
        self.0.insert(free.clone());
        free
    }
}

/// The lower-case words of a name; `tensor` before what begins with a digit or has no letter at all.
fn words(name: &str) -> Vec<String> {
    let parts = name.split(|c: char| !c.is_ascii_alphanumeric()).filter(|w| !w.is_empty());
    let mut words: Vec<String> = parts.map(str::to_ascii_lowercase).collect();
    if words.first().is_none_or(|w| w.starts_with(|c: char| c.is_ascii_digit())) {
        words.insert(0, "tensor".to_owned());
    }
    words
}

fn camel(words: &[String]) -> String {
    let capital = |word: &String| {
        let mut letters = word.chars();
        letters.next().map(|c| c.to_ascii_uppercase()).into_iter().chain(letters).collect::<String>()
    };
    words.iter().map(capital).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_name_becomes_an_identifier_of_its_own() {
        let mut names = Names::default();
        assert_eq!(names.input("input_1:0"), ("Input10".to_owned(), "set_input_1_0".to_owned()));
        assert_eq!(
            names.input("serving_default.X"),
            ("ServingDefaultX".to_owned(), "set_serving_default_x".to_owned())
        );
        assert_eq!(names.output("495"), ("Tensor495".to_owned(), "tensor_495".to_owned()));
        assert_eq!(names.output("run"), ("Run".to_owned(), "run_2".to_owned()));
        assert_eq!(names.output("Run"), ("Run_2".to_owned(), "run_3".to_owned()));
        assert_eq!(names.output("é"), ("Tensor".to_owned(), "tensor".to_owned()));
        assert_eq!(names.output("model"), ("Model_2".to_owned(), "model".to_owned()));
    }
}
