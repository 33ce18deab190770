//! A loaded plan in the caller's memory.

use core::ffi::c_void;
use core::mem::MaybeUninit;

use ocellus_runtime::{Host, HostMut, HostType, Isa, Session, ops};

use crate::memory::{put, read, write};
use crate::plan::parse;
use crate::status::{self, NOT_LOADED, NULL, SELF_TEST, STEP_MEMORY, Status, VALUES_MISALIGNED, WRONG_TYPE};

/// `ocellus_session`: room for a session. The caller sets it to zero; loading fills it.
#[repr(C)]
pub struct SessionRoom {
    /// [`LOADED`] once there is a session.
    loaded: u64,
    session: MaybeUninit<Session<'static>>,
}

/// What a room with a session begins with.
const LOADED: u64 = 0x6f63_656c_6c75_7321;

/// What the header reserves.
const ROOM: usize = 128;
const _: () = assert!(size_of::<SessionRoom>() <= ROOM && align_of::<SessionRoom>() <= 8);

/// The session in a room.
///
/// # Safety
/// `room` is null, or a room that is zero or was filled by [`ocellus_load`], and nobody else uses it during `'a`.
pub(crate) unsafe fn session<'a>(room: *mut SessionRoom) -> Result<&'a mut Session<'static>, Status> {
    // SAFETY: the caller's promise.
    let room = unsafe { room.as_mut() }.ok_or(NULL)?;
    if room.loaded != LOADED {
        return Err(NOT_LOADED);
    }
    // SAFETY: loading wrote the session before the mark.
    Ok(unsafe { room.session.assume_init_mut() })
}

/// Checks a plan with everything in it, and keeps the pointers: plan, steps and arena stay as they are, and where they are,
/// as long as the session is used.
///
/// # Safety
/// The pointers are null (which is refused) or point to as much memory as the lengths say, and none of the memories overlap.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ocellus_load(
    room: *mut SessionRoom,
    plan: *const u8,
    plan_len: usize,
    steps: *mut u32,
    step_words: usize,
    arena: *mut u8,
    arena_len: usize,
) -> Status {
    let load = || {
        // SAFETY: the caller's promise.
        let room = unsafe { room.as_mut() }.ok_or(NULL)?;
        room.loaded = 0;
        // SAFETY: the caller's promise.
        let plan = unsafe { parse(plan, plan_len) }?;
        if !steps.is_aligned() {
            return Err(STEP_MEMORY);
        }
        // SAFETY: the caller's promise, and the alignment that was just seen.
        let (steps, arena) = unsafe { (write(steps, step_words)?, write(arena, arena_len)?) };
        room.session.write(Session::load(plan, ops::ALL, Isa::best(), steps, arena).map_err(status::load)?);
        room.loaded = LOADED;
        Ok(())
    };
    status::of(load())
}

/// Computes the outputs.
///
/// # Safety
/// `room` is zero or was filled by [`ocellus_load`], and what was given to that is still there.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ocellus_run(room: *mut SessionRoom) -> Status {
    // SAFETY: the caller's promise.
    status::of(unsafe { session(room) }.map(Session::run))
}

/// Runs the plan's self-test vectors; what the arena held is lost. `count` gets their number, unless it is null.
///
/// # Safety
/// As [`ocellus_run`]; `count` is null or points to a number.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ocellus_self_test(room: *mut SessionRoom, count: *mut usize) -> Status {
    // SAFETY: the caller's promise.
    let outcome = unsafe { session(room) }.and_then(|s| s.self_test().map_err(|_| SELF_TEST)).map(|found| {
        // SAFETY: the caller's promise; that nothing wants the number is well.
        let _ = unsafe { put(count, found) };
    });
    status::of(outcome)
}

