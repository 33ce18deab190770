//! The memory in which a layer is computed.

/// Most bytes of an input, and of an output.
pub(crate) const PIXELS: usize = 8192;
/// Most bytes of weights, unpacked.
pub(crate) const WEIGHTS: usize = 12288;
/// Most bytes of weights, packed.
const PACKED: usize = 32768;
/// Most output channels, and most taps of a pool.
pub(crate) const CHANNELS: usize = 256;

/// Buffers for the operands of the largest layer, 100 kB: a static on a board. In this order, each is as aligned as the whole.
#[repr(C, align(64))]
pub struct Scratch {
    pub(crate) x: [i8; PIXELS],
    pub(crate) other: [i8; PIXELS],
    pub(crate) y: [i8; PIXELS],
    pub(crate) weights: [i8; WEIGHTS],
    pub(crate) packed: [i8; PACKED],
    pub(crate) bias: [i32; CHANNELS],
    pub(crate) multipliers: [f32; CHANNELS],
    pub(crate) words: [u32; 256],
    pub(crate) from: [u8; PIXELS],
    pub(crate) to: [u8; PIXELS],
}

impl Scratch {
    /// Empty buffers.
    pub const fn new() -> Self {
        Self {
            x: [0; PIXELS],
            other: [0; PIXELS],
            y: [0; PIXELS],
            weights: [0; WEIGHTS],
            packed: [0; PACKED],
            bias: [0; CHANNELS],
            multipliers: [0.0; CHANNELS],
            words: [0; 256],
            from: [0; PIXELS],
            to: [0; PIXELS],
        }
    }
}

impl Default for Scratch {
    fn default() -> Self {
        Self::new()
    }
}
