//! A table of captions: lines with a picture's file, a tab, and a sentence.

use std::path::{Path, PathBuf};

use super::scene::{Scene, Scenes};
use super::{Picture, check_index};
use crate::error::DataError;

/// Pictures with sentences.
#[derive(Clone, Debug)]
pub struct CaptionTable {
    folder: PathBuf,
    rows: Vec<(String, Vec<String>)>,
}

impl CaptionTable {
    /// The sentences of `table` about the pictures in `folder`; several lines may be about one picture. A number behind
    /// the file's name, as in `one.jpg#0`, is left out; empty lines and lines that begin with `#` are skipped.
    ///
    /// # Errors
    /// A table that cannot be read, a line without a tab, or no line at all.
    pub fn open(folder: &Path, table: &Path) -> Result<Self, DataError> {
        let text = std::fs::read_to_string(table).map_err(|e| DataError::read(table, e))?;
        let mut rows: Vec<(String, Vec<String>)> = Vec::new();
        let lines = text.lines().enumerate().filter(|(_, l)| !l.trim().is_empty() && !l.starts_with('#'));
        for (number, line) in lines {
            let fields = line.split_once('\t').map(|(file, sentence)| (file.trim(), sentence.trim()));
            let Some((file, sentence)) = fields.filter(|(f, s)| !f.is_empty() && !s.is_empty()) else {
                return Err(DataError::format(table, &format!("line {}", number + 1), "FILE, a tab, a sentence", line));
            };
            let file = file.rsplit_once('#').filter(|(_, n)| n.parse::<u32>().is_ok()).map_or(file, |(f, _)| f);
            match rows.iter_mut().rev().find(|(known, _)| known == file) {
                Some((_, sentences)) => sentences.push(sentence.to_owned()),
                None => rows.push((file.to_owned(), vec![sentence.to_owned()])),
            }
        }
        if rows.is_empty() {
            return Err(DataError::read(table, "no line is in it"));
        }
        Ok(Self { folder: folder.to_owned(), rows })
    }
}

impl Scenes for CaptionTable {
    fn len(&self) -> usize {
        self.rows.len()
    }

    fn get(&self, index: usize) -> Result<Scene, DataError> {
        check_index(index, self.rows.len())?;
        let (file, captions) = &self.rows[index];
        Ok(Scene { captions: captions.clone(), ..Scene::of(Picture::open(&self.folder.join(file))?) })
    }

    fn classes(&self) -> &[String] {
        &[]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_sentences_for_one_picture() {
        let folder = tempfile::tempdir().unwrap();
        image::RgbImage::new(1, 1).save(folder.path().join("a.png")).unwrap();
        let table = folder.path().join("captions.tsv");
        std::fs::write(&table, "# file\tsentence\na.png#0\tA dot.\nb.png\tNothing.\n\na.png#1\tA black dot.\n")
            .unwrap();
        let set = CaptionTable::open(folder.path(), &table).unwrap();
        assert_eq!(
            (set.len(), set.get(0).unwrap().captions),
            (2, vec!["A dot.".to_owned(), "A black dot.".to_owned()])
        );
        assert!(set.get(1).unwrap_err().to_string().contains("b.png"));
        for broken in ["a.png A dot.", "a.png\t ", ""] {
            std::fs::write(&table, broken).unwrap();
            assert!(CaptionTable::open(folder.path(), &table).unwrap_err().to_string().contains("captions.tsv"));
        }
    }
}
