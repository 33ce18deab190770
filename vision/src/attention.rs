//! Where a model looked, as a picture.

use crate::number::{clamp, greater};
use crate::prepare::Placement;
use crate::sample::Sample;
use crate::values::Map;

/// Spreads the first channel of a map over a picture of `width` columns, interpolated between the map's places, and
/// writes it so that its greatest value is 255. `input` is the model's input in pixels `[height, width]`; what the
/// model did not see is 0. Returns false where `out` is no whole number of rows.
pub fn attention_map(map: &Map<'_>, placement: &Placement, input: [u32; 2], width: usize, out: &mut [u8]) -> bool {
    if width == 0 || out.len().checked_rem(width).is_none_or(|rest| rest != 0) {
        return false;
    }
    let mut most = 0.0f32;
    for (y, x) in (0..map.height).flat_map(|y| (0..map.width).map(move |x| (y, x))) {
        most = greater(most, map.get(y, x, 0).unwrap_or(0.0));
    }
    let scale = if most > 0.0 { 255.0 / most } else { 0.0 };
    for (y, row) in out.chunks_exact_mut(width).enumerate() {
        for (x, pixel) in row.iter_mut().enumerate() {
            let value = Sample::at(map, placement, input, y, x).map_or(0.0, |s| s.value(map, 0));
            *pixel = clamp(value * scale + 0.5, 0.0, 255.0) as u8;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prepare::Fit;

    #[test]
    fn the_greatest_place_is_white_and_the_rest_between() {
        let weights = [0.1f32, 0.4, 0.2, 0.3];
        let map = Map::planes(&weights, [1, 2, 2]);
        let placement = Placement::new(4, 4, 8, 8, Fit::Stretch);
        let mut out = [0u8; 16];
        assert!(attention_map(&map, &placement, [8, 8], 4, &mut out));
        assert_eq!((out[0], out[3], out[12], out[15]), (64, 255, 128, 191));
        assert!(out[1] > out[0] && out[2] > out[1]);
        assert!(!attention_map(&map, &placement, [8, 8], 3, &mut out));
        // A crop leaves the sides of a wide picture black.
        let placement = Placement::new(8, 2, 8, 8, Fit::Crop);
        let mut out = [9u8; 16];
        assert!(attention_map(&map, &placement, [8, 8], 8, &mut out));
        assert_eq!((out[0], out[7]), (0, 0));
        assert!(out[3] > 0);
    }
}
