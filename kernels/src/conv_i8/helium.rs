//! Helium: two pixels times two channels, or one pixel times four, 16 products by an instruction. Tail-predicated loops need
//! no rest.
#![allow(unsafe_code)] // Instructions that no intrinsic gives, in functions of the C calling convention.

use core::arch::naked_asm;
use core::ops::Range;

use super::{Operands, Params, layout};
use crate::assembly::core_instructions;
use crate::pixels::Pixels;
use crate::round_helium::outputs;
use crate::windows::{Window, Windows, inputs as tap_inputs};
use crate::{Isa, Level};

/// The longest window that is gathered; longer ones, unless they lie side by side in the input, are left to DSP.
const LONGEST: usize = 1024;
/// Channels at a time.
const BLOCK: usize = 64;
/// The most taps of windows whose starts are found once for all groups.
const TAPS: usize = 25;

/// Convolves with weights in rows; false where the core or the layout is another one, a window is too long, or a
/// multiplier is no number.
pub(super) fn run(isa: Isa, params: &Params, operands: &Operands<'_>, pixels: &Pixels, y: &mut [i8]) -> bool {
    let g = &params.geometry;
    let numbers = operands.multipliers.iter().all(|m| m.is_finite());
    let row = g.weights().and_then(|n| n.checked_div(g.out_channels)).unwrap_or(0) as usize;
    // A single tap that never lies in the padding needs no gathering.
    let inside = g.rows().inner() == (0..g.out_height) && g.columns().inner() == (0..g.out_width);
    let direct = g.groups == 1 && g.kernel_height == 1 && g.kernel_width == 1 && inside;
    if isa.level() < Level::Helium || params.layout != layout::ROWS || !numbers || (row > LONGEST && !direct) {
        return false;
    }
    if g.groups > 1 && g.group_inputs() == 4 && row <= 4 * TAPS {
        narrow_groups(params, operands, row, pixels, y);
    } else {
        all(params, operands, row, direct, pixels, y, None);
    }
    true
}

/// All pixels, with room for starts, which only groups of few channels pay for.
#[inline(never)]
fn narrow_groups(params: &Params, o: &Operands<'_>, row: usize, pixels: &Pixels, y: &mut [i8]) {
    all(params, o, row, false, pixels, y, Some(&mut [[0; TAPS]; 2]));
}

/// All pixels.
#[inline(never)]
fn all(
    params: &Params,
    o: &Operands<'_>,
    row: usize,
    direct: bool,
    pixels: &Pixels,
    y: &mut [i8],
    starts: Option<&mut Starts>,
) {
    let g = &params.geometry;
    let windows = Windows::new(g.rows(), g.columns(), g.in_channels, pixels.start);
    let (patches, sums) = ([[params.input_zero_point as i8; LONGEST]; 2], [[0; BLOCK]; 2]);
    let mut job = Job { params, o, row, direct, windows, starts, patches, sums };
    let most = (g.out_channels as usize).wrapping_mul(2);
    let mut rest = y;
    while !rest.is_empty() {
        let Some((here, tail)) = rest.split_at_mut_checked(rest.len().min(most)) else { return };
        job.tile(here);
        rest = tail;
    }
}

/// Where the taps of two windows start.
type Starts = [[usize; TAPS]; 2];

/// A convolution whose operands fit, with its working memory.
struct Job<'a> {
    params: &'a Params,
    o: &'a Operands<'a>,
    /// Length of a row of weights.
    row: usize,
    /// Whether windows are read where they lie.
    direct: bool,
    windows: Windows,
    /// Where the taps of these windows start, where groups have four channels and there are few taps.
    starts: Option<&'a mut Starts>,
    patches: [[i8; LONGEST]; 2],
    sums: [[i32; BLOCK]; 2],
}

