//! The pixels of an object, and the run lengths and polygons that data sets keep them as.

use crate::error::DataError;

/// A mask of a picture's sizes, as lengths of alternating runs in columns from the left, beginning with a run of zeros:
/// the form of the COCO data set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mask {
    height: usize,
    width: usize,
    counts: Vec<u32>,
}

impl Mask {
    /// A mask without a pixel.
    pub fn empty(height: usize, width: usize) -> Self {
        Self { height, width, counts: vec![(height * width) as u32] }
    }

    /// Of run lengths.
    ///
    /// # Errors
    /// Runs that do not add up to the sizes.
    pub fn of_counts(height: usize, width: usize, counts: Vec<u32>) -> Result<Self, DataError> {
        let sum: u64 = counts.iter().map(|&c| u64::from(c)).sum();
        if sum != (height * width) as u64 {
            let problem = format!("the runs of a mask of {width} x {height} pixels have {sum} pixels together");
            return Err(DataError::Sample(problem));
        }
        Ok(Self { height, width, counts })
    }

    /// Of the compressed text of COCO: numbers in groups of 5 bits, each the difference to the second last.
    ///
    /// # Errors
    /// Text that is broken, or runs that do not add up.
    pub fn of_text(height: usize, width: usize, text: &str) -> Result<Self, DataError> {
        let broken = || DataError::Sample("the compressed text of a mask is broken".to_owned());
        let mut counts: Vec<u32> = Vec::new();
        let mut bytes = text.bytes();
        while let Some(mut byte) = bytes.next() {
            let (mut value, mut shift) = (0i64, 0u32);
            loop {
                let group = i64::from(byte.checked_sub(48).filter(|g| *g < 64).ok_or_else(broken)?);
                value |= (group & 0x1F) << shift;
                shift += 5;
                if group & 0x20 == 0 {
                    // The sign is the highest bit of the last group.
                    value |= if group & 0x10 != 0 { -1i64 << shift } else { 0 };
                    break;
                }
                byte = bytes.next().filter(|_| shift < 35).ok_or_else(broken)?;
            }
            let before = if counts.len() > 2 { i64::from(counts[counts.len() - 2]) } else { 0 };
            counts.push(u32::try_from(value + before).map_err(|_| broken())?);
        }
        Self::of_counts(height, width, counts)
    }

    /// Of whether every pixel belongs to it, row by row.
    pub fn of_pixels(height: usize, width: usize, pixels: impl Fn(usize, usize) -> bool) -> Self {
        let (mut counts, mut run, mut inside) = (Vec::new(), 0u32, false);
        for (x, y) in (0..width).flat_map(|x| (0..height).map(move |y| (x, y))) {
            if pixels(y, x) != inside {
                counts.push(run);
                (run, inside) = (0, !inside);
            }
            run += 1;
        }
        counts.push(run);
        Self { height, width, counts }
    }

    /// Of polygons, each as x, y, x, y, …: the pixels whose centre is inside one of them (even and odd crossings).
    pub fn of_polygons(height: usize, width: usize, polygons: &[Vec<f32>]) -> Self {
        let mut inside = vec![false; height * width];
        for polygon in polygons {
            let points: Vec<[f32; 2]> = polygon.chunks_exact(2).map(|p| [p[0], p[1]]).collect();
            for y in 0..height {
                let mut crossings = crossings(&points, y as f32 + 0.5);
                crossings.sort_by(f32::total_cmp);
                for pair in crossings.chunks_exact(2) {
                    // Centres between the two crossings.
                    let first = (pair[0] - 0.5).ceil().clamp(0.0, width as f32) as usize;
                    let end = (pair[1] - 0.5).ceil().clamp(0.0, width as f32) as usize;
                    inside[y * width + first..y * width + end.max(first)].fill(true);
                }
            }
        }
        Self::of_pixels(height, width, |y, x| inside[y * width + x])
    }

    /// Rows.
    pub fn height(&self) -> usize {
        self.height
    }

    /// Columns.
    pub fn width(&self) -> usize {
        self.width
    }

    /// The run lengths.
    pub fn counts(&self) -> &[u32] {
        &self.counts
    }

    /// How many pixels it has.
    pub fn area(&self) -> u64 {
        self.counts.iter().skip(1).step_by(2).map(|&c| u64::from(c)).sum()
    }

