//! What functions in assembly begin with: they do not inherit the processor that the compiler is told.

/// The directive that allows the instructions of the core.
#[cfg(feature = "helium")]
macro_rules! core_instructions {
    () => {
        ".cpu cortex-m55"
    };
}

/// The directive that allows the instructions of the core.
#[cfg(not(feature = "helium"))]
macro_rules! core_instructions {
    () => {
        ".cpu cortex-m4"
    };
}

pub(crate) use core_instructions;
