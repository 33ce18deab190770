//! COCO JSON: pictures with boxes, masks (run lengths, compressed or not, and polygons) and captions, read and written.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::scene::{Object, Scene, Scenes};
use super::{Mask, Picture, check_index};
use crate::error::DataError;

/// A file of annotations with its folder of pictures.
#[derive(Clone, Debug)]
pub struct Coco {
    folder: PathBuf,
    images: Vec<Image>,
    annotations: Vec<Vec<Annotation>>,
    places: BTreeMap<u64, usize>,
    classes: Vec<String>,
}

/// The file as it is written.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct CocoFile {
    /// The pictures.
    #[serde(default)]
    pub images: Vec<Image>,
    /// Objects and captions.
    #[serde(default)]
    pub annotations: Vec<Annotation>,
    /// The classes.
    #[serde(default)]
    pub categories: Vec<Category>,
}

/// A picture of the file.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Image {
    /// Its number.
    pub id: u64,
    /// Its file, relative to the folder.
    pub file_name: String,
    /// Columns.
    #[serde(default)]
    pub width: usize,
    /// Rows.
    #[serde(default)]
    pub height: usize,
}

/// A class.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Category {
    /// Its number; numbers need not be dense.
    pub id: u64,
    /// Its name.
    pub name: String,
}

/// An object or a caption.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Annotation {
    /// Its number.
    #[serde(default)]
    pub id: u64,
    /// The picture.
    pub image_id: u64,
    /// The class of an object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category_id: Option<u64>,
    /// Left, top, width, height.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bbox: Option<[f64; 4]>,
    /// Pixels of the object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub area: Option<f64>,
    /// Polygons or run lengths.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub segmentation: Option<Segmentation>,
    /// 1 for a group that is not told apart.
    #[serde(default)]
    pub iscrowd: u8,
    /// A sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caption: Option<String>,
}

/// The pixels of an object.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Segmentation {
    /// x, y, x, y, … of every polygon.
    Polygons(Vec<Vec<f32>>),
    /// Run lengths.
    Runs {
        /// Rows and columns.
        size: [usize; 2],
        /// The runs.
        counts: Counts,
    },
}

/// Run lengths as numbers or as compressed text.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Counts {
    /// Numbers.
    Numbers(Vec<u32>),
    /// Compressed text.
    Text(String),
}

impl Segmentation {
    /// The mask in a picture of these sizes.
    fn mask(&self, height: usize, width: usize) -> Result<Mask, DataError> {
        match self {
            Self::Polygons(polygons) => Ok(Mask::of_polygons(height, width, polygons)),
            Self::Runs { size: [h, w], counts } => match counts {
                Counts::Numbers(counts) => Mask::of_counts(*h, *w, counts.clone()),
                Counts::Text(text) => Mask::of_text(*h, *w, text),
            },
        }
    }
}

impl Coco {
    /// The pictures of `folder` with the annotations of one or more files, such as instances and captions; pictures are
    /// joined by their numbers, classes are those of all files in the order of their numbers.
    ///
    /// # Errors
    /// A file that cannot be read, numbers that occur twice, or annotations of pictures or classes that no file has.
    pub fn open(folder: &Path, files: &[&Path]) -> Result<Self, DataError> {
        let mut categories: BTreeMap<u64, String> = BTreeMap::new();
        let mut images: BTreeMap<u64, Image> = BTreeMap::new();
        let mut all: Vec<(PathBuf, Annotation)> = Vec::new();
        for &path in files {
            let text = std::fs::read(path).map_err(|e| DataError::read(path, e))?;
            let file: CocoFile = serde_json::from_slice(&text).map_err(|e| DataError::read(path, e))?;
            for category in file.categories {
                let known = categories.insert(category.id, category.name.clone());
                if known.is_some_and(|known| known != category.name) {
                    return Err(DataError::format(path, "category", "one name for each id", category.id));
                }
            }
            let mut here = std::collections::BTreeSet::new();
            for image in file.images {
                if !here.insert(image.id) {
                    return Err(DataError::format(path, "image", "every id once", image.id));
                }
                images.entry(image.id).or_insert(image);
            }
            all.extend(file.annotations.into_iter().map(|a| (path.to_owned(), a)));
        }
        let places: BTreeMap<u64, usize> = categories.keys().enumerate().map(|(i, &id)| (id, i)).collect();
        let order: BTreeMap<u64, usize> = images.keys().enumerate().map(|(i, &id)| (id, i)).collect();
        let mut annotations = vec![Vec::new(); images.len()];
        for (path, annotation) in all {
            let Some(&place) = order.get(&annotation.image_id) else {
                return Err(DataError::format(&path, "annotation", "the id of an image", annotation.image_id));
            };
            if let Some(unknown) = annotation.category_id.filter(|id| !places.contains_key(id)) {
                return Err(DataError::format(&path, "annotation", "the id of a category", unknown));
            }
            annotations[place].push(annotation);
        }
        let classes = categories.into_values().collect();
        let images = images.into_values().collect();
        Ok(Self { folder: folder.to_owned(), images, annotations, places, classes })
    }

