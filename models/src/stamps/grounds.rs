//! What scenes stand on: parts of photographs, and for training mixtures of them.
//!
//! There are few photographs. A network that sees only those takes everything else that has edges for an object; so the
//! colours of most training grounds are exchanged, and patches of another photograph lie on them.

use std::path::Path;

use ocellus_trainer::DataError;
use ocellus_trainer::data::Picture;
use ocellus_trainer::random::Random;
use ocellus_vision::{Color, Fit, Frame, IDENTITY, Pixels, Target, prepare};

use super::compose::between;
use super::{Split, Stamps};

/// Longest side of a photograph in memory.
const LONGEST: usize = 1024;
/// Halves of a photograph in memory.
const HALVES: usize = 2;
/// The side of the part that a scene stands on, in parts of the shortest side of a photograph.
const PARTS: [f32; 2] = [0.4, 1.0];
/// Most patches on a ground.
const PATCHES: usize = 6;
/// The longest side of a patch, in parts of the picture.
const PATCH_SIZES: [f32; 2] = [0.1, 0.7];

/// A ground of `side` x `side` pixels.
///
/// # Errors
/// None that a photograph in memory can cause.
pub fn ground(stamps: &Stamps, split: Split, side: usize, random: &mut Random) -> Result<Picture, DataError> {
    let mut picture = part(stamps.ground(split, random), side, random)?;
    if split != Split::Train || random.below(4) == 0 {
        return Ok(picture);
    }
    recolor(&mut picture, random);
    if random.below(2) == 0 {
        let mut other = part(stamps.ground(split, random), side, random)?;
        recolor(&mut other, random);
        let share = between(random, [0.2, 0.6]);
        for (value, over) in picture.pixels.iter_mut().zip(&other.pixels) {
            *value = (f32::from(*value) * (1.0 - share) + f32::from(*over) * share) as u8;
        }
    }
    let mut other = part(stamps.ground(split, random), side, random)?;
    recolor(&mut other, random);
    for _ in 0..random.below(PATCHES + 1) {
        patch(&mut picture, &other, random);
    }
    Ok(picture)
}

/// A photograph in several sizes, each half the one before: a part is taken from the smallest that has its pixels.
pub struct Photograph(Vec<Picture>);

impl Photograph {
    /// Reads a file.
    ///
    /// # Errors
    /// A picture that is missing or damaged.
    pub fn open(path: &Path) -> Result<Self, DataError> {
        let mut picture = Picture::open(path)?;
        let longest = picture.height.max(picture.width);
        if longest > LONGEST {
            let scaled = |side: usize| (side * LONGEST / longest).max(1);
            picture = picture.stretched([scaled(picture.height), scaled(picture.width), 3])?;
        }
        let mut sizes = vec![picture];
        for half in 1..=HALVES {
            let sides = [sizes[0].height >> half, sizes[0].width >> half].map(|side| side.max(1));
            sizes.push(sizes[half - 1].stretched([sides[0], sides[1], 3])?);
        }
        Ok(Self(sizes))
    }

    /// The size for a share of its shortest side, to be drawn on `side` pixels; the photograph itself if none has so
    /// many.
    fn size(&self, share: f32, side: usize) -> &Picture {
        let enough = |picture: &&Picture| picture.height.min(picture.width) as f32 * share >= side as f32;
        self.0.iter().rev().find(enough).unwrap_or(&self.0[0])
    }
}

/// A part of a photograph, turned over every other time.
fn part(photograph: &Photograph, side: usize, random: &mut Random) -> Result<Picture, DataError> {
    let share = between(random, PARTS);
    let photograph = photograph.size(share, side);
    let part = ((photograph.height.min(photograph.width) as f32 * share) as usize).max(1);
    let (y, x) = (random.below(photograph.height - part + 1), random.below(photograph.width - part + 1));
    let stride = photograph.width * 3;
    let failed = |e: &dyn std::fmt::Display| DataError::Sample(e.to_string());
    let pixels = Pixels::Rgb(&photograph.pixels[y * stride + x * 3..]);
    let frame = Frame::new(part as u32, part as u32, stride, pixels).map_err(|e| failed(&e))?;
    let target = Target { height: side as u32, width: side as u32, color: Color::Rgb, fit: Fit::Stretch };
    let mut out = Picture::black(side, side, 3);
    prepare(&frame, &target, &[IDENTITY; 3], &mut out.pixels).map_err(|e| failed(&e))?;
    if random.below(2) == 1 {
        for y in 0..side {
            let row = out.row_mut(y);
            row.reverse();
            row.chunks_exact_mut(3).for_each(<[u8]>::reverse);
        }
    }
    Ok(out)
}

/// Exchanges the channels, and makes each of them lighter or darker; a third becomes grey.
fn recolor(picture: &mut Picture, random: &mut Random) {
    let first = random.below(3);
    let second = (first + 1 + random.below(2)) % 3;
    let order = [first, second, 3 - first - second];
    let gains: [f32; 3] = std::array::from_fn(|_| between(random, [0.6, 1.4]));
    let (light, gray) = (between(random, [0.4, 1.2]), random.below(3) == 0);
    for pixel in picture.pixels.chunks_exact_mut(3) {
        let old = [pixel[0], pixel[1], pixel[2]].map(f32::from);
        let mean = (old[0] + old[1] + old[2]) / 3.0;
        for ((value, from), gain) in pixel.iter_mut().zip(order).zip(gains) {
            let color = if gray { mean } else { old[from] * gain };
            *value = (color * light).clamp(0.0, 255.0) as u8;
        }
    }
}

/// Lays an ellipse or a slanted box of another ground on a ground.
fn patch(picture: &mut Picture, other: &Picture, random: &mut Random) {
    let side = picture.width as f32;
    let size = between(random, PATCH_SIZES) * side / 2.0;
    let (half_w, half_h) = (size, size * between(random, [0.1, 1.0]));
    let angle = between(random, [0.0, std::f32::consts::PI]);
    let (sin, cos) = (libm::sinf(angle), libm::cosf(angle));
    let (cx, cy) = (random.uniform() * side, random.uniform() * side);
    let round = random.below(2) == 0;
    let bound = |v: f32| v.clamp(0.0, side) as usize;
    for y in bound(cy - size * 1.5)..bound(cy + size * 1.5) {
        for x in bound(cx - size * 1.5)..bound(cx + size * 1.5) {
            let (dx, dy) = (x as f32 - cx, y as f32 - cy);
            let (u, v) = ((dx * cos + dy * sin) / half_w, (dy * cos - dx * sin) / half_h);
            if if round { u * u + v * v <= 1.0 } else { u.abs() <= 1.0 && v.abs() <= 1.0 } {
                picture.row_mut(y)[x * 3..x * 3 + 3].copy_from_slice(&other.row(y)[x * 3..x * 3 + 3]);
            }
        }
    }
}
