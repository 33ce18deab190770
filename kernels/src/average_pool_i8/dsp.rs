//! Cortex-M: eight channels of a pixel at a time, summed in int16 as long as that is exact; with Helium in one register.
#![allow(unsafe_code)] // Instructions that no intrinsic gives, in a function of the C calling convention.

use core::arch::naked_asm;

use super::Job;
use crate::assembly::core_instructions;
use crate::pixels::Pixels;
use crate::round::Output;
use crate::round_dsp::{Target, channels};
use crate::runs::{self, Run};
use crate::{Isa, Level};

/// Channels at a time.
const WIDTH: usize = 8;
/// So many bytes of -128 still fit into an int16.
const EXACT: usize = 255;

/// Pools; false where the core is another one, there are fewer than 8 channels, a row of a window is very long, or a
/// multiplier is no number.
pub(super) fn run(isa: Isa, job: &Job<'_>, pixels: &Pixels, y: &mut [i8]) -> bool {
    let (params, g) = (job.params, &job.params.geometry);
    let numbers = job.multipliers.iter().all(|m| m.is_finite());
    if isa.level() < Level::Dsp || job.channels < WIDTH || g.kernel_width as usize > EXACT || !numbers {
        return false;
    }
    let output = params.output();
    runs::part(pixels, &g.rows(), &g.columns(), g.channels, 1, |w| {
        if w.fits(job.channels, job.x.len(), y.len()) {
            let multiplier = params.multiplier(job.multipliers, w.place[0], w.place[1]);
            window(job, &output, w, multiplier, y);
        }
    });
    true
}

/// One pixel, all channels; the window fits.
fn window(job: &Job<'_>, output: &Output, w: &Run, multiplier: f32, y: &mut [i8]) {
    let (params, x, all) = (job.params, job.x, job.channels);
    let [rows, columns] = w.taps;
    let taps = rows.wrapping_mul(columns) as i32;
    let (zero_points, multipliers) = (taps.wrapping_mul(params.input_zero_point).wrapping_neg(), [multiplier; WIDTH]);
    let mut channel = 0;
    while channel < all {
        // The last channels may have been computed in part before: they come out the same.
        let first = channel.min(all.wrapping_sub(WIDTH));
        let mut sums = [zero_points; WIDTH];
        let mut from = x.as_ptr().wrapping_add(w.x.wrapping_add(first));
        let most = EXACT.checked_div(columns).unwrap_or(0);
        let mut left = if most == 0 { 0 } else { rows };
        while left > 0 {
            let now = left.min(most);
            let back = columns.wrapping_mul(w.steps[1]);
            let taps = Taps { columns, rows: now, column: w.steps[1], row: w.steps[0].wrapping_sub(back) };
            // SAFETY: the channels of every tap lie inside.
            unsafe { add(from, &taps, &mut sums) };
            (from, left) = (from.wrapping_add(now.wrapping_mul(w.steps[0])), left.wrapping_sub(now));
        }
        let target = Target::new(y.as_mut_ptr().wrapping_add(w.y.wrapping_add(first)), 1, output);
        // SAFETY: so many channels of the output are there.
        unsafe { channels(sums.as_ptr(), multipliers.as_ptr(), WIDTH >> 2, &target) };
        channel = channel.wrapping_add(WIDTH);
    }
}

/// The taps of a window, at most [`EXACT`].
#[repr(C)]
struct Taps {
    /// At least one.
    columns: usize,
    /// At least one.
    rows: usize,
    /// From tap to tap.
    column: usize,
    /// From the end of a row of taps to the next one.
    row: usize,
}

/// Adds 8 channels of all taps.
///
/// # Safety
/// They are there.
#[cfg(not(feature = "helium"))]
#[unsafe(naked)]
unsafe extern "C" fn add(x: *const i8, taps: &Taps, sums: &mut [i32; WIDTH]) {
    // Channels 0, 2 and 1, 3 in r4 and r5, the next four in r6 and r7.
    naked_asm!(
        core_instructions!(),
        "push {{r4-r11, lr}}",
        "ldm r1, {{r1, r3, r8, r9}}",
        "movs r4, #0",
        "movs r5, #0",
        "movs r6, #0",
        "movs r7, #0",
        "2:",
        "mov lr, r1",
        "3:",
        "ldr r10, [r0]",
        "ldr r11, [r0, #4]",
        "add r0, r0, r8",
        "sxtab16 r4, r4, r10",
        "sxtab16 r5, r5, r10, ror #8",
        "sxtab16 r6, r6, r11",
        "sxtab16 r7, r7, r11, ror #8",
        "subs lr, lr, #1",
        "bne 3b",
        "add r0, r0, r9",
        "subs r3, r3, #1",
        "bne 2b",
        "ldm r2, {{r8-r11}}",
        "sxtah r8, r8, r4",
        "sxtah r9, r9, r5",
        "sxtah r10, r10, r4, ror #16",
        "sxtah r11, r11, r5, ror #16",
        "stm r2!, {{r8-r11}}",
        "ldm r2, {{r8-r11}}",
        "sxtah r8, r8, r6",
        "sxtah r9, r9, r7",
        "sxtah r10, r10, r6, ror #16",
        "sxtah r11, r11, r7, ror #16",
        "stm r2, {{r8-r11}}",
        "pop {{r4-r11, pc}}",
    )
}

/// Adds 8 channels of all taps.
///
/// # Safety
/// They are there.
#[cfg(feature = "helium")]
#[unsafe(naked)]
unsafe extern "C" fn add(x: *const i8, taps: &Taps, sums: &mut [i32; WIDTH]) {
    naked_asm!(
        core_instructions!(),
        "push {{r4-r7, lr}}",
        "ldm r1, {{r1, r3, r4, r5}}",
        "vmov.i32 q2, #0",
        "2:",
        "dls lr, r1",
        "3:",
        "vldrb.s16 q0, [r0]",
        "vadd.i16 q2, q2, q0",
        "add r0, r0, r4",
        "le lr, 3b",
        "add r0, r0, r5",
        "subs r3, r3, #1",
        "bne 2b",
        "vld20.32 {{q0, q1}}, [r2]",
        "vld21.32 {{q0, q1}}, [r2]",
        "vmovlb.s16 q3, q2",
        "vadd.i32 q0, q0, q3",
        "vmovlt.s16 q3, q2",
        "vadd.i32 q1, q1, q3",
        "vst20.32 {{q0, q1}}, [r2]",
        "vst21.32 {{q0, q1}}, [r2]",
        "pop {{r4-r7, pc}}",
    )
}
