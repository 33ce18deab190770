//! Pascal VOC: one XML file per picture.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use roxmltree::{Document, Node};

use super::folder::{entries, is_picture};
use super::scene::{Object, Scene, Scenes};
use super::{Picture, check_index};
use crate::error::DataError;

/// A folder of annotations with a folder of pictures.
#[derive(Clone, Debug)]
pub struct Voc {
    files: Vec<(PathBuf, Vec<Found>)>,
    classes: Vec<String>,
}

/// An object of a file.
#[derive(Clone, Debug, PartialEq)]
struct Found {
    name: String,
    sides: [f32; 4],
    difficult: bool,
}

impl Voc {
    /// The annotations `annotations/*.xml` of the pictures in `pictures`; a file says its picture's name, and where that
    /// is not there the picture with the annotation's own name is taken. Classes are in the order of their names; with
    /// `classes` given they are those, and another one is an error.
    ///
    /// # Errors
    /// A file that cannot be read, a picture that is missing, or a class that is not known.
    pub fn open(annotations: &Path, pictures: &Path, classes: Option<&[String]>) -> Result<Self, DataError> {
        let xml = |p: &PathBuf| p.extension().is_some_and(|x| x.eq_ignore_ascii_case("xml"));
        let paths: Vec<PathBuf> = entries(annotations)?.into_iter().filter(xml).collect();
        if paths.is_empty() {
            return Err(DataError::read(annotations, "no .xml file is in it"));
        }
        let (mut files, mut names) = (Vec::new(), BTreeSet::new());
        for path in paths {
            let text = std::fs::read_to_string(&path).map_err(|e| DataError::read(&path, e))?;
            let (file, found) = parse(&text).map_err(|problem| DataError::read(&path, problem))?;
            for object in &found {
                if classes.is_some_and(|known| !known.contains(&object.name)) {
                    return Err(DataError::format(&path, "object", "a known class", &object.name));
                }
                names.insert(object.name.clone());
            }
            files.push((picture_of(&path, file, pictures)?, found));
        }
        let classes = classes.map_or_else(|| names.into_iter().collect(), <[String]>::to_vec);
        Ok(Self { files, classes })
    }
}

/// The picture that an annotation names, or the one with its own name.
fn picture_of(annotation: &Path, file: Option<String>, pictures: &Path) -> Result<PathBuf, DataError> {
    // Some tools write whole paths; only the name counts.
    let named = file.as_deref().and_then(|f| Path::new(f).file_name()).map(|f| pictures.join(f));
    if let Some(named) = named.filter(|p| p.is_file()) {
        return Ok(named);
    }
    let stem = annotation.file_stem();
    let same = |p: &PathBuf| p.file_stem() == stem && is_picture(p);
    let missing = || DataError::read(annotation, format!("its picture is not in {}", pictures.display()));
    entries(pictures)?.into_iter().find(same).ok_or_else(missing)
}

fn parse(text: &str) -> Result<(Option<String>, Vec<Found>), String> {
    let document = Document::parse(text).map_err(|e| e.to_string())?;
    let root = document.root_element();
    if root.tag_name().name() != "annotation" {
        return Err(format!("the root is <{}>, expected <annotation>", root.tag_name().name()));
    }
    let objects = root.children().filter(|n| n.has_tag_name("object")).map(object).collect::<Result<_, _>>()?;
    Ok((text_of(root, "filename").map(str::to_owned), objects))
}

fn object(node: Node<'_, '_>) -> Result<Found, String> {
    let name = text_of(node, "name").ok_or("an object has no name")?.to_owned();
    let bounds = child(node, "bndbox").ok_or_else(|| format!("object {name:?} has no bndbox"))?;
    let side = |tag: &str| {
        let text = text_of(bounds, tag).ok_or_else(|| format!("object {name:?} has no {tag}"))?;
        text.parse::<f32>().map_err(|_| format!("object {name:?}: {tag} is {text:?}"))
    };
    // Pixels are counted from 1 and the last one is inside.
    let sides = [side("xmin")? - 1.0, side("ymin")? - 1.0, side("xmax")?, side("ymax")?];
    let difficult = text_of(node, "difficult").is_some_and(|d| d == "1");
    Ok(Found { name, sides, difficult })
}

fn child<'a, 'i>(node: Node<'a, 'i>, tag: &str) -> Option<Node<'a, 'i>> {
    node.children().find(|n| n.has_tag_name(tag))
}

fn text_of<'a>(node: Node<'a, '_>, tag: &str) -> Option<&'a str> {
    child(node, tag)?.text().map(str::trim).filter(|t| !t.is_empty())
}

impl Scenes for Voc {
    fn len(&self) -> usize {
        self.files.len()
    }

    fn get(&self, index: usize) -> Result<Scene, DataError> {
        check_index(index, self.files.len())?;
        let (path, found) = &self.files[index];
        let mut scene = Scene::of(Picture::open(path)?);
        for object in found {
            let class = self.classes.iter().position(|c| *c == object.name).unwrap_or(usize::MAX);
            // A difficult object is neither asked for nor wrong, as a crowd.
            scene.objects.push(Object { class, sides: object.sides, mask: None, crowd: object.difficult });
        }
        scene.check(&path.display().to_string(), self.classes.len())?;
        Ok(scene)
    }

    fn classes(&self) -> &[String] {
        &self.classes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OBJECT: &str = "<object><name>tree</name><difficult>1</difficult><bndbox><xmin>2</xmin><ymin>1</ymin>\
        <xmax>4</xmax><ymax>3.5</ymax></bndbox></object>";

    fn set(body: &str, classes: Option<&[String]>) -> Result<Scene, DataError> {
        let folder = tempfile::tempdir().unwrap();
        image::RgbImage::new(6, 5).save(folder.path().join("one.png")).unwrap();
        std::fs::write(folder.path().join("one.xml"), body).unwrap();
        Voc::open(folder.path(), folder.path(), classes)?.get(0)
    }

    #[test]
    fn boxes_count_pixels_from_one() {
        let body = format!("<annotation><filename>/elsewhere/one.png</filename>{OBJECT}</annotation>");
        let scene = set(&body, None).unwrap();
        assert_eq!(scene.objects, [Object { class: 0, sides: [1.0, 0.0, 4.0, 3.5], mask: None, crowd: true }]);
        // The name of the file is wrong or missing: the annotation's own name is taken.
        assert!(set(&body.replace("one.png", "two.png"), None).is_ok());
        assert!(set(&format!("<annotation>{OBJECT}</annotation>"), None).is_ok());
        assert!(set("<annotation/>", None).unwrap().objects.is_empty());
    }

    #[test]
    fn what_is_wrong_is_named() {
        let wrong = |body: &str| set(body, Some(&["car".to_owned()])).unwrap_err().to_string();
        assert!(wrong(&format!("<annotation>{OBJECT}</annotation>")).contains("tree"));
        assert!(wrong("<annotation><object><name>car</name></object></annotation>").contains("bndbox"));
        assert!(wrong("<annotation>").contains("one.xml"));
        assert!(wrong("<picture/>").contains("<picture>"));
        let outside = OBJECT.replace("tree", "car").replace(">4<", ">40<");
        assert!(wrong(&format!("<annotation>{outside}</annotation>")).contains("has the box"));
        let text = OBJECT.replace("tree", "car").replace(">4<", ">four<");
        assert!(wrong(&format!("<annotation>{text}</annotation>")).contains("\"four\""));
    }
}
