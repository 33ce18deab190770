//! Steps that run beside each other.

use crate::words::arguments;

arguments! {
    /// The steps that follow are `bands` groups of as many steps. Each band writes its own part of y and the first of the
    /// memories, and reads neither other bands' parts nor what they left in the memory: threads may run bands at the same time,
    /// each thread with another of the memories in the first one's place.
    ///
    /// Where `whole` is not 0, so many steps behind the bands write the same y: one thread runs those instead.
    ///
    /// Writes: y, memories.
    Lanes = 80 "lanes" {
        /// Groups of steps.
        bands: u32,
        /// Steps of each band.
        steps: u32,
        /// Bytes of y that each band writes; the last one may write fewer.
        piece: u32,
        /// Bytes of a memory.
        memory: u32,
        /// How many memories there are: as many threads can share the bands.
        memories: u32,
        /// Steps behind the bands that do the same.
        whole: u32,
    }
}
