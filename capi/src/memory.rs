//! Pointers into slices.

use core::slice;

use crate::status::{NULL, Status};

/// What a pointer points to, to read.
///
/// # Safety
/// Where it is not null, it points to `len` elements that nobody writes during `'a`; it is aligned.
pub(crate) unsafe fn read<'a, T>(start: *const T, len: usize) -> Result<&'a [T], Status> {
    if start.is_null() {
        return Err(NULL);
    }
    // SAFETY: the caller's promise.
    Ok(unsafe { slice::from_raw_parts(start, len) })
}

/// What a pointer points to, to write.
///
/// # Safety
/// Where it is not null, it points to `len` elements that nobody else reads or writes during `'a`; it is aligned.
pub(crate) unsafe fn write<'a, T>(start: *mut T, len: usize) -> Result<&'a mut [T], Status> {
    if start.is_null() {
        return Err(NULL);
    }
    // SAFETY: the caller's promise.
    Ok(unsafe { slice::from_raw_parts_mut(start, len) })
}

/// Puts a value where a pointer points to.
///
/// # Safety
/// Where it is not null, it points to memory for a value.
pub(crate) unsafe fn put<T>(place: *mut T, value: T) -> Result<(), Status> {
    if place.is_null() {
        return Err(NULL);
    }
    // SAFETY: the caller's promise.
    unsafe { place.write(value) };
    Ok(())
}