    /// The number of a picture in the file.
    pub fn image_id(&self, index: usize) -> Option<u64> {
        self.images.get(index).map(|i| i.id)
    }

    fn object(&self, annotation: &Annotation, picture: &Picture) -> Result<Option<Object>, DataError> {
        let Some(class) = annotation.category_id.and_then(|id| self.places.get(&id)) else { return Ok(None) };
        let mask = annotation.segmentation.as_ref().map(|s| s.mask(picture.height, picture.width)).transpose()?;
        let of_mask = || mask.as_ref().and_then(Mask::sides);
        let given = annotation.bbox.map(|[x, y, w, h]| [x as f32, y as f32, (x + w) as f32, (y + h) as f32]);
        let Some(sides) = given.or_else(of_mask) else {
            return Err(DataError::Sample(format!("annotation {} has neither a box nor a mask", annotation.id)));
        };
        Ok(Some(Object { class: *class, sides, mask, crowd: annotation.iscrowd != 0 }))
    }
}

impl Scenes for Coco {
    fn len(&self) -> usize {
        self.images.len()
    }

    fn get(&self, index: usize) -> Result<Scene, DataError> {
        check_index(index, self.images.len())?;
        let path = self.folder.join(&self.images[index].file_name);
        let mut scene = Scene::of(Picture::open(&path)?);
        let named = |e: DataError| DataError::read(&path, e);
        for annotation in &self.annotations[index] {
            scene.captions.extend(annotation.caption.clone());
            scene.objects.extend(self.object(annotation, &scene.picture).map_err(named)?);
        }
        scene.check(&path.display().to_string(), self.classes.len())?;
        Ok(scene)
    }

    fn classes(&self) -> &[String] {
        &self.classes
    }
}

/// Writes scenes as PNG files in `folder/images` and one file `folder/annotations.json` with boxes, masks and captions.
///
/// # Errors
/// A scene that cannot be made, or a folder that cannot be written.
pub fn write_coco(folder: &Path, scenes: &dyn Scenes) -> Result<(), DataError> {
    let images = folder.join("images");
    std::fs::create_dir_all(&images).map_err(|e| DataError::read(&images, e))?;
    let category = |(i, name): (usize, &String)| Category { id: i as u64 + 1, name: name.clone() };
    let mut file =
        CocoFile { categories: scenes.classes().iter().enumerate().map(category).collect(), ..CocoFile::default() };
    for index in 0..scenes.len() {
        let scene = scenes.get(index)?;
        let (image_id, file_name) = (index as u64 + 1, format!("{index:06}.png"));
        let Picture { height, width, channels, pixels } = &scene.picture;
        let color = if *channels == 1 { image::ExtendedColorType::L8 } else { image::ExtendedColorType::Rgb8 };
        let path = images.join(&file_name);
        image::save_buffer(&path, pixels, *width as u32, *height as u32, color)
            .map_err(|e| DataError::read(&path, e))?;
        file.images.push(Image { id: image_id, file_name, width: *width, height: *height });
        for object in &scene.objects {
            let id = file.annotations.len() as u64 + 1;
            file.annotations.push(Annotation { id, image_id, ..annotation_of(object) });
        }
        for caption in scene.captions {
            let id = file.annotations.len() as u64 + 1;
            file.annotations.push(Annotation { id, image_id, caption: Some(caption), ..Annotation::default() });
        }
    }
    let path = folder.join("annotations.json");
    let text = serde_json::to_vec(&file).map_err(|e| DataError::read(&path, e))?;
    ocellus_graph::onnx::write_atomic(&path, &text).map_err(|e| DataError::read(&path, e))
}