/// Puts `count` values of an element type, in the model's axis order, into an input.
///
/// # Safety
/// As [`ocellus_run`]; `values` is null (which is refused) or points to as many values.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ocellus_set_input(
    room: *mut SessionRoom,
    index: usize,
    element_type: i32,
    values: *const c_void,
    count: usize,
) -> Status {
    let set = || {
        // SAFETY: the caller's promise.
        let session = unsafe { session(room) }?;
        let host_type = aligned(element_type, values)?;
        // SAFETY: the caller's promise, and the alignment that was just seen.
        let host = unsafe {
            match host_type {
                HostType::F32 => Host::F32(read(values.cast(), count)?),
                HostType::I8 => Host::I8(read(values.cast(), count)?),
                HostType::U8 => Host::U8(read(values.cast(), count)?),
                HostType::I32 => Host::I32(read(values.cast(), count)?),
                HostType::I64 => Host::I64(read(values.cast(), count)?),
                HostType::Bool => Host::Bool(read(values.cast(), count)?),
            }
        };
        session.set_input(index, host).map_err(status::port)
    };
    status::of(set())
}

/// Takes `count` values of an element type, in the model's axis order, from an output.
///
/// # Safety
/// As [`ocellus_run`]; `values` is null (which is refused) or points to memory for as many values.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ocellus_get_output(
    room: *mut SessionRoom,
    index: usize,
    element_type: i32,
    values: *mut c_void,
    count: usize,
) -> Status {
    let get = || {
        // SAFETY: the caller's promise.
        let session = unsafe { session(room) }?;
        let host_type = aligned(element_type, values)?;
        // SAFETY: the caller's promise, and the alignment that was just seen.
        let host = unsafe {
            match host_type {
                HostType::F32 => HostMut::F32(write(values.cast(), count)?),
                HostType::I8 => HostMut::I8(write(values.cast(), count)?),
                HostType::U8 => HostMut::U8(write(values.cast(), count)?),
                HostType::I32 => HostMut::I32(write(values.cast(), count)?),
                HostType::I64 => HostMut::I64(write(values.cast(), count)?),
                HostType::Bool => HostMut::Bool(write(values.cast(), count)?),
            }
        };
        session.output(index, host).map_err(status::port)
    };
    status::of(get())
}

/// Where an input lies in the arena, as the device holds it: to write without a copy.
///
/// # Safety
/// As [`ocellus_run`]; `bytes` and `len` are null (which is refused) or point to a pointer and a number.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ocellus_input_bytes(
    room: *mut SessionRoom,
    index: usize,
    bytes: *mut *mut u8,
    len: *mut usize,
) -> Status {
    // SAFETY: the caller's promise.
    let found = unsafe { session(room) }.and_then(|s| s.input_bytes(index).map_err(status::port));
    // SAFETY: the caller's promise.
    status::of(found.and_then(|found| unsafe { put(len, found.len()).and(put(bytes, found.as_mut_ptr())) }))
}

/// Where an output lies in the arena, as the device holds it: to read without a copy.
///
/// # Safety
/// As [`ocellus_input_bytes`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ocellus_output_bytes(
    room: *mut SessionRoom,
    index: usize,
    bytes: *mut *const u8,
    len: *mut usize,
) -> Status {
    // SAFETY: the caller's promise.
    let found = unsafe { session(room) }.and_then(|s| s.output_bytes(index).map_err(status::port));
    // SAFETY: the caller's promise.
    status::of(found.and_then(|found| unsafe { put(len, found.len()).and(put(bytes, found.as_ptr())) }))
}

/// The element type of this number, where values of it may lie at this address.
fn aligned(element_type: i32, values: *const c_void) -> Result<HostType, Status> {
    let number = u8::try_from(element_type).map_err(|_| WRONG_TYPE)?;
    let host_type = HostType::from_number(number).ok_or(WRONG_TYPE)?;
    let fits = values.addr() & host_type.size().wrapping_sub(1) == 0;
    if fits { Ok(host_type) } else { Err(VALUES_MISALIGNED) }
}
