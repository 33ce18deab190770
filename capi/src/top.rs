//! One label for a picture.

use ocellus_vision::{Values, classify};

use crate::memory::{put, write};
use crate::session::{SessionRoom, session};
use crate::status::{self, NO_SUCH_PORT, Status, WRONG_TYPE};

/// `ocellus_class`: a class and its share.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Class {
    /// Index of the class.
    pub index: u32,
    /// The score as the model gives it.
    pub score: f32,
    /// Softmax of the scores at this class, between 0 and 1.
    pub probability: f32,
}

/// The most classes that [`ocellus_top`] finds.
pub const TOP_MAX: usize = 16;

/// The classes with the greatest scores of an output, greatest first; `count` gets their number, which is the least of
/// `room_for`, [`TOP_MAX`] and the classes that there are.
///
/// # Safety
/// As [`ocellus_run`](crate::ocellus_run); `classes` and `count` are null (which is refused) or point to memory for
/// `room_for` classes and a number.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ocellus_top(
    room: *mut SessionRoom,
    output: usize,
    classes: *mut Class,
    room_for: usize,
    count: *mut usize,
) -> Status {
    let find = || {
        // SAFETY: the caller's promise.
        let session = unsafe { session(room) }?;
        let port = session.plan().outputs().nth(output).ok_or(NO_SUCH_PORT)?;
        let values = Values::of(&port, session.output_bytes(output).map_err(status::port)?).ok_or(WRONG_TYPE)?;
        // SAFETY: the caller's promise.
        let classes = unsafe { write(classes, room_for) }?;
        let mut found = 0usize;
        for (to, answer) in classes.iter_mut().zip(classify::top::<TOP_MAX>(values)) {
            *to = Class { index: answer.class as u32, score: answer.score, probability: answer.probability };
            found = found.wrapping_add(1);
        }
        // SAFETY: the caller's promise.
        unsafe { put(count, found) }
    };
    status::of(find())
}