fn annotation_of(object: &Object) -> Annotation {
    let [x0, y0, x1, y1] = object.sides.map(f64::from);
    let runs = |m: &Mask| Segmentation::Runs { size: [m.height(), m.width()], counts: Counts::Text(m.to_text()) };
    Annotation {
        category_id: Some(object.class as u64 + 1),
        bbox: Some([x0, y0, x1 - x0, y1 - y0]),
        area: Some(object.mask.as_ref().map_or((x1 - x0) * (y1 - y0), |m| m.area() as f64)),
        segmentation: object.mask.as_ref().map(runs),
        iscrowd: object.crowd.into(),
        ..Annotation::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(annotations: &str) -> Result<Scene, DataError> {
        let folder = tempfile::tempdir().unwrap();
        image::RgbImage::from_pixel(6, 5, image::Rgb([1, 2, 3])).save(folder.path().join("a.png")).unwrap();
        let path = folder.path().join("a.json");
        let text = format!(
            r#"{{"images":[{{"id":7,"file_name":"a.png","width":6,"height":5}}],
                "categories":[{{"id":18,"name":"dog"}},{{"id":17,"name":"cat"}}],"annotations":[{annotations}]}}"#
        );
        std::fs::write(&path, text).unwrap();
        let set = Coco::open(folder.path(), &[&path])?;
        assert_eq!((set.classes(), set.image_id(0)), (&["cat".to_owned(), "dog".to_owned()][..], Some(7)));
        set.get(0)
    }

    #[test]
    fn boxes_masks_and_captions() {
        let scene = set(r#"
            {"id":1,"image_id":7,"category_id":18,"bbox":[1,1,3,2],"segmentation":[[1,1,4,1,4,3,1,3]]},
            {"id":2,"image_id":7,"category_id":17,"segmentation":{"size":[5,6],"counts":[6,2,22]},"iscrowd":1},
            {"id":3,"image_id":7,"caption":"A dog."}"#)
        .unwrap();
        assert_eq!(scene.captions, ["A dog."]);
        let [dog, cat] = &scene.objects[..] else { panic!("{:?}", scene.objects) };
        assert_eq!((dog.class, dog.sides, dog.crowd), (1, [1.0, 1.0, 4.0, 3.0], false));
        assert_eq!(dog.mask.as_ref().map(Mask::area), Some(6));
        assert_eq!((cat.class, cat.sides, cat.crowd), (0, [1.0, 1.0, 2.0, 3.0], true));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let wrong = |text: &str| set(text).unwrap_err().to_string();
        assert!(wrong(r#"{"id":1,"image_id":7,"category_id":99,"bbox":[0,0,1,1]}"#).contains("99"));
        assert!(wrong(r#"{"id":1,"image_id":8,"category_id":17,"bbox":[0,0,1,1]}"#).contains("8"));
        assert!(wrong(r#"{"id":4,"image_id":7,"category_id":17}"#).contains("annotation 4 has neither"));
        assert!(wrong(r#"{"id":1,"image_id":7,"category_id":17,"bbox":[0,0,60,1]}"#).contains("a.png"));
        let runs = r#"{"image_id":7,"category_id":17,"segmentation":{"size":[5,6],"counts":[6,2]}}"#;
        assert!(wrong(runs).contains("8 pixels together"));
        assert!(wrong("{").contains("a.json"));
    }

    #[test]
    fn what_is_written_is_read() {
        struct One(Scene, Vec<String>);
        impl Scenes for One {
            fn len(&self) -> usize {
                1
            }
            fn get(&self, _: usize) -> Result<Scene, DataError> {
                Ok(self.0.clone())
            }
            fn classes(&self) -> &[String] {
                &self.1
            }
        }
        let mask = Some(Mask::of_pixels(4, 5, |y, x| y > 1 && x > 2));
        let scene = Scene {
            objects: vec![Object { class: 1, sides: [3.0, 2.0, 5.0, 4.0], mask, crowd: false }],
            captions: vec!["Two corners.".to_owned()],
            ..Scene::of(Picture { height: 4, width: 5, channels: 3, pixels: (0..60).collect() })
        };
        let folder = tempfile::tempdir().unwrap();
        write_coco(folder.path(), &One(scene.clone(), vec!["a".to_owned(), "b".to_owned()])).unwrap();
        let set = Coco::open(&folder.path().join("images"), &[&folder.path().join("annotations.json")]).unwrap();
        assert_eq!((set.len(), set.get(0).unwrap()), (1, scene));
    }
}
