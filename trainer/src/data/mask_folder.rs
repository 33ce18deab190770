//! A folder of pictures with a folder of masks: PNG files whose pixels are class numbers.

use std::path::{Path, PathBuf};

use super::folder::{entries, is_picture};
use super::scene::{Scene, Scenes};
use super::{Picture, check_index};
use crate::error::DataError;

/// Pictures with masks of the same names.
#[derive(Clone, Debug)]
pub struct MaskFolder {
    files: Vec<(PathBuf, PathBuf)>,
    classes: Vec<String>,
}

impl MaskFolder {
    /// The pictures in `pictures` with the mask of the same name in `masks`. The pixel of a mask is the number of its
    /// class, 255 where it is not known; a mask with a palette is read by its numbers, not by its colours.
    ///
    /// # Errors
    /// A folder that cannot be read, or pictures without masks.
    pub fn open(pictures: &Path, masks: &Path, classes: &[String]) -> Result<Self, DataError> {
        let mut files = Vec::new();
        for path in entries(pictures)?.into_iter().filter(|p| is_picture(p)) {
            let mask = masks.join(path.file_stem().unwrap_or_default()).with_extension("png");
            if !mask.is_file() {
                return Err(DataError::read(&path, format!("its mask {} is not there", mask.display())));
            }
            files.push((path, mask));
        }
        if files.is_empty() {
            return Err(DataError::read(pictures, "no .jpg, .jpeg or .png file is in it"));
        }
        Ok(Self { files, classes: classes.to_vec() })
    }
}

/// The numbers of a PNG file's pixels, one byte each, with its width.
fn numbers(path: &Path) -> Result<(usize, Vec<u8>), DataError> {
    let failed = |e: &dyn std::fmt::Display| DataError::read(path, e);
    let file = std::fs::File::open(path).map_err(|e| failed(&e))?;
    let mut decoder = png::Decoder::new(std::io::BufReader::new(file));
    // Palettes and small depths stay as they are: numbers, not colours.
    decoder.set_transformations(png::Transformations::IDENTITY);
    let mut reader = decoder.read_info().map_err(|e| failed(&e))?;
    let size = reader.output_buffer_size().ok_or_else(|| failed(&"more pixels than memory"))?;
    let mut bytes = vec![0; size];
    let info = reader.next_frame(&mut bytes).map_err(|e| failed(&e))?;
    let one_channel = matches!(info.color_type, png::ColorType::Grayscale | png::ColorType::Indexed);
    let bits = info.bit_depth as usize;
    if !one_channel || bits > 8 {
        return Err(DataError::format(path, "mask", "8 bits of grey or palette", format!("{:?}", info.color_type)));
    }
    let (width, each) = (info.width as usize, 8 / bits);
    let pixel = |row: &[u8], x: usize| row[x / each] >> (8 - bits - x % each * bits) & (0xFF >> (8 - bits)) as u8;
    let rows = bytes.chunks_exact(info.line_size).take(info.height as usize);
    Ok((width, rows.flat_map(|row| (0..width).map(|x| pixel(row, x)).collect::<Vec<_>>()).collect()))
}

impl Scenes for MaskFolder {
    fn len(&self) -> usize {
        self.files.len()
    }

    fn get(&self, index: usize) -> Result<Scene, DataError> {
        check_index(index, self.files.len())?;
        let (path, mask) = &self.files[index];
        let mut scene = Scene::of(Picture::open(path)?);
        let (width, labels) = numbers(mask)?;
        if width != scene.picture.width || labels.len() != width * scene.picture.height {
            let expected = format!("{} x {} pixels", scene.picture.width, scene.picture.height);
            let found = format!("{width} x {}", labels.len() / width.max(1));
            return Err(DataError::format(mask, "mask", expected, found));
        }
        let unknown = |&&l: &&u8| l != Scene::UNKNOWN && usize::from(l) >= self.classes.len();
        if let Some(label) = labels.iter().find(unknown) {
            return Err(DataError::format(mask, "pixel", format!("a class below {}", self.classes.len()), label));
        }
        scene.labels = Some(labels);
        Ok(scene)
    }

    fn classes(&self) -> &[String] {
        &self.classes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(mask: impl FnOnce(&Path)) -> Result<Scene, DataError> {
        let folder = tempfile::tempdir().unwrap();
        let (pictures, masks) = (folder.path().join("p"), folder.path().join("m"));
        std::fs::create_dir_all(&pictures).and_then(|()| std::fs::create_dir_all(&masks)).unwrap();
        image::RgbImage::new(3, 2).save(pictures.join("one.png")).unwrap();
        mask(&masks.join("one.png"));
        let classes = ["ground", "cat", "dog"].map(str::to_owned);
        MaskFolder::open(&pictures, &masks, &classes)?.get(0)
    }

    fn write(path: &Path, color: png::ColorType, depth: png::BitDepth, palette: bool, bytes: &[u8]) {
        let file = std::fs::File::create(path).unwrap();
        let mut encoder = png::Encoder::new(file, 3, 2);
        encoder.set_color(color);
        encoder.set_depth(depth);
        if palette {
            encoder.set_palette(vec![9; 12]);
        }
        encoder.write_header().unwrap().write_image_data(bytes).unwrap();
    }

    #[test]
    fn grey_and_palette_masks_are_numbers() {
        let grey = set(|p| write(p, png::ColorType::Grayscale, png::BitDepth::Eight, false, &[0, 1, 2, 255, 0, 1]));
        assert_eq!(grey.unwrap().labels, Some(vec![0, 1, 2, 255, 0, 1]));
        // Two bits per pixel: 0 1 2 | 2 1 0.
        let small = [0b0001_1000, 0b1001_0000];
        let palette = set(|p| write(p, png::ColorType::Indexed, png::BitDepth::Two, true, &small));
        assert_eq!(palette.unwrap().labels, Some(vec![0, 1, 2, 2, 1, 0]));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let wrong = |mask: &dyn Fn(&Path)| set(mask).unwrap_err().to_string();
        assert!(wrong(&|_| {}).contains("is not there"));
        let grey = |bytes: [u8; 6]| {
            move |p: &Path| {
                write(p, png::ColorType::Grayscale, png::BitDepth::Eight, false, &bytes);
            }
        };
        assert!(wrong(&grey([7; 6])).contains("a class below 3"));
        assert!(wrong(&|p| image::RgbImage::new(3, 2).save(p).unwrap()).contains("grey or palette"));
        assert!(wrong(&|p| image::GrayImage::new(2, 2).save(p).unwrap()).contains("3 x 2"));
    }
}
