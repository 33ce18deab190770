//! One scene: a ground, objects on it, and the truth about them.

use ocellus_trainer::DataError;
use ocellus_trainer::data::{Mask, Object, Picture, Scene};
use ocellus_trainer::random::Random;

use super::cutout::Cutout;
use super::grounds::ground;
use super::sentence::{Shown, sentences};
use super::{Split, Stamps};

/// How many of a hundred scenes have up to 1, 2, 3 and 4 objects.
const COUNTS: [usize; 4] = [30, 65, 88, 100];
/// The longest side of an object, in parts of the picture.
const SIZES: [f32; 2] = [0.2, 0.6];
/// The same for an object that is alone in a picture.
const PORTRAIT: [f32; 2] = [0.6, 0.95];
/// Greatest turn, in radians.
const TURN: f32 = 0.4;
/// The part of every object that stays visible.
const VISIBLE: f32 = 0.6;
/// Places that are tried for an object.
const TRIES: usize = 12;

/// A number between two, each equally likely.
pub fn between(random: &mut Random, [low, high]: [f32; 2]) -> f32 {
    low + (high - low) * random.uniform()
}

/// An object laid on a scene: for every pixel its colours times coverage, and coverage.
struct Laid {
    category: usize,
    name: String,
    /// Left, top, right, bottom in pixels.
    window: [usize; 4],
    pixels: Vec<[f32; 4]>,
}

impl Laid {
    fn at(&self, y: usize, x: usize) -> [f32; 4] {
        let [left, top, right, bottom] = self.window;
        if x < left || y < top || x >= right || y >= bottom {
            return [0.0; 4];
        }
        self.pixels[(y - top) * (right - left) + (x - left)]
    }

    fn covers(&self, y: usize, x: usize) -> bool {
        self.at(y, x)[3] >= 127.5
    }
}

/// Makes a scene of `side` x `side` pixels.
pub fn scene(stamps: &Stamps, split: Split, side: usize, random: &mut Random) -> Result<Scene, DataError> {
    let mut picture = ground(stamps, split, side, random)?;
    let roll = random.below(100);
    let wanted = 1 + COUNTS.iter().take_while(|&&c| roll >= c).count();
    let mut laid: Vec<Laid> = Vec::new();
    for _ in 0..wanted {
        let category = random.below(stamps.categories.len());
        let cutout = stamps.cutout(split, category, random);
        let name = if split == Split::Unseen { &stamps.categories[category] } else { &cutout.name };
        let placed = (0..TRIES).find_map(|_| {
            let object = lay(cutout, category, name, side, SIZES, random);
            all_visible(&laid, &object).then_some(object)
        });
        laid.extend(placed);
    }
    for object in &laid {
        blend(&mut picture, object);
    }
    let light = between(random, [0.8, 1.15]);
    let noise = between(random, [0.0, 6.0]);
    for value in &mut picture.pixels {
        let grain = (random.uniform() - 0.5) * noise;
        *value = (f32::from(*value) * light + grain + 0.5).clamp(0.0, 255.0) as u8;
    }
    Ok(truth(picture, &laid))
}

/// Makes a picture of `side` x `side` pixels that one cut-out of this category fills.
pub fn portrait(
    stamps: &Stamps,
    split: Split,
    category: usize,
    side: usize,
    random: &mut Random,
) -> Result<Picture, DataError> {
    let mut picture = ground(stamps, split, side, random)?;
    let cutout = stamps.cutout(split, category, random);
    let object = lay(cutout, category, &cutout.name, side, PORTRAIT, random);
    blend(&mut picture, &object);
    Ok(picture)
}

