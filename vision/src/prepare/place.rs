//! Where a picture comes to lie in a model's input, and the way back.

/// How a picture of other proportions than the input is placed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    /// Each axis is scaled by itself: nothing is lost, proportions change.
    Stretch,
    /// The whole picture in its proportions, centred; the rest is `fill` in every channel.
    Letterbox {
        /// The byte around the picture.
        fill: u8,
    },
    /// The largest centred part that has the input's proportions.
    Crop,
}

impl Fit {
    /// The byte where no picture is.
    pub(crate) fn fill(self) -> u8 {
        match self {
            Self::Letterbox { fill } => fill,
            Self::Stretch | Self::Crop => 0,
        }
    }
}

/// A rectangle of whole pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    /// First column.
    pub x: u32,
    /// First row.
    pub y: u32,
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
}

/// Which part of the picture lies in which part of the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placement {
    /// The part of the picture that is used.
    pub picture: Region,
    /// Where it lies in the input.
    pub input: Region,
}

impl Placement {
    /// Places a picture in an input; all sides are between 1 and 65,535.
    pub fn new(picture_width: u32, picture_height: u32, width: u32, height: u32, fit: Fit) -> Self {
        let whole = |width, height| Region { x: 0, y: 0, width, height };
        let (mut picture, mut input) = (whole(picture_width, picture_height), whole(width, height));
        let wider = u64::from(picture_width).wrapping_mul(u64::from(height))
            > u64::from(picture_height).wrapping_mul(u64::from(width));
        match fit {
            Fit::Stretch => {}
            Fit::Letterbox { .. } if wider => {
                input.height = scaled(picture_height, width, picture_width, height);
                input.y = height.wrapping_sub(input.height) / 2;
            }
            Fit::Letterbox { .. } => {
                input.width = scaled(picture_width, height, picture_height, width);
                input.x = width.wrapping_sub(input.width) / 2;
            }
            Fit::Crop if wider => {
                picture.width = scaled(width, picture_height, height, picture_width);
                picture.x = picture_width.wrapping_sub(picture.width) / 2;
            }
            Fit::Crop => {
                picture.height = scaled(height, picture_width, width, picture_height);
                picture.y = picture_height.wrapping_sub(picture.height) / 2;
            }
        }
        Self { picture, input }
    }

    /// A point of the input (in its pixels) as a point of the picture (in its pixels).
    pub fn to_picture(&self, x: f32, y: f32) -> (f32, f32) {
        let (from, to) = (&self.input, &self.picture);
        (along(x, from.x, from.width, to.x, to.width), along(y, from.y, from.height, to.y, to.height))
    }

    /// A point of the picture as a point of the input.
    pub fn to_input(&self, x: f32, y: f32) -> (f32, f32) {
        let (from, to) = (&self.picture, &self.input);
        (along(x, from.x, from.width, to.x, to.width), along(y, from.y, from.height, to.y, to.height))
    }
}

fn along(v: f32, from: u32, from_size: u32, to: u32, to_size: u32) -> f32 {
    (v - from as f32) * (to_size as f32 / from_size as f32) + to as f32
}

/// `a * b / c`, rounded to the nearest, at least 1 and at most `most`.
fn scaled(a: u32, b: u32, c: u32, most: u32) -> u32 {
    let c = u64::from(c);
    let product = u64::from(a).wrapping_mul(u64::from(b)).wrapping_add(c / 2);
    let value = product.checked_div(c).unwrap_or(1).max(1);
    (value as u32).min(most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placements_of_wide_and_tall_pictures() {
        let wide = Placement::new(640, 480, 320, 320, Fit::Letterbox { fill: 114 });
        assert_eq!(wide.input, Region { x: 0, y: 40, width: 320, height: 240 });
        let tall = Placement::new(100, 300, 96, 96, Fit::Letterbox { fill: 0 });
        assert_eq!(tall.input, Region { x: 32, y: 0, width: 32, height: 96 });
        let crop = Placement::new(640, 480, 320, 320, Fit::Crop);
        assert_eq!(crop.picture, Region { x: 80, y: 0, width: 480, height: 480 });
        let line = Placement::new(65_535, 1, 4, 4, Fit::Letterbox { fill: 0 });
        assert_eq!(line.input, Region { x: 0, y: 1, width: 4, height: 1 });
        let line = Placement::new(1, 65_535, 4, 4, Fit::Crop);
        assert_eq!(line.picture.height, 1);
    }

    #[test]
    fn there_and_back() {
        for fit in [Fit::Stretch, Fit::Letterbox { fill: 0 }, Fit::Crop] {
            let placement = Placement::new(641, 333, 300, 160, fit);
            let (x, y) = placement.to_input(200.0, 100.0);
            let (x, y) = placement.to_picture(x, y);
            assert!((x - 200.0).abs() < 1e-3 && (y - 100.0).abs() < 1e-3, "{fit:?}: {x} {y}");
        }
    }
}
