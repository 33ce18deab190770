//! A class for every pixel: the greatest channel of a map, spread over the picture, and what can be told of it.

use crate::prepare::Placement;
use crate::sample::Sample;
use crate::values::Map;

/// The label of pixels that the model did not see (outside a crop).
pub const UNSEEN: u8 = 255;

/// Writes the class of every place of a map, row by row. Returns false where `labels` has another length, or the map
/// more than 255 channels.
pub fn labels(map: &Map<'_>, labels: &mut [u8]) -> bool {
    if labels.len() != map.height.saturating_mul(map.width) || map.channels > usize::from(UNSEEN) {
        return false;
    }
    let places = (0..map.height).flat_map(|y| (0..map.width).map(move |x| (y, x)));
    for ((y, x), label) in places.zip(labels) {
        *label = map.arg_max(y, x).map_or(UNSEEN, |c| c as u8);
    }
    true
}

/// Writes the class of every pixel of a picture of `width` columns: the map's numbers are interpolated, then the
/// greatest decides. `input` is the model's input in pixels `[height, width]`. Returns false where `labels` is no whole
/// number of rows, or the map has more than 255 channels.
pub fn picture_labels(map: &Map<'_>, placement: &Placement, input: [u32; 2], width: usize, labels: &mut [u8]) -> bool {
    let whole = labels.len().checked_rem(width).is_some_and(|rest| rest == 0);
    if !whole || width == 0 || map.channels > usize::from(UNSEEN) {
        return false;
    }
    for (y, row) in labels.chunks_exact_mut(width).enumerate() {
        for (x, label) in row.iter_mut().enumerate() {
            *label = Sample::at(map, placement, input, y, x).map_or(UNSEEN, |sample| greatest(map, &sample));
        }
    }
    true
}

fn greatest(map: &Map<'_>, sample: &Sample) -> u8 {
    let (mut class, mut most) = (0usize, sample.value(map, 0));
    for c in 1..map.channels {
        let value = sample.value(map, c);
        if value > most {
            (class, most) = (c, value);
        }
    }
    class as u8
}

/// Adds the pixels of every class to `areas`; labels beyond its length are left out.
pub fn areas(labels: &[u8], areas: &mut [u32]) {
    for label in labels {
        if let Some(area) = areas.get_mut(usize::from(*label)) {
            *area = area.saturating_add(1);
        }
    }
}

/// Equal labels in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// The class.
    pub label: u8,
    /// Index of the first pixel.
    pub start: usize,
    /// Pixels.
    pub length: usize,
}

/// The runs of a mask, in order; together they cover it.
pub fn runs(labels: &[u8]) -> impl Iterator<Item = Run> {
    let mut start = 0usize;
    core::iter::from_fn(move || {
        let rest = labels.get(start..)?;
        let label = *rest.first()?;
        let length = rest.iter().take_while(|&&l| l == label).count();
        let run = Run { label, start, length };
        start = start.saturating_add(length);
        Some(run)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prepare::Fit;

    #[test]
    fn masks_areas_and_runs() {
        let scores = [1.0f32, 0.0, 0.0, 0.0, 0.0, 2.0, 3.0, 0.5];
        let map = Map::planes(&scores, [2, 2, 2]);
        let mut mask = [9u8; 4];
        assert!(labels(&map, &mut mask));
        assert_eq!(mask, [0, 1, 1, 1]);
        let mut found = [0u32; 2];
        areas(&mask, &mut found);
        areas(&[UNSEEN], &mut found);
        assert_eq!(found, [1, 3]);
        let all: std::vec::Vec<Run> = runs(&mask).collect();
        assert_eq!(all, [Run { label: 0, start: 0, length: 1 }, Run { label: 1, start: 1, length: 3 }]);
        assert_eq!(runs(&[]).count(), 0);
        assert!(!labels(&map, &mut mask[..3]));
    }

    #[test]
    fn masks_in_the_picture() {
        let scores = [1.0f32, 0.0, 0.0, 1.0];
        let map = Map::planes(&scores, [2, 1, 2]);
        let placement = Placement::new(8, 2, 16, 4, Fit::Stretch);
        let mut mask = [9u8; 16];
        assert!(picture_labels(&map, &placement, [4, 16], 8, &mut mask));
        assert_eq!(mask, [0, 0, 0, 0, 1, 1, 1, 1, 0, 0, 0, 0, 1, 1, 1, 1]);
        let crop = Placement::new(8, 2, 4, 4, Fit::Crop);
        assert!(picture_labels(&map, &crop, [4, 4], 8, &mut mask));
        assert_eq!(mask[..8], [UNSEEN, UNSEEN, UNSEEN, 0, 1, UNSEEN, UNSEEN, UNSEEN]);
        assert!(!picture_labels(&map, &crop, [4, 4], 0, &mut mask));
    }
}
