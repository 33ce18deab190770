//! The words that a decoder knows.

use core::fmt::{self, Write};

/// Index of a word.
pub type WordId = u16;

/// Words by index, as lines of a text. Nothing is copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vocabulary<'a> {
    text: &'a str,
}

impl<'a> Vocabulary<'a> {
    /// One word a line; the first line is word 0.
    pub fn new(text: &'a str) -> Self {
        Self { text }
    }

    /// How many words there are.
    pub fn len(&self) -> usize {
        self.words().count()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// The words in order. (`str::lines` does the same, with a panic path.)
    pub fn words(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let mut rest = Some(self.text).filter(|text| !text.is_empty());
        core::iter::from_fn(move || {
            let text = rest?;
            let end = text.bytes().position(|b| b == b'\n');
            rest = end.and_then(|end| text.get(end.checked_add(1)?..)).filter(|text| !text.is_empty());
            text.get(..end.unwrap_or(text.len()))
        })
    }

    /// The word of this index.
    pub fn word(&self, id: WordId) -> Option<&'a str> {
        self.words().nth(usize::from(id))
    }

    /// The index of a word.
    pub fn find(&self, word: &str) -> Option<WordId> {
        let place = self.words().position(|w| w == word)?;
        WordId::try_from(place).ok()
    }

    /// Writes words as a sentence: the first letter large, spaces between, a full stop. A word that is not known is
    /// written as `?`.
    ///
    /// # Errors
    /// What `out` says.
    pub fn write(&self, words: &[WordId], out: &mut impl Write) -> fmt::Result {
        for (index, id) in words.iter().enumerate() {
            let word = self.word(*id).unwrap_or("?");
            if index > 0 {
                out.write_str(" ")?;
                out.write_str(word)?;
                continue;
            }
            let mut letters = word.chars();
            if let Some(first) = letters.next() {
                out.write_char(first.to_ascii_uppercase())?;
            }
            out.write_str(letters.as_str())?;
        }
        if words.is_empty() { Ok(()) } else { out.write_str(".") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences() {
        let vocabulary = Vocabulary::new("<end>\na\ngoat\népée");
        assert_eq!((vocabulary.len(), vocabulary.find("goat"), vocabulary.word(9)), (4, Some(2), None));
        let mut text = std::string::String::new();
        vocabulary.write(&[1, 2, 9], &mut text).unwrap();
        vocabulary.write(&[3], &mut text).unwrap();
        vocabulary.write(&[], &mut text).unwrap();
        assert_eq!(text, "A goat ?.épée.");
        assert!(Vocabulary::new("").is_empty());
        let mut short = heapless::String::<4>::new();
        assert!(vocabulary.write(&[1, 2], &mut short).is_err(), "a full buffer is reported");
    }
}
