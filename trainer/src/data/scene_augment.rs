//! Random changes to scenes; boxes and masks follow. Each is a function of (seed, epoch, index).

use serde::{Deserialize, Serialize};

use super::scene::{Object, Scene, Scenes, Sides};
use super::{Augmentation, Mask, Picture, augment};
use crate::error::DataError;
use crate::random::Random;

/// The part of an object's box that has to stay for the object to stay.
const KEPT: f32 = 0.3;

/// One kind of change, applied in the order of the list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum SceneChange {
    /// Mirrors left and right, every other time.
    HorizontalFlip,
    /// Cuts a part out at a random place whose sides are between this part and all of the picture's, in its proportions;
    /// what prepares the picture makes it larger.
    Crop {
        /// The least side, in parts of the picture.
        least: f32,
    },
    /// Puts the scene and three others into the four quarters of a picture of the same size (Bochkovskiy et al. 2020), in
    /// this part of the cases.
    Mosaic {
        /// How often, from 0 to 1.
        probability: f32,
    },
    /// Changes the picture alone: colours, holes.
    Picture(Augmentation),
}

/// The scene of this index with every change of the list.
///
/// # Errors
/// Scenes that cannot be read.
pub fn augmented_scene(
    scenes: &dyn Scenes,
    index: usize,
    list: &[SceneChange],
    seed: u64,
    epoch: u64,
) -> Result<Scene, DataError> {
    let mut scene = scenes.get(index)?;
    let mut random = Random::new(seed, &format!("scene {index}"), epoch);
    for change in list {
        scene = match change {
            SceneChange::HorizontalFlip if random.bits() & 1 == 1 => turned_over(scene),
            SceneChange::HorizontalFlip => scene,
            SceneChange::Crop { least } => {
                let part = least + (1.0 - least) * random.uniform();
                let side = |side: usize| ((side as f32 * part) as usize).clamp(1, side);
                let (height, width) = (side(scene.picture.height), side(scene.picture.width));
                let top = random.below(scene.picture.height - height + 1);
                let left = random.below(scene.picture.width - width + 1);
                cut(&scene, [top, left, height, width])
            }
            SceneChange::Mosaic { probability } if random.uniform() < *probability => {
                let mut four = vec![scene];
                for _ in 0..3 {
                    four.push(scenes.get(random.below(scenes.len()))?);
                }
                mosaic(&four)?
            }
            SceneChange::Mosaic { .. } => scene,
            SceneChange::Picture(change) => {
                scene.picture = augment(scene.picture, std::slice::from_ref(change), seed, epoch, index);
                scene
            }
        };
    }
    Ok(scene)
}

/// Mirrors left and right.
fn turned_over(mut scene: Scene) -> Scene {
    let (height, width, channels) = (scene.picture.height, scene.picture.width, scene.picture.channels);
    for y in 0..height {
        let row = scene.picture.row_mut(y);
        row.reverse();
        row.chunks_exact_mut(channels).for_each(<[u8]>::reverse);
    }
    for object in &mut scene.objects {
        let [x0, y0, x1, y1] = object.sides;
        object.sides = [width as f32 - x1, y0, width as f32 - x0, y1];
        if let Some(mask) = &object.mask {
            let pixels = mask.pixels();
            object.mask = Some(Mask::of_pixels(height, width, |y, x| pixels[y * width + width - 1 - x]));
        }
    }
    if let Some(labels) = &mut scene.labels {
        labels.chunks_exact_mut(width.max(1)).for_each(<[u8]>::reverse);
    }
    scene
}

/// The part `[top, left, height, width]`; objects of which too little stays are left out.
fn cut(scene: &Scene, [top, left, height, width]: [usize; 4]) -> Scene {
    let (from, channels) = (&scene.picture, scene.picture.channels);
    let mut picture = Picture::black(height, width, channels);
    for y in 0..height {
        picture.row_mut(y).copy_from_slice(&from.row(top + y)[left * channels..][..width * channels]);
    }
    let objects = scene.objects.iter().filter_map(|object| {
        let [x0, y0, x1, y1] = object.sides;
        let (x, y) = (left as f32, top as f32);
        let bound = |v: f32, most: usize| v.clamp(0.0, most as f32);
        let sides = [bound(x0 - x, width), bound(y0 - y, height), bound(x1 - x, width), bound(y1 - y, height)];
        let area = |s: Sides| (s[2] - s[0]) * (s[3] - s[1]);
        let whole = area(object.sides);
        let mask = object.mask.as_ref().map(|mask| {
            let pixels = mask.pixels();
            Mask::of_pixels(height, width, |y, x| pixels[(top + y) * from.width + left + x])
        });
        (area(sides) > 0.0 && area(sides) >= KEPT * whole).then(|| Object { sides, mask, ..object.clone() })
    });
    let label = |y: usize, labels: &Vec<u8>| labels[(top + y) * from.width + left..][..width].to_vec();
    Scene {
        objects: objects.collect(),
        labels: scene.labels.as_ref().map(|l| (0..height).flat_map(|y| label(y, l)).collect()),
        captions: scene.captions.clone(),
        picture,
    }
}

