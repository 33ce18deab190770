//! Pictures with more than one answer: boxes, masks, sentences.

use std::sync::Arc;

use super::{Mask, Picture};
use crate::error::DataError;

/// A box by its sides in pixels: left, top, right, bottom; the pixel at `(0, 0)` reaches from 0 to 1.
pub type Sides = [f32; 4];

/// An object in a picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Object {
    /// Index of its class.
    pub class: usize,
    /// Its box.
    pub sides: Sides,
    /// Its pixels, where they are known.
    pub mask: Option<Mask>,
    /// Whether it stands for a group that is not told apart: no answer inside it is wrong.
    pub crowd: bool,
}

/// A picture with all that is known of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Scene {
    /// The picture, of any size.
    pub picture: Picture,
    /// The objects.
    pub objects: Vec<Object>,
    /// The class of every pixel, row by row, [`Scene::UNKNOWN`] where it is not known; `None` where there is no such
    /// mask.
    pub labels: Option<Vec<u8>>,
    /// Sentences about it.
    pub captions: Vec<String>,
}

impl Scene {
    /// The label of a pixel whose class is not known.
    pub const UNKNOWN: u8 = 255;

    /// A picture of which nothing is known.
    pub fn of(picture: Picture) -> Self {
        Self { picture, objects: Vec::new(), labels: None, captions: Vec::new() }
    }

    /// Refuses boxes outside the picture or without area, unknown classes, and masks of other sizes; `name` says which
    /// picture it is.
    ///
    /// # Errors
    /// What is wrong, with the object's number.
    pub fn check(&self, name: &str, classes: usize) -> Result<(), DataError> {
        let (w, h) = (self.picture.width as f32, self.picture.height as f32);
        for (index, object) in self.objects.iter().enumerate() {
            let wrong = |what: String| Err(DataError::Sample(format!("{name}: object {index} {what}")));
            let [x0, y0, x1, y1] = object.sides;
            if object.class >= classes {
                return wrong(format!("has class {}, there are {classes}", object.class));
            }
            // A pixel of tolerance: some tools count sides from 1 or round up.
            let inside = x0 >= -1.0 && y0 >= -1.0 && x1 <= w + 1.0 && y1 <= h + 1.0;
            if !(x1 > x0 && y1 > y0 && inside) {
                return wrong(format!("has the box {:?}, the picture {w} x {h} pixels", object.sides));
            }
            if let Some(mask) = &object.mask
                && (mask.height(), mask.width()) != (self.picture.height, self.picture.width)
            {
                return wrong(format!("has a mask of {} x {} pixels", mask.width(), mask.height()));
            }
        }
        let sizes = self.picture.width * self.picture.height;
        match &self.labels {
            Some(labels) if labels.len() != sizes => {
                Err(DataError::Sample(format!("{name}: a mask of {} pixels for {sizes}", labels.len())))
            }
            _ => Ok(()),
        }
    }
}

/// Scenes by index.
pub trait Scenes: Send + Sync {
    /// How many there are.
    fn len(&self) -> usize;

    /// Whether there is none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The scene of this index, which is less than [`Scenes::len`].
    ///
    /// # Errors
    /// A file that cannot be read or decoded, contents that contradict each other, or an index out of range.
    fn get(&self, index: usize) -> Result<Scene, DataError>;

    /// The names of the classes of objects.
    fn classes(&self) -> &[String];
}

impl<S: Scenes + ?Sized> Scenes for Arc<S> {
    fn len(&self) -> usize {
        (**self).len()
    }

    fn get(&self, index: usize) -> Result<Scene, DataError> {
        (**self).get(index)
    }

    fn classes(&self) -> &[String] {
        (**self).classes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes_classes_and_masks_are_checked() {
        let object = |class, sides| Object { class, sides, mask: None, crowd: false };
        let check = |object: Object| {
            let scene = Scene { objects: vec![object], ..Scene::of(Picture::black(10, 20, 3)) };
            scene.check("a.png", 2).map_err(|e| e.to_string())
        };
        assert_eq!(check(object(1, [0.0, 0.0, 20.0, 10.0])), Ok(()));
        assert_eq!(check(object(1, [1.0, 1.0, 21.0, 11.0])), Ok(()));
        assert!(check(object(2, [0.0, 0.0, 5.0, 5.0])).unwrap_err().contains("class 2"));
        for sides in [[5.0, 5.0, 5.0, 9.0], [0.0, 0.0, 25.0, 5.0], [f32::NAN, 0.0, 5.0, 5.0], [9.0, 9.0, 3.0, 3.0]] {
            assert!(check(object(0, sides)).unwrap_err().contains("a.png: object 0 has the box"), "{sides:?}");
        }
        let mask = Some(Mask::empty(3, 3));
        assert!(check(Object { mask, ..object(0, [0.0, 0.0, 5.0, 5.0]) }).unwrap_err().contains("mask of 3 x 3"));
        let short = Scene { labels: Some(vec![0; 3]), ..Scene::of(Picture::black(2, 2, 3)) };
        assert!(short.check("b", 1).is_err());
    }
}
