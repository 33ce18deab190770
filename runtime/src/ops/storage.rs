//! Float weights in 32 or 16 bits.

use ocellus_kernels::half::{Bf16, F16, Storage, Weights};

use crate::{Check, Operands, StepFault};

/// Checks that read `index` holds `elements` weights of this storage.
pub(super) fn check(c: &Check<'_>, index: usize, storage: Storage, elements: Option<u32>) -> Result<(), StepFault> {
    match storage {
        Storage::F32 => c.read::<f32>(index, elements),
        Storage::F16 => c.read::<F16>(index, elements),
        Storage::Bf16 => c.read::<Bf16>(index, elements),
    }
}

/// Read `index` as weights of this storage.
pub(super) fn read<'a>(o: &Operands<'a>, index: usize, storage: Storage) -> Option<Weights<'a>> {
    Some(match storage {
        Storage::F32 => Weights::F32(o.read(index)?),
        Storage::F16 => Weights::F16(o.read(index)?),
        Storage::Bf16 => Weights::Bf16(o.read(index)?),
    })
}