impl Job<'_> {
    /// The next two pixels, or the one that is left.
    fn tile(&mut self, y: &mut [i8]) {
        let g = self.params.geometry;
        let channels = g.out_channels as usize;
        let windows = self.windows.take::<2>();
        if let Some(all) = &mut self.starts {
            for (window, starts) in windows.iter().zip(all.iter_mut()) {
                self.windows.starts(window, starts);
            }
        }
        for group in 0..g.groups as usize {
            let x = self.pixels(&windows, group);
            let first = group.wrapping_mul(g.group_outputs() as usize);
            let end = first.wrapping_add(g.group_outputs() as usize);
            let mut channel = first;
            while channel < end {
                let block = channel..end.min(channel.wrapping_add(BLOCK));
                self.multiply(block.clone(), x, y.len() <= channels);
                for (sums, y) in self.sums.iter().zip(crate::rows::rows_mut(y, channels)) {
                    let multipliers = self.o.multipliers.get(block.clone()).unwrap_or_default();
                    outputs(&self.params.output, sums, multipliers, y.get_mut(block.clone()).unwrap_or_default());
                }
                channel = block.end;
            }
        }
    }

    /// Where the values of two windows lie; the first one twice where there is no second.
    fn pixels(&mut self, windows: &[Window; 2], group: usize) -> [*const i8; 2] {
        if self.direct {
            let place = |w: &Window| {
                let start = self.windows.tap(w, 0, 0)?;
                self.o.x.get(start..start.wrapping_add(self.row)).map(<[i8]>::as_ptr)
            };
            let [a, b] = windows.each_ref().map(place);
            let a = a.unwrap_or(self.o.x.as_ptr());
            return [a, b.unwrap_or(a)];
        }
        let g = &self.params.geometry;
        let inputs = g.group_inputs() as usize;
        if self.starts.is_some() {
            return self.narrow(group);
        }
        for (patch, window) in self.patches.iter_mut().zip(windows) {
            let whole = window.inner && g.groups == 1 && g.dilation_width == 1;
            let (run, columns) =
                if whole { (inputs.wrapping_mul(g.kernel_width as usize), 1) } else { (inputs, g.kernel_width) };
            let mut taps = crate::rows::rows_mut(patch.get_mut(..self.row).unwrap_or_default(), run);
            for kh in 0..g.kernel_height {
                for kw in 0..columns {
                    let Some(to) = taps.next() else { break };
                    let start = self.windows.tap(window, kh, kw).map(|s| s.wrapping_add(group.wrapping_mul(inputs)));
                    match start.and_then(|s| self.o.x.get(s..s.wrapping_add(run))) {
                        // SAFETY: both have as many bytes.
                        Some(from) if !to.is_empty() && to.len() == from.len() => unsafe {
                            copy(from.as_ptr(), to.as_mut_ptr(), to.len());
                        },
                        Some(_) => {}
                        None => to.fill(self.params.input_zero_point as i8),
                    }
                }
            }
        }
        self.patches.each_ref().map(|p| p.as_ptr())
    }

    /// Gathers two windows of groups of four channels, which are a word.
    #[inline(never)]
    fn narrow(&mut self, group: usize) -> [*const i8; 2] {
        let zeros = [self.params.input_zero_point as i8; 4];
        for (patch, starts) in self.patches.iter_mut().zip(self.starts.iter().flat_map(|all| all.iter())) {
            let patch = patch.get_mut(..self.row).unwrap_or_default();
            for (to, &start) in patch.as_chunks_mut::<4>().0.iter_mut().zip(starts) {
                let values = tap_inputs(self.o.x, start, group.wrapping_mul(4), 4);
                *to = values.and_then(|values| values.first_chunk()).copied().unwrap_or(zeros);
            }
        }
        self.patches.each_ref().map(|p| p.as_ptr())
    }

    /// The sums of a block of channels for two windows, or for the first one alone.
    fn multiply(&mut self, block: Range<usize>, x: [*const i8; 2], alone: bool) {
        let Some(bias) = self.o.bias.get(block.clone()).filter(|b| b.len() <= BLOCK) else { return };
        let at = block.start.wrapping_mul(self.row);
        let [first, second] = x;
        let mut rows = Rows {
            first,
            second,
            len: self.row,
            weights: self.o.weights.as_ptr().wrapping_add(at),
            sums: self.sums.as_mut_ptr().cast(),
            row: self.row,
            groups: bias.len() >> 2,
            bias: bias.as_ptr(),
        };
        let done = if alone { bias.len() & !3 } else { 0 };
        if done > 0 {
            // SAFETY: the window has `row` values, and the channels rows of as many weights, and sums.
            unsafe { one_by_four(&mut rows) };
            rows.weights = rows.weights.wrapping_add(self.row.wrapping_mul(done));
            (rows.sums, rows.bias) = (rows.sums.wrapping_add(done), rows.bias.wrapping_add(done));
        }
        rows.groups = bias.len().wrapping_sub(done) >> 1;
        if rows.groups > 0 {
            // SAFETY: the windows have `row` values, the channels rows of as many weights, and sums for both windows.
            unsafe { two_by_two(&mut rows) };
        }
        if let (1, Some(&one)) = (bias.len() & 1, bias.last()) {
            let last = bias.len().wrapping_sub(done).wrapping_sub(1);
            let weights = rows.weights.wrapping_add(self.row.wrapping_mul(last));
            let (bias, sums) = ([one; 2], rows.sums.wrapping_add(last));
            let mut rows = Rows { weights, sums, row: 0, groups: 1, bias: bias.as_ptr(), ..rows };
            // SAFETY: as above, with the last channel in the place of both; the sum after that of a last one that is odd
            // is there, and nobody reads it.
            unsafe { two_by_two(&mut rows) };
        }
    }
}

