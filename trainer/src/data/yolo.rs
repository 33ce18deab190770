//! YOLO text: one file per picture with a line `class x y width height` per object, in parts of the picture.

use std::path::{Path, PathBuf};

use super::folder::{entries, is_picture};
use super::scene::{Object, Scene, Scenes};
use super::{Mask, Picture, check_index};
use crate::error::DataError;

/// A folder of pictures with a folder of texts.
#[derive(Clone, Debug)]
pub struct Yolo {
    files: Vec<PathBuf>,
    labels: PathBuf,
    classes: Vec<String>,
}

impl Yolo {
    /// The pictures in `pictures` with the text of the same name in `labels`; a picture without a text has no object.
    /// `classes` are the names by number.
    ///
    /// # Errors
    /// A folder that cannot be read or holds no picture.
    pub fn open(pictures: &Path, labels: &Path, classes: &[String]) -> Result<Self, DataError> {
        let files: Vec<PathBuf> = entries(pictures)?.into_iter().filter(|p| is_picture(p)).collect();
        if files.is_empty() {
            return Err(DataError::read(pictures, "no .jpg, .jpeg or .png file is in it"));
        }
        Ok(Self { files, labels: labels.to_owned(), classes: classes.to_vec() })
    }
}

impl Scenes for Yolo {
    fn len(&self) -> usize {
        self.files.len()
    }

    fn get(&self, index: usize) -> Result<Scene, DataError> {
        check_index(index, self.files.len())?;
        let path = &self.files[index];
        let mut scene = Scene::of(Picture::open(path)?);
        let text_path = self.labels.join(path.file_stem().unwrap_or_default()).with_extension("txt");
        if !text_path.is_file() {
            return Ok(scene);
        }
        let text = std::fs::read_to_string(&text_path).map_err(|e| DataError::read(&text_path, e))?;
        for (number, line) in text.lines().enumerate().filter(|(_, l)| !l.trim().is_empty()) {
            let object = object(line, &scene.picture).ok_or_else(|| {
                let what = format!("line {}", number + 1);
                DataError::format(&text_path, &what, "class x y width height, or class and a polygon", line)
            })?;
            scene.objects.push(object);
        }
        scene.check(&text_path.display().to_string(), self.classes.len())?;
        Ok(scene)
    }

    fn classes(&self) -> &[String] {
        &self.classes
    }
}

/// A line: a class, then a box by its centre and sizes, or the points of a polygon.
fn object(line: &str, picture: &Picture) -> Option<Object> {
    let mut words = line.split_whitespace();
    let class = words.next()?.parse().ok()?;
    let (w, h) = (picture.width as f32, picture.height as f32);
    let numbers: Vec<f32> = words.map(str::parse).collect::<Result<_, _>>().ok()?;
    if let [x, y, width, height] = numbers[..] {
        let (x, y, width, height) = (x * w, y * h, width * w, height * h);
        let sides = [x - width / 2.0, y - height / 2.0, x + width / 2.0, y + height / 2.0];
        return Some(Object { class, sides, mask: None, crowd: false });
    }
    if numbers.len() < 6 || !numbers.len().is_multiple_of(2) {
        return None;
    }
    let points: Vec<f32> = numbers.chunks_exact(2).flat_map(|p| [p[0] * w, p[1] * h]).collect();
    let bound = |axis: usize, f: fn(f32, f32) -> f32| points[axis..].iter().step_by(2).copied().reduce(f);
    let sides = [bound(0, f32::min)?, bound(1, f32::min)?, bound(0, f32::max)?, bound(1, f32::max)?];
    let mask = Some(Mask::of_polygons(picture.height, picture.width, &[points]));
    Some(Object { class, sides, mask, crowd: false })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(text: Option<&str>) -> Result<Scene, DataError> {
        let folder = tempfile::tempdir().unwrap();
        image::RgbImage::new(10, 20).save(folder.path().join("one.png")).unwrap();
        if let Some(text) = text {
            std::fs::write(folder.path().join("one.txt"), text).unwrap();
        }
        Yolo::open(folder.path(), folder.path(), &["a".to_owned(), "b".to_owned()])?.get(0)
    }

    #[test]
    fn boxes_and_polygons() {
        let scene = set(Some("1 0.5 0.5 0.4 0.2\n\n0 0 0 0.5 0 0.5 0.5\n")).unwrap();
        assert_eq!(scene.objects[0].sides, [3.0, 8.0, 7.0, 12.0]);
        assert_eq!((scene.objects[1].sides, scene.objects[1].class), ([0.0, 0.0, 5.0, 10.0], 0));
        assert!(scene.objects[1].mask.as_ref().is_some_and(|m| (20..30).contains(&m.area())));
        assert!(set(None).unwrap().objects.is_empty());
        assert!(set(Some("")).unwrap().objects.is_empty());
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, problem) in [
            ("0 0.5 0.5 0.4", "line 1"),
            ("0 0.5 0.5 0.4 x", "line 1"),
            ("7 0.5 0.5 0.4 0.2", "class 7"),
            ("0 0.9 0.5 0.8 0.2", "has the box"),
            ("0 NaN 0.5 0.8 0.2", "has the box"),
            ("-1 0.5 0.5 0.4 0.2", "line 1"),
        ] {
            let error = set(Some(text)).unwrap_err().to_string();
            assert!(error.contains(problem) && error.contains("one.txt"), "{text}: {error}");
        }
    }
}