/// Lays a cut-out at a random place: scaled (its longest side between `sizes`, in parts of the picture), turned, turned
/// over, lit.
fn lay(cutout: &Cutout, category: usize, name: &str, side: usize, sizes: [f32; 2], random: &mut Random) -> Laid {
    let (w, h) = cutout.size();
    let longest = sizes[0] * libm::powf(sizes[1] / sizes[0], random.uniform()) * side as f32;
    let scale = longest / w.max(h);
    let angle = between(random, [-TURN, TURN]);
    let (sin, cos) = (libm::sinf(angle), libm::cosf(angle));
    let mirror = if random.below(2) == 1 { -1.0 } else { 1.0 };
    let light = between(random, [0.75, 1.2]);
    // Half the sides of the upright box around the turned cut-out.
    let half_w = ((w * cos).abs() + (h * sin).abs()) * scale / 2.0;
    let half_h = ((w * sin).abs() + (h * cos).abs()) * scale / 2.0;
    // A little of it may lie outside the picture.
    let room = |half: f32| [half * 0.8, (side as f32 - half * 0.8).max(half * 0.8)];
    let (cx, cy) = (between(random, room(half_w)), between(random, room(half_h)));
    let bound = |v: f32| v.clamp(0.0, side as f32) as usize;
    let window = [bound(cx - half_w), bound(cy - half_h), bound((cx + half_w).ceil()), bound((cy + half_h).ceil())];
    let (layer, factor) = cutout.layer(scale);
    let step = factor / scale;
    let mut pixels = Vec::with_capacity((window[2] - window[0]) * (window[3] - window[1]));
    for (y, x) in (window[1]..window[3]).flat_map(|y| (window[0]..window[2]).map(move |x| (y, x))) {
        let (dx, dy) = (x as f32 + 0.5 - cx, y as f32 + 0.5 - cy);
        let (u, v) = ((dx * cos + dy * sin) * mirror * step, (dy * cos - dx * sin) * step);
        let [r, g, b, a] = layer.sample(layer.height as f32 / 2.0 + v, layer.width as f32 / 2.0 + u);
        pixels.push([(r * light).min(a), (g * light).min(a), (b * light).min(a), a]);
    }
    Laid { category, name: name.to_owned(), window, pixels }
}

/// Whether enough of every object stays visible when another is laid over them, and of the new one inside the picture.
fn all_visible(laid: &[Laid], new: &Laid) -> bool {
    let inside = |l: &Laid| {
        let [left, top, right, bottom] = l.window;
        (top..bottom).flat_map(|y| (left..right).map(move |x| (y, x))).filter(|&(y, x)| l.covers(y, x)).count()
    };
    if inside(new) < 24 {
        return false;
    }
    laid.iter().enumerate().all(|(index, object)| {
        let [left, top, right, bottom] = object.window;
        let whole = inside(object);
        let above = |y: usize, x: usize| laid[index + 1..].iter().any(|l| l.covers(y, x)) || new.covers(y, x);
        let seen = (top..bottom)
            .flat_map(|y| (left..right).map(move |x| (y, x)))
            .filter(|&(y, x)| object.covers(y, x) && !above(y, x))
            .count();
        seen as f32 >= VISIBLE * whole as f32
    })
}

fn blend(picture: &mut Picture, object: &Laid) {
    let [left, top, right, bottom] = object.window;
    for y in top..bottom {
        let row = picture.row_mut(y);
        for x in left..right {
            let [r, g, b, a] = object.at(y, x);
            for (value, over) in row[x * 3..x * 3 + 3].iter_mut().zip([r, g, b]) {
                *value = (f32::from(*value) * (1.0 - a / 255.0) + over + 0.5).clamp(0.0, 255.0) as u8;
            }
        }
    }
}

/// Boxes, masks and sentences of what is visible.
fn truth(picture: Picture, laid: &[Laid]) -> Scene {
    let (height, width) = (picture.height, picture.width);
    let mut labels = vec![0u8; height * width];
    let mut objects: Vec<(u64, Object, Shown)> = Vec::new();
    for (index, object) in laid.iter().enumerate() {
        let visible =
            |y: usize, x: usize| object.covers(y, x) && !laid[index + 1..].iter().any(|later| later.covers(y, x));
        let mask = Mask::of_pixels(height, width, visible);
        let Some(sides) = mask.sides() else { continue };
        for (label, inside) in labels.iter_mut().zip(mask.pixels()) {
            if inside {
                *label = object.category as u8 + 1;
            }
        }
        let center = [(sides[0] + sides[2]) / 2.0, (sides[1] + sides[3]) / 2.0];
        let shown = Shown { name: object.name.clone(), center };
        objects.push((mask.area(), Object { class: object.category, sides, mask: Some(mask), crowd: false }, shown));
    }
    objects.sort_by_key(|(area, ..)| std::cmp::Reverse(*area));
    let shown: Vec<Shown> = objects.iter().map(|(_, _, shown)| shown.clone()).collect();
    let objects = objects.into_iter().map(|(_, object, _)| object).collect();
    Scene { picture, objects, labels: Some(labels), captions: sentences(&shown) }
}
