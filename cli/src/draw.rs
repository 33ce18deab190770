//! Answers drawn on pictures: boxes, masks and words, without fonts of the system.

use image::{Rgb, RgbImage};
use ocellus_trainer::data::Picture;
use ocellus_vision::detect::Detection;

use crate::picture::{COLUMNS, ROWS, letter_dots};

/// A picture to draw on.
///
/// Every byte of a grey picture becomes three equal ones.
pub fn canvas(picture: &Picture) -> RgbImage {
    let pixel = |x: u32, y: u32| {
        let at = (y as usize * picture.width + x as usize) * picture.channels;
        match picture.pixels[at..at + picture.channels] {
            [r, g, b] => Rgb([r, g, b]),
            _ => Rgb([picture.pixels[at]; 3]),
        }
    };
    RgbImage::from_fn(picture.width as u32, picture.height as u32, pixel)
}

/// A colour for every class, well apart for neighbours: hues a golden section apart.
pub fn color(class: usize) -> Rgb<u8> {
    let hue = (class as f32 * 0.618_034).fract() * 6.0;
    let (part, low, high) = (hue.fract(), 60.0, 235.0);
    let (up, down) = (low + (high - low) * part, high - (high - low) * part);
    let [r, g, b] = match hue as u32 {
        0 => [high, up, low],
        1 => [down, high, low],
        2 => [low, high, up],
        3 => [low, down, high],
        4 => [up, low, high],
        _ => [high, low, down],
    };
    Rgb([r as u8, g as u8, b as u8])
}

/// The size of letters and lines for a picture: 1 for small ones.
fn scale(image: &RgbImage) -> u32 {
    (image.width().min(image.height()) / 240).max(1)
}

fn fill(image: &mut RgbImage, [x0, y0, x1, y1]: [i64; 4], color: Rgb<u8>) {
    let (w, h) = (i64::from(image.width()), i64::from(image.height()));
    for (y, x) in (y0.max(0)..y1.min(h)).flat_map(|y| (x0.max(0)..x1.min(w)).map(move |x| (y, x))) {
        image.put_pixel(x as u32, y as u32, color);
    }
}

/// The outline of a box by its sides.
fn outline(image: &mut RgbImage, sides: [f32; 4], color: Rgb<u8>) {
    let line = i64::from(scale(image)) * 2;
    let [x0, y0, x1, y1] = sides.map(|v| v.round() as i64);
    for side in [[x0, y0, x1, y0 + line], [x0, y1 - line, x1, y1], [x0, y0, x0 + line, y1], [x1 - line, y0, x1, y1]] {
        fill(image, side, color);
    }
}

/// Words on a coloured ground whose lower left corner is at a point; moved so that they stay inside the picture, and in
/// several lines where it is too narrow for one.
pub fn words(image: &mut RgbImage, text: &str, x: f32, y: f32, ground: Rgb<u8>) {
    let dot = i64::from(scale(image));
    let (letter, line) = ((i64::from(COLUMNS) + 1) * dot, (i64::from(ROWS) + 4) * dot);
    let lines = lines(text, ((i64::from(image.width()) - 3 * dot) / letter).max(1) as usize);
    let width = lines.iter().map(|l| l.chars().count()).max().unwrap_or(0) as i64 * letter + 3 * dot;
    let height = lines.len() as i64 * line;
    let left = (x.round() as i64).min(i64::from(image.width()) - width).max(0);
    let top = (y.round() as i64 - height).min(i64::from(image.height()) - height).max(0);
    fill(image, [left, top, left + width, top + height], ground);
    let bright = ground.0.iter().map(|&v| u32::from(v)).sum::<u32>() > 380;
    let ink = if bright { Rgb([0; 3]) } else { Rgb([255; 3]) };
    for (number, text) in lines.iter().enumerate() {
        let (left, top) = (left + 2 * dot, top + 2 * dot + number as i64 * line);
        for (index, letter_of) in text.chars().enumerate() {
            for (row, column) in letter_dots(letter_of) {
                let x = left + index as i64 * letter + i64::from(column) * dot;
                let y = top + i64::from(row) * dot;
                fill(image, [x, y, x + dot, y + dot], ink);
            }
        }
    }
}

/// The words of a text in lines of at most `most` letters; a word that is longer has a line of its own.
fn lines(text: &str, most: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(last) if last.chars().count() + 1 + word.chars().count() <= most => {
                last.push(' ');
                last.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// Colours the pixels of every class but the first half; labels stand row by row.
fn mask(image: &mut RgbImage, labels: &[u8]) {
    for (pixel, &label) in image.pixels_mut().zip(labels) {
        if label > 0 && label < 255 {
            let Rgb(over) = color(usize::from(label) - 1);
            pixel.0.iter_mut().zip(over).for_each(|(v, o)| *v = ((u16::from(*v) + u16::from(o)) / 2) as u8);
        }
    }
}

/// Boxes with names and scores; the surest last, so that nothing covers it.
pub fn objects(image: &mut RgbImage, found: &[Detection], classes: &[String]) {
    for d in found.iter().rev() {
        let (r, color) = (&d.rect, color(d.class));
        outline(image, [r.x0, r.y0, r.x1, r.y1], color);
        let name = classes.get(d.class).map_or("?", String::as_str);
        words(image, &format!("{name} {:.0}", 100.0 * d.score), r.x0, r.y0, color);
    }
}

/// Masks with the names of their classes, the first class being the ground; those of the most pixels come first.
pub fn masks(image: &mut RgbImage, labels: &[u8], order: &[usize], classes: &[String]) {
    mask(image, labels);
    let (height, line) = (image.height() as f32, 12.0 * scale(image) as f32);
    for (row, &class) in order.iter().filter(|&&c| c > 0).enumerate() {
        let name = classes.get(class).map_or("?", String::as_str);
        words(image, name, 0.0, height - line * row as f32, color(class - 1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drawings_stay_inside_the_picture() {
        let mut image = canvas(&Picture::black(40, 60, 1));
        words(&mut image, "a long text that is wider than the picture", 50.0, 0.0, color(1));
        outline(&mut image, [-5.0, -5.0, 100.0, 30.0], color(0));
        mask(&mut image, &[0, 1, 255]);
        assert_eq!((image.width(), image.height()), (60, 40));
        assert_eq!(image.get_pixel(30, 29), &color(0));
        let first: Vec<Rgb<u8>> = (0..14).map(color).collect();
        assert!(first.iter().enumerate().all(|(i, a)| first[..i].iter().all(|b| a != b)));
    }

    #[test]
    fn long_texts_have_several_lines() {
        assert_eq!(lines("a pear next to an ostrich", 9), ["a pear", "next to", "an", "ostrich"]);
        assert_eq!(lines("unbelievable", 4), ["unbelievable"]);
        let mut image = canvas(&Picture::black(60, 60, 3));
        words(&mut image, "one two three", 0.0, 60.0, color(1));
        let rows = (0..60).filter(|&y| image.get_pixel(0, y) == &color(1)).count();
        assert_eq!(rows, 2 * (ROWS as usize + 4));
    }
}
