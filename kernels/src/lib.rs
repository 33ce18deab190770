//! Arithmetic on slices: contract, portable reference and one file per instruction set.
