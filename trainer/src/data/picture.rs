//! Pictures in memory and from files.

use std::io::Cursor;
use std::path::Path;

use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits};
use ocellus_graph::Tensor;
use ocellus_vision::{Color, Frame, IDENTITY, Pixels, Placement, PrepareError, Target, prepare};

use crate::error::DataError;

/// Greatest number of pixels of a file.
const MAX_PIXELS: u64 = 100_000_000;

/// A picture: 8 bits per channel, rows from the top, channels interleaved (`[height, width, channels]`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// Channels: 1 (grey) or 3 (red, green, blue).
    pub channels: usize,
    /// `height * width * channels` bytes.
    pub pixels: Vec<u8>,
}

impl Picture {
    /// A black picture.
    pub fn black(height: usize, width: usize, channels: usize) -> Self {
        Self { height, width, channels, pixels: vec![0; height * width * channels] }
    }

    /// Reads a JPEG or PNG file in red, green and blue, turned as its EXIF data say. What is transparent is laid on white.
    ///
    /// # Errors
    /// A file that is no picture, is damaged, or has more than 100 million pixels.
    pub fn open(path: &Path) -> Result<Self, DataError> {
        Self::read(&std::fs::read(path).map_err(|e| DataError::read(path, e))?, path)
    }

    /// As [`Picture::open`], of a file's bytes; `name` is for messages.
    ///
    /// # Errors
    /// As there.
    pub fn of_bytes(bytes: &[u8], name: &str) -> Result<Self, DataError> {
        Self::read(bytes, Path::new(name))
    }

    fn read(bytes: &[u8], path: &Path) -> Result<Self, DataError> {
        let failed = |e: &dyn std::fmt::Display| DataError::read(path, format!("no picture that can be read: {e}"));
        let reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format();
        let mut reader = reader.map_err(|e| DataError::read(path, e))?;
        if reader.format() == Some(ImageFormat::Jpeg) && !is_whole_jpeg(bytes) {
            return Err(failed(&"the JPEG file ends before the picture does"));
        }
        let mut limits = Limits::default();
        limits.max_alloc = Some(MAX_PIXELS * 8);
        reader.limits(limits);
        let mut decoder = reader.into_decoder().map_err(|e| failed(&e))?;
        let (width, height) = decoder.dimensions();
        if u64::from(width) * u64::from(height) > MAX_PIXELS || width.max(height) > 65_535 {
            return Err(failed(&format!("{width} x {height} pixels are more than 100 million, or a side over 65,535")));
        }
        // A file with damaged EXIF data is shown as it lies.
        let turn = decoder.orientation().ok();
        let mut decoded = DynamicImage::from_decoder(decoder).map_err(|e| failed(&e))?;
        if let Some(turn) = turn {
            decoded.apply_orientation(turn);
        }
        let (width, height) = (decoded.width() as usize, decoded.height() as usize);
        let pixels = if decoded.color().has_alpha() { on_white(&decoded) } else { decoded.into_rgb8().into_raw() };
        Ok(Self { height, width, channels: 3, pixels })
    }

    /// The sizes `[height, width, channels]`.
    pub fn shape(&self) -> [usize; 3] {
        [self.height, self.width, self.channels]
    }

    /// The bytes of one row.
    pub fn row(&self, y: usize) -> &[u8] {
        &self.pixels[y * self.width * self.channels..][..self.width * self.channels]
    }

    /// The bytes of one row, for writing.
    pub fn row_mut(&mut self, y: usize) -> &mut [u8] {
        &mut self.pixels[y * self.width * self.channels..][..self.width * self.channels]
    }

    /// The picture as the device's preparation takes it.
    ///
    /// # Errors
    /// A side of 0 or above 65,535.
    pub fn frame(&self) -> Result<Frame<'_>, DataError> {
        let pixels = if self.channels == 1 { Pixels::Grey(&self.pixels) } else { Pixels::Rgb(&self.pixels) };
        let side = |side: usize| u32::try_from(side).unwrap_or(u32::MAX);
        Frame::new(side(self.width), side(self.height), self.width * self.channels, pixels)
            .map_err(|e| DataError::Sample(e.to_string()))
    }

    /// The picture as the device brings it to a model's input, still as bytes, and where it came to lie.
    ///
    /// # Errors
    /// Sizes of 0.
    pub fn prepared(&self, target: &Target) -> Result<(Self, Placement), DataError> {
        let (height, width, channels) = (target.height as usize, target.width as usize, target.color.channels());
        let mut out = Self::black(height, width, channels);
        let failed = |e: PrepareError| DataError::Sample(e.to_string());
        let tables = vec![IDENTITY; channels];
        let placement = prepare(&self.frame()?, target, &tables, &mut out.pixels).map_err(failed)?;
        Ok((out, placement))
    }

    /// The picture as numbers `[1, channels, height, width]`, each looked up in the table of its channel.
    pub fn tensor(&self, tables: &[[f32; 256]]) -> Tensor {
        let plane = |(c, table): (usize, &[f32; 256])| -> Vec<f32> {
            let pixels = self.pixels.iter().skip(c).step_by(self.channels);
            pixels.map(|&p| table[usize::from(p)]).collect()
        };
        let values = tables.iter().take(self.channels).enumerate().flat_map(plane).collect();
        Tensor::of(&[1, self.channels, self.height, self.width], values)
    }

    /// The picture stretched to `[height, width, channels]`.
    ///
    /// # Errors
    /// Sizes of 0.
    pub fn stretched(&self, [height, width, channels]: [usize; 3]) -> Result<Self, DataError> {
        let color = if channels == 1 { Color::Grey } else { Color::Rgb };
        let side = |side: usize| u32::try_from(side).unwrap_or(u32::MAX);
        let fit = ocellus_vision::Fit::Stretch;
        Ok(self.prepared(&Target { height: side(height), width: side(width), color, fit })?.0)
    }
}

