//! What a plan says of itself.

use core::ffi::c_char;

use ocellus_runtime::{Plan, Port};

use crate::memory::{put, read};
use crate::status::{self, NO_SUCH_PORT, Status};

/// `ocellus_plan_sizes`: the memory that a plan needs.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct PlanSizes {
    /// Bytes of arena.
    pub arena_bytes: usize,
    /// Alignment of the arena in bytes.
    pub arena_align: usize,
    /// Words of step table, of 4 bytes.
    pub step_words: usize,
    /// Inputs.
    pub inputs: usize,
    /// Outputs.
    pub outputs: usize,
}

/// `ocellus_port`: an input or output.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct PortInfo {
    /// Its name in UTF-8, without a zero byte; in the plan.
    pub name: *const c_char,
    /// Bytes of the name.
    pub name_len: usize,
    /// Elements.
    pub elements: usize,
    /// Bytes in the arena.
    pub bytes: usize,
    /// The type of its elements, a number of `ocellus_type`.
    pub element_type: i32,
    /// 1 where the arena holds int8 with scale and zero point.
    pub quantized: i32,
    /// 1 where the arena holds channels last.
    pub channels_last: i32,
    /// The value of one step of an int8.
    pub scale: f32,
    /// The int8 that stands for 0.
    pub zero_point: i32,
    /// How many sizes count.
    pub rank: u32,
    /// Sizes, in the model's axis order.
    pub sizes: [u32; 8],
}

impl PortInfo {
    fn of(port: &Port<'_>) -> Self {
        Self {
            name: port.name.as_ptr().cast(),
            name_len: port.name.len(),
            elements: port.elements(),
            bytes: port.len as usize,
            element_type: port.host as i32,
            quantized: i32::from(port.device == ocellus_plan::DeviceType::Quantized),
            channels_last: i32::from(port.axes == ocellus_plan::Axes::Nhwc),
            scale: port.scale,
            zero_point: port.zero_point,
            rank: u32::from(port.rank),
            sizes: port.sizes,
        }
    }
}

/// The plan in this memory.
///
/// # Safety
/// As [`read`].
pub(crate) unsafe fn parse<'a>(plan: *const u8, len: usize) -> Result<Plan<'a>, Status> {
    // SAFETY: the caller's promise.
    Plan::parse(unsafe { read(plan, len) }?).map_err(status::plan)
}

/// Checks a plan and says which memory it needs.
///
/// # Safety
/// `plan` points to `len` bytes, `sizes` to a struct; null is refused.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ocellus_sizes(plan: *const u8, len: usize, sizes: *mut PlanSizes) -> Status {
    // SAFETY: the caller's promise.
    let outcome = unsafe { parse(plan, len) }.and_then(|plan| {
        let found = PlanSizes {
            arena_bytes: plan.arena_bytes(),
            arena_align: plan.arena_align(),
            step_words: plan.step_words(),
            inputs: plan.inputs().count(),
            outputs: plan.outputs().count(),
        };
        // SAFETY: the caller's promise.
        unsafe { put(sizes, found) }
    });
    status::of(outcome)
}

/// Says what an input is.
///
/// # Safety
/// As [`ocellus_sizes`]; the name that is found lies in the plan.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ocellus_input(plan: *const u8, len: usize, index: usize, port: *mut PortInfo) -> Status {
    // SAFETY: the caller's promise.
    let found = unsafe { parse(plan, len) }.and_then(|plan| plan.inputs().nth(index).ok_or(NO_SUCH_PORT));
    // SAFETY: the caller's promise.
    status::of(found.and_then(|found| unsafe { put(port, PortInfo::of(&found)) }))
}

/// Says what an output is.
///
/// # Safety
/// As [`ocellus_input`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ocellus_output(plan: *const u8, len: usize, index: usize, port: *mut PortInfo) -> Status {
    // SAFETY: the caller's promise.
    let found = unsafe { parse(plan, len) }.and_then(|plan| plan.outputs().nth(index).ok_or(NO_SUCH_PORT));
    // SAFETY: the caller's promise.
    status::of(found.and_then(|found| unsafe { put(port, PortInfo::of(&found)) }))
}