/// What [`two_by_two`] and [`one_by_four`] work on.
#[repr(C)]
struct Rows {
    first: *const i8,
    second: *const i8,
    /// Values of a window, at least one.
    len: usize,
    weights: *const i8,
    /// `[2][BLOCK]`
    sums: *mut i32,
    /// Bytes from a row of weights to the next.
    row: usize,
    /// Groups of channels, at least one.
    groups: usize,
    /// What the sums begin with.
    bias: *const i32,
}

/// Copies bytes, at least one.
///
/// # Safety
/// There are so many on both sides, which do not overlap.
#[unsafe(naked)]
unsafe extern "C" fn copy(from: *const i8, to: *mut i8, count: usize) {
    naked_asm!(
        core_instructions!(),
        "push {{r4, lr}}",
        "dlstp.8 lr, r2",
        "2:",
        "vldrb.u8 q0, [r0], #16",
        "vstrb.8 q0, [r1], #16",
        "letp lr, 2b",
        "pop {{r4, pc}}",
    )
}

/// The sums of the products of two windows and pairs of channels, which are [`BLOCK`] apart.
///
/// # Safety
/// Everything that the structure names exists.
#[unsafe(naked)]
unsafe extern "C" fn two_by_two(rows: &mut Rows) {
    naked_asm!(
        core_instructions!(),
        "push {{r4-r11, lr}}",
        "ldrd r4, r5, [r0, #20]",
        "ldr r6, [r0, #28]",
        "push {{r4, r5, r6}}",
        "ldr r11, [r0, #16]",
        "ldm r0, {{r0, r1, r2, r3}}",
        "2:",
        "mov r5, r0",
        "mov r7, r1",
        "mov r9, r3",
        "ldr r12, [sp]",
        "add r12, r12, r3",
        "ldr r8, [sp, #8]",
        "ldrd r4, r6, [r8], #8",
        "str r8, [sp, #8]",
        "mov r8, r4",
        "mov r10, r6",
        "dlstp.8 lr, r2",
        "3:",
        "vldrb.u8 q0, [r5], #16",
        "vldrb.u8 q2, [r9], #16",
        "vmladava.s8 r4, q0, q2",
        "vldrb.u8 q1, [r7], #16",
        "vmladava.s8 r8, q1, q2",
        "vldrb.u8 q3, [r12], #16",
        "vmladava.s8 r6, q0, q3",
        "vmladava.s8 r10, q1, q3",
        "letp lr, 3b",
        "strd r8, r10, [r11, #256]",
        "strd r4, r6, [r11], #8",
        "ldrd r4, r5, [sp]",
        "add r3, r3, r4, lsl #1",
        "subs r5, r5, #1",
        "str r5, [sp, #4]",
        "bne 2b",
        "add sp, sp, #12",
        "pop {{r4-r11, pc}}",
    )
}

/// The sums of the products of the first window and fours of channels.
///
/// # Safety
/// Everything that the structure names exists, but for the second window and its sums.
#[unsafe(naked)]
unsafe extern "C" fn one_by_four(rows: &mut Rows) {
    naked_asm!(
        core_instructions!(),
        "push {{r4-r11, lr}}",
        "ldrd r4, r5, [r0, #20]",
        "ldr r6, [r0, #28]",
        "push {{r4, r5, r6}}",
        "ldr r11, [r0, #16]",
        "ldrd r2, r3, [r0, #8]",
        "ldr r0, [r0]",
        "2:",
        "mov r5, r0",
        "mov r7, r3",
        "ldr r1, [sp]",
        "add r9, r7, r1",
        "add r12, r9, r1",
        "add r1, r12, r1",
        "ldr lr, [sp, #8]",
        "ldrd r4, r6, [lr], #8",
        "ldrd r8, r10, [lr], #8",
        "str lr, [sp, #8]",
        "dlstp.8 lr, r2",
        "3:",
        "vldrb.u8 q0, [r5], #16",
        "vldrb.u8 q1, [r7], #16",
        "vmladava.s8 r4, q0, q1",
        "vldrb.u8 q2, [r9], #16",
        "vmladava.s8 r6, q0, q2",
        "vldrb.u8 q3, [r12], #16",
        "vmladava.s8 r8, q0, q3",
        "vldrb.u8 q1, [r1], #16",
        "vmladava.s8 r10, q0, q1",
        "letp lr, 3b",
        "strd r4, r6, [r11], #8",
        "strd r8, r10, [r11], #8",
        "ldrd r4, r5, [sp]",
        "add r3, r3, r4, lsl #2",
        "subs r5, r5, #1",
        "str r5, [sp, #4]",
        "bne 2b",
        "add sp, sp, #12",
        "pop {{r4-r11, pc}}",
    )
}
