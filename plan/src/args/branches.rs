//! Steps of which none depends on one of the others.

use crate::words::arguments;

arguments! {
    /// The steps that follow are two groups, of which each writes nothing that the other one reads or writes: two threads may
    /// run them at the same time. One thread runs them as any steps.
    ///
    /// No operands.
    Branches = 82 "branches" {
        /// Steps of the first group.
        first: u32,
        /// Steps of the second group, behind those of the first.
        second: u32,
    }
}

impl Branches {
    /// The most parts of the arena that a group may write, if two threads are to run the groups at the same time. Writes that
    /// touch are one part.
    pub const REGIONS: usize = 16;
}