/// Whether the last scan of a JPEG file has an end: the decoder would fill what is missing with grey.
fn is_whole_jpeg(bytes: &[u8]) -> bool {
    let last = |marker: [u8; 2]| bytes.windows(2).rposition(|pair| pair == marker);
    matches!((last([0xFF, 0xDA]), last([0xFF, 0xD9])), (Some(scan), Some(end)) if scan < end)
}

fn on_white(picture: &DynamicImage) -> Vec<u8> {
    let lay = |p: &image::Rgba<u8>| {
        let [r, g, b, a] = p.0.map(u32::from);
        [r, g, b].map(|v| ((v * a + 255 * (255 - a) + 127) / 255) as u8)
    };
    picture.to_rgba8().pixels().flat_map(lay).collect()
}

#[cfg(test)]
mod tests {
    use image::{GrayImage, RgbImage, RgbaImage};

    use super::*;

    #[test]
    fn grey_transparent_and_turned_files() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        GrayImage::from_pixel(1, 1, image::Luma([40])).save(path("grey.png")).unwrap();
        assert_eq!(Picture::open(&path("grey.png")).unwrap().pixels, [40; 3]);
        let clear = RgbaImage::from_fn(2, 1, |x, _| image::Rgba([0, 0, 255, if x == 0 { 0 } else { 255 }]));
        clear.save(path("clear.png")).unwrap();
        assert_eq!(Picture::open(&path("clear.png")).unwrap().pixels, [255, 255, 255, 0, 0, 255]);

        // A JPEG file with an EXIF segment that says: turn by 90 degrees.
        let mut jpeg = std::io::Cursor::new(Vec::new());
        RgbImage::from_pixel(16, 8, image::Rgb([90; 3])).write_to(&mut jpeg, image::ImageFormat::Jpeg).unwrap();
        let exif = b"\xFF\xE1\0\x22Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";
        let mut bytes = jpeg.into_inner();
        bytes.splice(2..2, exif.iter().copied());
        std::fs::write(path("turned.jpg"), bytes).unwrap();
        assert_eq!(Picture::open(&path("turned.jpg")).unwrap().shape(), [16, 8, 3]);
    }

    #[test]
    fn half_a_jpeg_file_is_refused() {
        let mut jpeg = std::io::Cursor::new(Vec::new());
        let noise = RgbImage::from_fn(64, 64, |x, y| image::Rgb([(x * 37 % 251) as u8, (y * 91 % 241) as u8, 7]));
        noise.write_to(&mut jpeg, image::ImageFormat::Jpeg).unwrap();
        let bytes = jpeg.into_inner();
        assert_eq!(Picture::of_bytes(&bytes, "whole").unwrap().shape(), [64, 64, 3]);
        for length in [bytes.len() / 2, bytes.len() - 2] {
            let refused = Picture::of_bytes(&bytes[..length], "half.jpg").unwrap_err().to_string();
            assert!(refused.contains("half.jpg") && refused.contains("ends before"), "{refused}");
        }
    }

    #[test]
    fn what_is_no_picture_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.png");
        std::fs::write(&path, b"no picture").unwrap();
        assert!(Picture::open(&path).unwrap_err().to_string().contains("a.png"));
        // A header of 60,000 x 60,000 pixels is refused before memory is asked for.
        let mut huge = std::io::Cursor::new(Vec::new());
        GrayImage::from_pixel(1, 1, image::Luma([0])).write_to(&mut huge, image::ImageFormat::Png).unwrap();
        let mut bytes = huge.into_inner();
        bytes[16..24].copy_from_slice(&[0, 0, 0xEA, 0x60, 0, 0, 0xEA, 0x60]);
        let crc = {
            let mut h = crc32fast::Hasher::new();
            h.update(&bytes[12..29]);
            h.finalize()
        };
        bytes[29..33].copy_from_slice(&crc.to_be_bytes());
        std::fs::write(&path, bytes).unwrap();
        assert!(Picture::open(&path).unwrap_err().to_string().contains("100 million"));
    }
}
