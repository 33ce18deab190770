//! A cut-out photograph, read at several sizes.

use std::path::Path;

use ocellus_trainer::DataError;

/// Longest side of the largest size in memory.
const LONGEST: usize = 256;
/// Pixels with less than this part of full coverage are not the object's.
const EDGE: f32 = 8.0;

/// Colours times coverage, and coverage, row by row; all from 0 to 255.
#[derive(Clone, Debug)]
pub struct Layer {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    pixels: Vec<[f32; 4]>,
}

/// A cut-out with smaller sizes of itself, each half of the one before.
#[derive(Clone, Debug)]
pub struct Cutout {
    /// What it shows: `goat`, `yellow pear`.
    pub name: String,
    layers: Vec<Layer>,
}

impl Cutout {
    /// Reads a PNG file with coverage and cuts off the empty margins.
    ///
    /// # Errors
    /// A file that is no picture, or shows nothing.
    pub fn open(path: &Path, name: &str) -> Result<Self, DataError> {
        let failed = |problem: String| DataError::Read { path: path.to_owned(), problem };
        let decoded = image::open(path).map_err(|e| failed(e.to_string()))?.into_rgba8();
        let multiplied = |p: &image::Rgba<u8>| {
            let [r, g, b, a] = p.0.map(f32::from);
            [r * a / 255.0, g * a / 255.0, b * a / 255.0, a]
        };
        let layer = Layer {
            height: decoded.height() as usize,
            width: decoded.width() as usize,
            pixels: decoded.pixels().map(multiplied).collect(),
        };
        let mut layer = layer.trimmed().ok_or_else(|| failed("nothing is to be seen in it".to_owned()))?;
        while layer.height.max(layer.width) > LONGEST {
            layer = layer.halved();
        }
        let mut layers = vec![layer];
        while let Some(last) = layers.last().filter(|l| l.height.max(l.width) > 16) {
            layers.push(last.halved());
        }
        Ok(Self { name: name.to_owned(), layers })
    }

    /// Columns and rows of the largest size.
    pub fn size(&self) -> (f32, f32) {
        (self.layers[0].width as f32, self.layers[0].height as f32)
    }

    /// The size that is best shown at `scale` times the largest one, and the factor from the largest to it.
    pub fn layer(&self, scale: f32) -> (&Layer, f32) {
        let mut factor = 1.0;
        for layer in &self.layers[..self.layers.len() - 1] {
            if scale > factor * 0.6 {
                return (layer, factor);
            }
            factor *= 0.5;
        }
        (&self.layers[self.layers.len() - 1], factor)
    }
}

impl Layer {
    fn at(&self, y: isize, x: isize) -> [f32; 4] {
        if y < 0 || x < 0 || y >= self.height as isize || x >= self.width as isize {
            return [0.0; 4];
        }
        self.pixels[y as usize * self.width + x as usize]
    }

    /// Between the four pixels around a point; outside is nothing.
    pub fn sample(&self, y: f32, x: f32) -> [f32; 4] {
        let (top, left) = ((y - 0.5).floor(), (x - 0.5).floor());
        let (down, across) = (y - 0.5 - top, x - 0.5 - left);
        let (top, left) = (top as isize, left as isize);
        let corners = [self.at(top, left), self.at(top, left + 1), self.at(top + 1, left), self.at(top + 1, left + 1)];
        std::array::from_fn(|c| {
            let upper = corners[0][c] + (corners[1][c] - corners[0][c]) * across;
            let lower = corners[2][c] + (corners[3][c] - corners[2][c]) * across;
            upper + (lower - upper) * down
        })
    }

    /// Half the size; every pixel is the mean of four.
    fn halved(&self) -> Self {
        let (height, width) = (self.height.div_ceil(2), self.width.div_ceil(2));
        let mean = |y: usize, x: usize| -> [f32; 4] {
            let (y, x) = (2 * y as isize, 2 * x as isize);
            let four = [self.at(y, x), self.at(y, x + 1), self.at(y + 1, x), self.at(y + 1, x + 1)];
            std::array::from_fn(|c| four.iter().map(|p| p[c]).sum::<f32>() / 4.0)
        };
        let pixels = (0..height).flat_map(|y| (0..width).map(move |x| (y, x))).map(|(y, x)| mean(y, x)).collect();
        Self { height, width, pixels }
    }

    /// Without the margins that show nothing; `None` where nothing is to be seen.
    fn trimmed(&self) -> Option<Self> {
        let seen = |y: usize, x: usize| self.pixels[y * self.width + x][3] >= EDGE;
        let rows: Vec<usize> = (0..self.height).filter(|&y| (0..self.width).any(|x| seen(y, x))).collect();
        let columns: Vec<usize> = (0..self.width).filter(|&x| (0..self.height).any(|y| seen(y, x))).collect();
        let (top, bottom) = (*rows.first()?, *rows.last()? + 1);
        let (left, right) = (*columns.first()?, *columns.last()? + 1);
        let pixels = (top..bottom).flat_map(|y| self.pixels[y * self.width..][left..right].iter().copied()).collect();
        Some(Self { height: bottom - top, width: right - left, pixels })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn margins_go_and_sizes_halve() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.png");
        let picture = image::RgbaImage::from_fn(40, 30, |x, y| {
            let inside = (10..30).contains(&x) && (5..25).contains(&y);
            image::Rgba([200, 100, 50, if inside { 255 } else { 0 }])
        });
        picture.save(&path).unwrap();
        let cutout = Cutout::open(&path, "square").unwrap();
        assert_eq!((cutout.size(), cutout.layers.len()), ((20.0, 20.0), 2));
        let (layer, factor) = cutout.layer(0.3);
        assert_eq!((layer.width, factor), (10, 0.5));
        assert_eq!(layer.sample(5.0, 5.0), [200.0, 100.0, 50.0, 255.0]);
        assert_eq!(layer.sample(-2.0, 5.0), [0.0; 4]);
        image::RgbaImage::new(3, 3).save(&path).unwrap();
        assert!(Cutout::open(&path, "nothing").unwrap_err().to_string().contains("a.png"));
    }
}
