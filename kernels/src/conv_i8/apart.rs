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