    /// Whether every pixel belongs to it, row by row.
    pub fn pixels(&self) -> Vec<bool> {
        let mut pixels = vec![false; self.height * self.width];
        let mut at = 0usize;
        for (index, &count) in self.counts.iter().enumerate() {
            if index % 2 == 1 {
                for place in at..at + count as usize {
                    pixels[place % self.height * self.width + place / self.height] = true;
                }
            }
            at += count as usize;
        }
        pixels
    }

    /// The sides of its bounding box; `None` where it has no pixel.
    pub fn sides(&self) -> Option<[f32; 4]> {
        let (mut low, mut high) = ([usize::MAX; 2], [0usize; 2]);
        for (place, _) in self.pixels().iter().enumerate().filter(|(_, inside)| **inside) {
            let point = [place % self.width, place / self.width];
            for axis in 0..2 {
                low[axis] = low[axis].min(point[axis]);
                high[axis] = high[axis].max(point[axis] + 1);
            }
        }
        (high[0] > 0).then(|| [low[0] as f32, low[1] as f32, high[0] as f32, high[1] as f32])
    }

    /// The compressed text of COCO.
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        for (index, &count) in self.counts.iter().enumerate() {
            let before = if index > 2 { i64::from(self.counts[index - 2]) } else { 0 };
            let mut value = i64::from(count) - before;
            loop {
                let group = (value & 0x1F) as u8;
                value >>= 5;
                let done = if group & 0x10 != 0 { value == -1 } else { value == 0 };
                text.push(char::from(48 + group + if done { 0 } else { 0x20 }));
                if done {
                    break;
                }
            }
        }
        text
    }
}

/// Where the sides of a polygon cross a line of constant y.
fn crossings(points: &[[f32; 2]], y: f32) -> Vec<f32> {
    let next = points.iter().cycle().skip(1);
    let crossing = |(a, b): (&[f32; 2], &[f32; 2])| {
        let crosses = (a[1] <= y) != (b[1] <= y);
        crosses.then(|| a[0] + (y - a[1]) / (b[1] - a[1]) * (b[0] - a[0]))
    };
    points.iter().zip(next).filter_map(crossing).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_go_down_columns() {
        // . #
        // # #
        let mask = Mask::of_pixels(2, 2, |y, x| (y, x) != (0, 0));
        assert_eq!((mask.counts(), mask.area()), (&[1u32, 3][..], 3));
        assert_eq!(mask.pixels(), [false, true, true, true]);
        assert_eq!(mask.sides(), Some([0.0, 0.0, 2.0, 2.0]));
        assert_eq!(Mask::empty(3, 4).sides(), None);
        assert!(Mask::of_counts(2, 2, vec![1, 2]).is_err());
    }

    #[test]
    fn compressed_text_is_that_of_pycocotools() {
        // pycocotools 2.0: encode(np.asfortranarray(np.array([[0,1,1,0],[0,1,1,0],[0,0,1,1]], np.uint8))) gives
        // counts b'3210123'... checked for the runs 3 2 1 3 2 1.
        let mask = Mask::of_counts(3, 4, vec![3, 2, 1, 3, 2, 1]).unwrap();
        assert_eq!(mask.to_text(), "32111N");
        assert_eq!(Mask::of_text(3, 4, "32111N").unwrap(), mask);
        let long = Mask::of_counts(100, 100, vec![5000, 17, 1, 4000, 982]).unwrap();
        assert_eq!(Mask::of_text(100, 100, &long.to_text()).unwrap(), long);
        for broken in ["3", "o", "3211é"] {
            assert!(Mask::of_text(3, 4, broken).is_err(), "{broken}");
        }
    }

    #[test]
    fn polygons_hold_the_pixels_whose_centres_are_inside() {
        let square = vec![1.0, 1.0, 4.0, 1.0, 4.0, 3.0, 1.0, 3.0];
        let mask = Mask::of_polygons(5, 6, &[square]);
        assert_eq!((mask.area(), mask.sides()), (6, Some([1.0, 1.0, 4.0, 3.0])));
        let triangle = vec![0.0, 0.0, 4.0, 0.0, 0.0, 4.0];
        assert_eq!(Mask::of_polygons(4, 4, std::slice::from_ref(&triangle)).area(), 6);
        // Beyond the picture, and with too few points.
        assert_eq!(Mask::of_polygons(2, 2, &[vec![-5.0, -5.0, 9.0, -5.0, 9.0, 9.0, -5.0, 9.0]]).area(), 4);
        assert_eq!(Mask::of_polygons(2, 2, &[vec![1.0, 1.0], vec![]]).area(), 0);
    }
}
