//! Random changes to training pictures: each a function of (seed, epoch, index), on bytes, before normalisation.

use serde::{Deserialize, Serialize};

use super::Picture;
use crate::random::Random;

/// One kind of change, applied in the order of the list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Augmentation {
    /// Mirrors left and right, every other time.
    HorizontalFlip,
    /// Pads by `padding` pixels of 0 on every side and cuts the original size out at a random place.
    PadAndCrop {
        /// Pixels on every side.
        padding: usize,
    },
    /// Multiplies by factors around 1, each drawn from `[1 - x, 1 + x]`, in the order brightness, contrast,
    /// saturation.
    ColorJitter {
        /// Spread of the brightness.
        brightness: f32,
        /// Spread of the contrast, around the picture's mean grey.
        contrast: f32,
        /// Spread of the saturation; nothing on grey pictures.
        saturation: f32,
    },
    /// Sets a square of `size` pixels around a random centre to `fill` (DeVries and Taylor 2017).
    Cutout {
        /// Side of the square.
        size: usize,
        /// The value.
        fill: u8,
    },
}

/// Applies every change of the list to a picture of this seed, epoch and index.
pub fn augment(picture: Picture, list: &[Augmentation], seed: u64, epoch: u64, index: usize) -> Picture {
    if list.is_empty() {
        return picture;
    }
    let mut random = Random::new(seed, &format!("augment {index}"), epoch);
    list.iter().fold(picture, |picture, change| change.apply(picture, &mut random))
}

impl Augmentation {
    fn apply(&self, mut picture: Picture, random: &mut Random) -> Picture {
        match *self {
            Self::HorizontalFlip => {
                if random.bits() & 1 == 1 {
                    flip(&mut picture);
                }
                picture
            }
            Self::PadAndCrop { padding } => {
                let (y, x) = (random.below(2 * padding + 1), random.below(2 * padding + 1));
                shift(&picture, y as isize - padding as isize, x as isize - padding as isize)
            }
            Self::ColorJitter { brightness, contrast, saturation } => {
                let mut factor = |spread: f32| (1.0 + spread * (2.0 * random.uniform() - 1.0)).max(0.0);
                let (b, c, s) = (factor(brightness), factor(contrast), factor(saturation));
                color(&mut picture, b, c, s);
                picture
            }
            Self::Cutout { size, fill } => {
                let (y, x) = (random.below(picture.height), random.below(picture.width));
                cutout(&mut picture, y, x, size, fill);
                picture
            }
        }
    }
}

fn flip(picture: &mut Picture) {
    let channels = picture.channels;
    for y in 0..picture.height {
        let row = picture.row_mut(y);
        row.reverse();
        row.chunks_exact_mut(channels).for_each(<[u8]>::reverse);
    }
}

/// The picture moved up by `dy` and left by `dx`; what comes in from outside is 0.
fn shift(picture: &Picture, dy: isize, dx: isize) -> Picture {
    let Picture { height, width, channels, .. } = *picture;
    let mut out = Picture::black(height, width, channels);
    let (from, to) = ((-dx).max(0) as usize, (width as isize - dx).clamp(0, width as isize) as usize);
    for y in 0..height {
        let source = y as isize + dy;
        if source < 0 || source >= height as isize || from >= to {
            continue;
        }
        let row = picture.row(source as usize);
        let start = (from as isize + dx) as usize;
        out.row_mut(y)[from * channels..to * channels]
            .copy_from_slice(&row[start * channels..][..(to - from) * channels]);
    }
    out
}

/// Luma of a pixel (ITU-R BT.601), or its one channel.
fn grey(pixel: &[u8]) -> f32 {
    match *pixel {
        [r, g, b] => 0.299 * f32::from(r) + 0.587 * f32::from(g) + 0.114 * f32::from(b),
        _ => f32::from(pixel[0]),
    }
}

