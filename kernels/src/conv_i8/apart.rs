//! Convolutions whose outputs are a part of a larger matrix.

use super::{Operands, Params};
use crate::columns::Columns;
use crate::pixels::Pixels;
use crate::{Isa, view_mut};

/// As [`run_pixels`](super::run_pixels), where neighbours in `y` are `pitch` apart, with operands that fit: false where no
/// variant does that.
#[cfg(target_arch = "x86_64")]
pub(crate) fn run_apart(
    isa: Isa,
    params: &Params,
    operands: &Operands<'_>,
    pixels: &Pixels,
    pitch: usize,
    y: &mut [i8],
) -> bool {
    let params = &params.as_packed();
    #[cfg(feature = "std")]
    if Columns::numbers_within(y, 0, [pixels.len(), pitch, params.geometry.out_channels as usize])
        .is_some_and(|mut y| in_columns(isa, params, operands, pixels, &mut y))
    {
        return true;
    }
    super::avx512vnni::run(isa, params, operands, pixels, pitch, y)
}

/// Convolves into columns of a larger matrix, with operands that fit: false where no variant does that.
#[cfg(all(target_arch = "x86_64", feature = "std"))]
pub(super) fn in_columns(
    isa: Isa,
    params: &Params,
    operands: &Operands<'_>,
    pixels: &Pixels,
    y: &mut Columns<'_>,
) -> bool {
    super::amx_dilated::run(isa, params, operands, pixels, y) || super::amx::run(isa, params, operands, pixels, y)
}

/// No variant does.
#[cfg(not(all(target_arch = "x86_64", feature = "std")))]
fn in_columns(_: Isa, _: &Params, _: &Operands<'_>, _: &Pixels, _: &mut Columns<'_>) -> bool {
    false
}

/// Convolves into columns of a larger matrix, which have all output channels of all pixels. Operands of other lengths leave
/// them as they are, and so do columns for which there is no room where a variant needs some.
pub fn run_columns(isa: Isa, params: &Params, operands: &Operands<'_>, y: &mut Columns<'_>) {
    let (Some(pixels), channels) = (params.geometry.pixels(), params.geometry.out_channels as usize) else { return };
    if !params.takes(operands) || (y.rows(), y.width()) != (pixels as usize, channels) {
        return;
    }
    let direct = operands.table.is_none() || super::looks_up(isa, params.layout);
    if !(direct && in_columns(isa, &params.as_packed(), operands, &(0..pixels), y)) {
        let _ = y.overwrite(|y| view_mut(y).map(|y| super::run(isa, params, operands, y)));
    }
}

/// No variant of this architecture does.
#[cfg(not(target_arch = "x86_64"))]
pub(crate) fn run_apart(_: Isa, _: &Params, _: &Operands<'_>, _: &Pixels, _: usize, _: &mut [i8]) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::super::{layout, layouts, pack};
    use super::*;
    use crate::geometry::Geometry;
    use crate::round::Output;
    use crate::samples::{Samples, convolutions, grouped_convolutions};
    use std::vec::Vec;

    /// Every variant in the middle of a larger matrix, which is the same elsewhere.
    fn battery(g: &Geometry, seed: u64) {
        let mut samples = Samples::new(seed);
        let (channels, pixels) = (g.out_channels as usize, g.pixels().unwrap() as usize);
        let (x, all) = (samples.bytes(g.inputs().unwrap()), samples.bytes(g.weights().unwrap()));
        let bias: Vec<i32> = (0..g.out_channels.cast_signed()).map(|c| c * 37 - 500).collect();
        let multipliers = samples.floats(channels, 0.0005, 0.01);
        let table = core::array::from_fn(|k| (k as i32 * 7 % 251 - 128) as i8);
        let output = Output { zero_point: -3, low: -100, high: 90 };
        for isa in Isa::available() {
            for &layout in layouts(isa.level()) {
                let p = Params { geometry: *g, input_zero_point: 5, output, layout };
                let Some(len) = p.weights() else { continue };
                let mut weights = std::vec![0; len as usize];
                if !pack(g, layout, &all, &mut weights) {
                    assert_eq!(layout, layout::WINOGRAD_4X4);
                    continue;
                }
                let table = seed.is_multiple_of(2).then_some(&table);
                let o = Operands { x: &x, weights: &weights, bias: &bias, multipliers: &multipliers, table };
                let mut own = std::vec![0; pixels * channels];
                super::super::run(isa, &p, &o, &mut own);
                for (before, behind) in [(0, 0), (3, 0), (64, 5)] {
                    let pitch = before + channels + behind;
                    let mut want = std::vec![77; pixels * pitch];
                    for (to, from) in want.chunks_mut(pitch).zip(own.chunks(channels)) {
                        to[before..][..channels].iter_mut().zip(from).for_each(|(to, from)| *to = from.cast_unsigned());
                    }
                    let mut y = std::vec![77; want.len()];
                    let (_, rest) = Columns::new(&mut y, pitch).unwrap().split_at(before).unwrap();
                    run_columns(isa, &p, &o, &mut rest.split_at(channels).unwrap().0);
                    assert!(y == want, "{:?} layout {layout}, {before} before, {behind} behind, {g:?}", isa.level());
                    // Other columns than the output has are not touched.
                    run_columns(
                        isa,
                        &p,
                        &o,
                        &mut Columns::new(&mut y, pitch).unwrap().split_at(channels - 1).unwrap().0,
                    );
                    assert!(y == want);
                }
            }
        }
    }

    #[test]
    fn columns_are_those_of_the_convolution() {
        for (k, g) in convolutions().iter().chain(&grouped_convolutions()).enumerate() {
            battery(g, k as u64);
        }
    }
}
