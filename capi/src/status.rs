//! What every function returns: 0, or the number of what is wrong.

use core::ffi::{CStr, c_char};

use ocellus_runtime::{LoadError, PlanError, PortError, StepFault};

/// A number of this module.
pub type Status = i32;

macro_rules! statuses {
    ($($name:ident = $number:literal $message:literal;)*) => {
        $(#[doc = concat!("`OCELLUS_", stringify!($name), "`")] pub const $name: Status = $number;)*

        fn message(status: Status) -> &'static CStr {
            match status {
                $($number => $message,)*
                _ => c"no status of Ocellus has this number",
            }
        }

        /// Every status with its name in the header.
        #[cfg(test)]
        pub(crate) const ALL: &[(Status, &str)] = &[$(($number, stringify!($name))),*];
    };
}

statuses! {
    OK = 0 c"well";
    NULL = 1 c"a pointer is null";
    TRUNCATED = 2 c"the plan is truncated: copy it again, or compile it again";
    NOT_A_PLAN = 3 c"this is not a plan: make one with `ocellus compile`";
    VERSION = 4 c"the plan has a format that is not known here: compile the model again";
    CHECKSUM = 5 c"the plan's checksum is wrong: it was damaged on the way; copy it again";
    DAMAGED = 6 c"the plan is damaged: compile the model again";
    PLAN_MISALIGNED = 7 c"the plan has to be aligned to 8 bytes or more (64 for speed)";
    STEP_MEMORY = 8 c"the memory for the step table is too small or not aligned to 4 bytes";
    ARENA_TOO_SMALL = 9 c"the arena is too small";
    ARENA_MISALIGNED = 10 c"the arena is not aligned as the plan asks";
    UNSUPPORTED = 11 c"the plan has an operation or a layout of weights that this CPU or build cannot run";
    NOT_LOADED = 12 c"the session was not loaded";
    NO_SUCH_PORT = 13 c"the plan has no input or output of this number";
    WRONG_TYPE = 14 c"the input or output has another element type";
    WRONG_LENGTH = 15 c"the input or output has another number of elements";
    VALUES_MISALIGNED = 16 c"the values do not lie at a multiple of their size";
    SELF_TEST = 17 c"a self-test vector has another answer: do not use this plan here";
    NOT_A_NUMBER = 18 c"a value is not a number, and the input holds int8";
}

/// A sentence about a status, which ends with a zero byte and is never freed.
#[unsafe(no_mangle)]
pub extern "C" fn ocellus_message(status: Status) -> *const c_char {
    message(status).as_ptr()
}

/// 0, or what is wrong.
pub(crate) fn of(outcome: Result<(), Status>) -> Status {
    outcome.err().unwrap_or(OK)
}

pub(crate) fn plan(error: PlanError) -> Status {
    match error {
        PlanError::Truncated => TRUNCATED,
        PlanError::NotAPlan => NOT_A_PLAN,
        PlanError::Version(_) => VERSION,
        PlanError::Checksum => CHECKSUM,
        PlanError::Sections | PlanError::Ports | PlanError::Steps => DAMAGED,
    }
}

pub(crate) fn load(error: LoadError) -> Status {
    match error {
        LoadError::Plan(error) => plan(error),
        LoadError::StepMemory { .. } => STEP_MEMORY,
        LoadError::ArenaTooSmall { .. } => ARENA_TOO_SMALL,
        LoadError::ArenaMisaligned { .. } => ARENA_MISALIGNED,
        LoadError::PlanMisaligned => PLAN_MISALIGNED,
        LoadError::Step { fault: StepFault::UnknownOperation(_) | StepFault::Layout(_), .. } => UNSUPPORTED,
        LoadError::Step { .. } => DAMAGED,
    }
}

pub(crate) fn port(error: PortError) -> Status {
    match error {
        PortError::NoSuchPort { .. } => NO_SUCH_PORT,
        PortError::Type { .. } => WRONG_TYPE,
        PortError::Length { .. } => WRONG_LENGTH,
        PortError::NotANumber { .. } => NOT_A_NUMBER,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::format;

    #[test]
    fn the_header_has_every_status() {
        let header = include_str!("../include/ocellus.h");
        for (number, name) in ALL {
            let line = format!("OCELLUS_{name} = {number},");
            assert!(header.contains(&line), "{line}");
            assert!(!message(*number).is_empty());
        }
    }
}