fn color(picture: &mut Picture, brightness: f32, contrast: f32, saturation: f32) {
    let byte = |v: f32| (v + 0.5) as u8; // saturates
    picture.pixels.iter_mut().for_each(|p| *p = byte(f32::from(*p) * brightness));
    let channels = picture.channels;
    let count = (picture.height * picture.width).max(1) as f64;
    let mean = picture.pixels.chunks_exact(channels).map(|p| f64::from(grey(p))).sum::<f64>() / count;
    let mean = mean as f32;
    picture.pixels.iter_mut().for_each(|p| *p = byte(mean + (f32::from(*p) - mean) * contrast));
    if channels == 3 {
        for pixel in picture.pixels.chunks_exact_mut(3) {
            let luma = grey(pixel);
            pixel.iter_mut().for_each(|p| *p = byte(luma + (f32::from(*p) - luma) * saturation));
        }
    }
}

fn cutout(picture: &mut Picture, y: usize, x: usize, size: usize, fill: u8) {
    let (top, left) = (y.saturating_sub(size / 2), x.saturating_sub(size / 2));
    let bottom = (y + size).saturating_sub(size / 2).min(picture.height);
    let right = (x + size).saturating_sub(size / 2).min(picture.width);
    let channels = picture.channels;
    for row in top..bottom {
        picture.row_mut(row)[left * channels..right * channels].fill(fill);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture() -> Picture {
        Picture { height: 3, width: 4, channels: 3, pixels: (1..=36).collect() }
    }

    #[test]
    fn flips_pixels_not_channels() {
        let mut p = picture();
        flip(&mut p);
        assert_eq!(p.row(0), [10, 11, 12, 7, 8, 9, 4, 5, 6, 1, 2, 3]);
        flip(&mut p);
        assert_eq!(p, picture());
    }

    #[test]
    fn shifts_fill_with_black() {
        let p = shift(&picture(), 1, -2);
        assert_eq!(p.row(0), [0, 0, 0, 0, 0, 0, 13, 14, 15, 16, 17, 18]);
        assert_eq!(p.row(2), [0; 12]);
        let p = shift(&picture(), -1, 3);
        assert_eq!(p.row(0), [0; 12]);
        assert_eq!(p.row(1), [10, 11, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(shift(&picture(), 0, 9).pixels, [0; 36]);
        assert_eq!(shift(&picture(), 0, 0), picture());
    }

    #[test]
    fn color_factors() {
        let mut p = picture();
        color(&mut p, 1.0, 1.0, 1.0);
        assert_eq!(p, picture());
        color(&mut p, 1.0, 1.0, 0.0);
        assert!(p.pixels.chunks_exact(3).all(|c| c[0] == c[1] && c[1] == c[2]));
        let mut p = Picture { height: 1, width: 2, channels: 1, pixels: vec![100, 200] };
        color(&mut p, 1.5, 1.0, 1.0);
        assert_eq!(p.pixels, [150, 255]);
        color(&mut p, 1.0, 0.0, 1.0);
        assert_eq!(p.pixels, [203, 203]);
    }

    #[test]
    fn cutout_is_clipped_to_the_picture() {
        let mut p = Picture { height: 4, width: 4, channels: 1, pixels: vec![9; 16] };
        cutout(&mut p, 0, 3, 3, 1);
        assert_eq!(p.pixels, [9, 9, 1, 1, 9, 9, 1, 1, 9, 9, 9, 9, 9, 9, 9, 9]);
    }

    #[test]
    fn reproducible_and_different_by_index_and_epoch() {
        let list = [
            Augmentation::HorizontalFlip,
            Augmentation::PadAndCrop { padding: 2 },
            Augmentation::ColorJitter { brightness: 0.3, contrast: 0.3, saturation: 0.3 },
            Augmentation::Cutout { size: 2, fill: 0 },
        ];
        let make = |seed, epoch, index| augment(picture(), &list, seed, epoch, index);
        assert_eq!(make(1, 2, 3), make(1, 2, 3));
        let distinct: std::collections::HashSet<Vec<u8>> =
            (0..20).map(|i| make(1, i % 4, i as usize / 4).pixels).collect();
        assert!(distinct.len() > 15, "{}", distinct.len());
        assert_eq!(augment(picture(), &[], 1, 2, 3), picture());
    }
}
