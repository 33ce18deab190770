//! A picture of test pictures with their answers, drawn without fonts of the system.

use std::path::Path;

use anyhow::{Context, Result};
use image::{ImageFormat, Rgb, RgbImage};
use ocellus_graph::onnx::write_atomic;
use ocellus_trainer::data::Picture;

/// A picture with the text below it.
pub struct Tile {
    /// The picture.
    pub picture: Picture,
    /// What it is taken for.
    pub answer: String,
    /// What it is.
    pub truth: String,
}

/// Enlargement of the pictures.
const SCALE: u32 = 4;
/// Enlargement of the letters.
const LETTER: u32 = 2;
/// Space around everything, in pixels.
const GAP: u32 = 8;
/// Rows of a letter, in dots.
pub const ROWS: u32 = 7;
/// Columns of a letter, in dots.
pub const COLUMNS: u32 = 5;

const PAPER: Rgb<u8> = Rgb([250, 250, 247]);
const RIGHT: Rgb<u8> = Rgb([20, 110, 50]);
const WRONG: Rgb<u8> = Rgb([190, 30, 30]);
const GREY: Rgb<u8> = Rgb([110, 110, 110]);

/// Letters of 5 x 7 dots: one row a byte, the leftmost dot in bit 4.
const FONT: [(char, [u8; 7]); 43] = [
    ('A', [0x0E, 0x11, 0x11, 0x1F, 0x11, 0x11, 0x11]),
    ('B', [0x1E, 0x11, 0x11, 0x1E, 0x11, 0x11, 0x1E]),
    ('C', [0x0E, 0x11, 0x10, 0x10, 0x10, 0x11, 0x0E]),
    ('D', [0x1E, 0x11, 0x11, 0x11, 0x11, 0x11, 0x1E]),
    ('E', [0x1F, 0x10, 0x10, 0x1E, 0x10, 0x10, 0x1F]),
    ('F', [0x1F, 0x10, 0x10, 0x1E, 0x10, 0x10, 0x10]),
    ('G', [0x0E, 0x11, 0x10, 0x17, 0x11, 0x11, 0x0F]),
    ('H', [0x11, 0x11, 0x11, 0x1F, 0x11, 0x11, 0x11]),
    ('I', [0x0E, 0x04, 0x04, 0x04, 0x04, 0x04, 0x0E]),
    ('J', [0x07, 0x02, 0x02, 0x02, 0x02, 0x12, 0x0C]),
    ('K', [0x11, 0x12, 0x14, 0x18, 0x14, 0x12, 0x11]),
    ('L', [0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x1F]),
    ('M', [0x11, 0x1B, 0x15, 0x15, 0x11, 0x11, 0x11]),
    ('N', [0x11, 0x11, 0x19, 0x15, 0x13, 0x11, 0x11]),
    ('O', [0x0E, 0x11, 0x11, 0x11, 0x11, 0x11, 0x0E]),
    ('P', [0x1E, 0x11, 0x11, 0x1E, 0x10, 0x10, 0x10]),
    ('Q', [0x0E, 0x11, 0x11, 0x11, 0x15, 0x12, 0x0D]),
    ('R', [0x1E, 0x11, 0x11, 0x1E, 0x14, 0x12, 0x11]),
    ('S', [0x0F, 0x10, 0x10, 0x0E, 0x01, 0x01, 0x1E]),
    ('T', [0x1F, 0x04, 0x04, 0x04, 0x04, 0x04, 0x04]),
    ('U', [0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x0E]),
    ('V', [0x11, 0x11, 0x11, 0x11, 0x11, 0x0A, 0x04]),
    ('W', [0x11, 0x11, 0x11, 0x15, 0x15, 0x15, 0x0A]),
    ('X', [0x11, 0x11, 0x0A, 0x04, 0x0A, 0x11, 0x11]),
    ('Y', [0x11, 0x11, 0x11, 0x0A, 0x04, 0x04, 0x04]),
    ('Z', [0x1F, 0x01, 0x02, 0x04, 0x08, 0x10, 0x1F]),
    ('0', [0x0E, 0x11, 0x13, 0x15, 0x19, 0x11, 0x0E]),
    ('1', [0x04, 0x0C, 0x04, 0x04, 0x04, 0x04, 0x0E]),
    ('2', [0x0E, 0x11, 0x01, 0x02, 0x04, 0x08, 0x1F]),
    ('3', [0x1F, 0x02, 0x04, 0x02, 0x01, 0x11, 0x0E]),
    ('4', [0x02, 0x06, 0x0A, 0x12, 0x1F, 0x02, 0x02]),
    ('5', [0x1F, 0x10, 0x1E, 0x01, 0x01, 0x11, 0x0E]),
    ('6', [0x06, 0x08, 0x10, 0x1E, 0x11, 0x11, 0x0E]),
    ('7', [0x1F, 0x01, 0x02, 0x04, 0x08, 0x08, 0x08]),
    ('8', [0x0E, 0x11, 0x11, 0x0E, 0x11, 0x11, 0x0E]),
    ('9', [0x0E, 0x11, 0x11, 0x0F, 0x01, 0x02, 0x0C]),
    ('-', [0x00, 0x00, 0x00, 0x1F, 0x00, 0x00, 0x00]),
    ('/', [0x00, 0x01, 0x02, 0x04, 0x08, 0x10, 0x00]),
    ('.', [0x00, 0x00, 0x00, 0x00, 0x00, 0x0C, 0x0C]),
    ('(', [0x02, 0x04, 0x08, 0x08, 0x08, 0x04, 0x02]),
    (')', [0x08, 0x04, 0x02, 0x02, 0x02, 0x04, 0x08]),
    ('?', [0x0E, 0x11, 0x01, 0x02, 0x04, 0x00, 0x04]),
    (' ', [0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00]),
];

