//! What a lowering rule sees and emits.

use std::marker::PhantomData;

/// A node on its way to device operations.
pub struct LowerContext<'a> {
    _life: PhantomData<&'a ()>,
}