/// Four scenes in the quarters of a picture of the first one's size. Sentences are those of nothing: they are left out.
fn mosaic(four: &[Scene]) -> Result<Scene, DataError> {
    let [height, width, channels] = four[0].picture.shape();
    let mut all = Scene::of(Picture::black(height, width, channels));
    let mut labels = vec![Scene::UNKNOWN; height * width];
    for (place, scene) in four.iter().enumerate() {
        let (top, left) = (place / 2 * (height / 2), place % 2 * (width / 2));
        let bottom = if place / 2 == 0 { height / 2 } else { height };
        let right = if place % 2 == 0 { width / 2 } else { width };
        let (h, w) = (bottom - top, right - left);
        if h == 0 || w == 0 {
            continue;
        }
        let small = scene.picture.stretched([h, w, channels])?;
        for y in 0..h {
            all.picture.row_mut(top + y)[left * channels..right * channels].copy_from_slice(small.row(y));
        }
        let (down, across) = (h as f32 / scene.picture.height as f32, w as f32 / scene.picture.width as f32);
        // The pixel of the scene at the centre of a pixel of the mosaic.
        let source = |y: usize, x: usize| {
            let row = (((y - top) as f32 + 0.5) / down) as usize;
            let column = (((x - left) as f32 + 0.5) / across) as usize;
            row.min(scene.picture.height - 1) * scene.picture.width + column.min(scene.picture.width - 1)
        };
        let inside = |y: usize, x: usize| (top..bottom).contains(&y) && (left..right).contains(&x);
        for object in &scene.objects {
            let [x0, y0, x1, y1] = object.sides;
            let (l, t) = (left as f32, top as f32);
            let sides = [x0 * across + l, y0 * down + t, x1 * across + l, y1 * down + t];
            let mask = object.mask.as_ref().map(|mask| {
                let pixels = mask.pixels();
                Mask::of_pixels(height, width, |y, x| inside(y, x) && pixels[source(y, x)])
            });
            all.objects.push(Object { sides, mask, ..object.clone() });
        }
        if let Some(own) = &scene.labels {
            for (y, x) in (top..bottom).flat_map(|y| (left..right).map(move |x| (y, x))) {
                labels[y * width + x] = own[source(y, x)];
            }
        }
    }
    all.labels = four.iter().any(|s| s.labels.is_some()).then_some(labels);
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A scene with one object whose mask, labels and box say the same.
    fn scene() -> Scene {
        let mask = Mask::of_pixels(8, 12, |y, x| (2..6).contains(&y) && (1..5).contains(&x));
        let labels = mask.pixels().iter().map(|&inside| u8::from(inside)).collect();
        let object = Object { class: 0, sides: [1.0, 2.0, 5.0, 6.0], mask: Some(mask), crowd: false };
        let mut picture = Picture::black(8, 12, 3);
        picture.row_mut(2)[3] = 200;
        Scene { objects: vec![object], labels: Some(labels), captions: vec!["a".to_owned()], picture }
    }

    struct One;

    impl Scenes for One {
        fn len(&self) -> usize {
            1
        }
        fn get(&self, _: usize) -> Result<Scene, DataError> {
            Ok(scene())
        }
        fn classes(&self) -> &[String] {
            &[]
        }
    }

    fn agrees(scene: &Scene) {
        scene.check("scene", 1).unwrap();
        let labels = scene.labels.as_ref().unwrap();
        let mut covered = vec![0u8; labels.len()];
        for object in &scene.objects {
            let mask = object.mask.as_ref().unwrap();
            assert_eq!(mask.sides(), Some(object.sides));
            mask.pixels().iter().zip(&mut covered).for_each(|(&inside, c)| *c |= u8::from(inside));
        }
        assert_eq!(&covered, labels);
    }

    #[test]
    fn boxes_masks_and_labels_follow() {
        let turned = turned_over(scene());
        agrees(&turned);
        assert_eq!((turned.objects[0].sides, turned.picture.row(2)[30]), ([7.0, 2.0, 11.0, 6.0], 200));
        let part = cut(&scene(), [1, 2, 6, 8]);
        agrees(&part);
        assert_eq!(part.objects[0].sides, [0.0, 1.0, 3.0, 5.0]);
        let gone = cut(&scene(), [5, 4, 3, 8]);
        assert!(gone.objects.is_empty() && gone.picture.shape() == [3, 8, 3]);
        let four = mosaic(&[scene(), scene(), scene(), scene()]).unwrap();
        assert_eq!((four.objects.len(), four.picture.shape()), (4, [8, 12, 3]));
        assert_eq!(four.objects[3].sides, [6.5, 5.0, 8.5, 7.0]);
    }

    #[test]
    fn changes_are_reproducible() {
        let list = [
            SceneChange::Mosaic { probability: 0.5 },
            SceneChange::HorizontalFlip,
            SceneChange::Crop { least: 0.5 },
            SceneChange::Picture(Augmentation::ColorJitter { brightness: 0.2, contrast: 0.2, saturation: 0.2 }),
        ];
        let of = |epoch| augmented_scene(&One, 0, &list, 1, epoch).unwrap();
        assert_eq!(of(3), of(3));
        assert!((0..10).any(|e| of(e) != of(3)));
        (0..10).for_each(|e| of(e).check("scene", 1).unwrap());
    }
}