/// Draws tiles in rows of `across`, each picture with its answer below it: green where it is right, red with the truth
/// in brackets where it is wrong.
pub fn sheet(tiles: &[Tile], across: usize) -> RgbImage {
    let across = across.max(1);
    let text_width = tiles.iter().map(|t| width(&t.answer).max(width(&caption(t)))).max().unwrap_or(0);
    let cell = |t: &Tile| (t.picture.width as u32 * SCALE, t.picture.height as u32 * SCALE);
    let picture_width = tiles.iter().map(|t| cell(t).0).max().unwrap_or(0);
    let picture_height = tiles.iter().map(|t| cell(t).1).max().unwrap_or(0);
    let line = (ROWS + 3) * LETTER;
    let (w, h) = (picture_width.max(text_width) + GAP, picture_height + 2 * line + GAP);
    let rows = tiles.len().div_ceil(across) as u32;
    let mut image = RgbImage::from_pixel(across as u32 * w + GAP, rows * h + GAP, PAPER);
    for (index, tile) in tiles.iter().enumerate() {
        let x = GAP + (index % across) as u32 * w;
        let y = GAP + (index / across) as u32 * h;
        draw_picture(&mut image, x, y, &tile.picture);
        let color = if tile.answer == tile.truth { RIGHT } else { WRONG };
        draw_text(&mut image, x, y + picture_height + 2 * LETTER, &tile.answer, color);
        draw_text(&mut image, x, y + picture_height + 2 * LETTER + line, &caption(tile), GREY);
    }
    image
}

/// The second line: the truth where the answer is wrong.
fn caption(tile: &Tile) -> String {
    if tile.answer == tile.truth { String::new() } else { format!("({})", tile.truth) }
}

fn width(text: &str) -> u32 {
    text.chars().count() as u32 * (COLUMNS + 1) * LETTER
}

fn fill(image: &mut RgbImage, x: u32, y: u32, size: u32, color: Rgb<u8>) {
    for (dy, dx) in (0..size).flat_map(|dy| (0..size).map(move |dx| (dy, dx))) {
        if x + dx < image.width() && y + dy < image.height() {
            image.put_pixel(x + dx, y + dy, color);
        }
    }
}

fn draw_picture(image: &mut RgbImage, x: u32, y: u32, picture: &Picture) {
    for (row, pixels) in (0..picture.height).map(|r| (r as u32, picture.row(r))) {
        for (column, pixel) in pixels.chunks(picture.channels).enumerate() {
            let color = match *pixel {
                [r, g, b] => Rgb([r, g, b]),
                _ => Rgb([pixel[0]; 3]),
            };
            fill(image, x + column as u32 * SCALE, y + row * SCALE, SCALE, color);
        }
    }
}

/// Row and column of every dot of a letter.
pub fn letter_dots(letter: char) -> impl Iterator<Item = (u32, u32)> {
    let letter = letter.to_ascii_uppercase();
    let unknown = FONT[FONT.len() - 2].1;
    let dots = FONT.iter().find(|(c, _)| *c == letter).map_or(unknown, |(_, dots)| *dots);
    let row = |(row, bits): (usize, u8)| {
        (0..COLUMNS).filter(move |c| bits >> (COLUMNS - 1 - c) & 1 == 1).map(move |column| (row as u32, column))
    };
    dots.into_iter().enumerate().flat_map(row)
}

fn draw_text(image: &mut RgbImage, x: u32, y: u32, text: &str, color: Rgb<u8>) {
    for (index, letter) in text.chars().enumerate() {
        let left = x + index as u32 * (COLUMNS + 1) * LETTER;
        for (row, column) in letter_dots(letter) {
            fill(image, left + column * LETTER, y + row * LETTER, LETTER, color);
        }
    }
}

/// Writes a picture as a PNG file.
///
/// # Errors
/// What the file system says.
pub fn write_png(path: &Path, image: &RgbImage) -> Result<()> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    image.write_to(&mut bytes, ImageFormat::Png).context("the picture cannot be encoded")?;
    write_atomic(path, bytes.get_ref()).with_context(|| format!("{} cannot be written", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_letter_of_the_classes_has_a_form() {
        let names = ocellus_models::samples::FASHION_MNIST_CLASSES.concat().to_uppercase();
        for letter in names.chars() {
            assert!(FONT.iter().any(|(c, _)| *c == letter), "{letter}");
        }
        assert_eq!(FONT[FONT.len() - 2].0, '?');
        assert!(FONT.iter().all(|(_, rows)| rows.iter().all(|r| *r < 32)));
    }

    #[test]
    fn right_answers_are_green_and_wrong_ones_red() {
        let tile = |answer: &str| Tile {
            picture: Picture { height: 2, width: 2, channels: 1, pixels: vec![10, 20, 30, 40] },
            answer: answer.to_owned(),
            truth: "Bag".to_owned(),
        };
        let image = sheet(&[tile("Bag"), tile("Coat"), tile("Bag")], 2);
        let count = |color| image.pixels().filter(|p| **p == color).count();
        assert!(count(RIGHT) > 0 && count(WRONG) > 0 && count(GREY) > 0);
        assert_eq!(count(Rgb([10; 3])), 3 * 16);
        assert_eq!(image.get_pixel(GAP, GAP), &Rgb([10; 3]));
    }
}
