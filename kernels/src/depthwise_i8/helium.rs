//! Helium: runs of pixels whose taps inside the input are the same, 16 or 8 channels at a time.
//!
//! Where taps lie outside, those inside multiply `x - input_zero_point`, and the bias is that of a window that reads the
//! zero point everywhere.
#![allow(unsafe_code)] // Instructions that no intrinsic gives, in functions of the C calling convention.

use core::arch::naked_asm;

use super::{Operands, Params};
use crate::assembly::core_instructions;
use crate::pixels::Pixels;
use crate::runs::{self, Run};
use crate::{Isa, Level};

/// Convolves; false where the core is another one, there are fewer than 8 channels, or a multiplier is no number.
pub(super) fn run(isa: Isa, params: &Params, operands: &Operands<'_>, pixels: &Pixels, y: &mut [i8]) -> bool {
    let channels = params.geometry.out_channels as usize;
    let numbers = operands.multipliers.iter().all(|m| m.is_finite());
    if isa.level() < Level::Helium || channels < 8 || !numbers {
        return false;
    }
    let mut channel = 0usize;
    while channel < channels {
        let left = channels.wrapping_sub(channel);
        let width = if left > 8 && channels >= 16 { 16 } else { 8 };
        // The last channels may have been computed in part before: they come out the same.
        let first = channel.min(channels.wrapping_sub(width));
        block(params, operands, pixels, first, width, y);
        channel = first.wrapping_add(width);
    }
    true
}

/// `width` channels, 8 or 16, from `first` on: all pixels.
fn block(params: &Params, o: &Operands<'_>, pixels: &Pixels, first: usize, width: usize, y: &mut [i8]) {
    let g = &params.geometry;
    let channels = g.out_channels as usize;
    let bias = o.bias.get(first..).unwrap_or_default();
    let padded = padded(params, o, first);
    let (kernel, kernel_width) = ([g.kernel_height as usize, g.kernel_width as usize], g.kernel_width as usize);
    runs::part(pixels, &g.rows(), &g.columns(), g.in_channels, u32::MAX, |run| {
        if !run.fits(channels, o.x.len(), y.len()) || bias.len() < width {
            return;
        }
        let whole = run.taps == kernel;
        let [rows, columns] = if run.taps.contains(&0) { [0, 0] } else { run.taps };
        let Run { x, first: [tap_row, tap_column], steps: [row_step, column_step], .. } = *run;
        let tap = tap_row.wrapping_mul(kernel_width).wrapping_add(tap_column);
        let back = columns.wrapping_mul(column_step);
        let job = Job {
            x: o.x.as_ptr().wrapping_add(x.wrapping_add(first)),
            weights: o.weights.as_ptr().wrapping_add(tap.wrapping_mul(channels).wrapping_add(first)),
            y: y.as_mut_ptr().wrapping_add(run.y.wrapping_add(first)),
            bias: if whole { bias.as_ptr() } else { padded.as_ptr() },
            multipliers: o.multipliers.as_ptr().wrapping_add(first),
            rows,
            columns,
            x_row: row_step.wrapping_sub(back),
            weights_row: kernel_width.wrapping_sub(columns).wrapping_mul(channels),
            x_column: column_step,
            channels,
            pixels: run.pixels,
            x_pixel: run.pixel_step,
            input_zero_point: if whole { 0 } else { params.input_zero_point },
            zero_point: params.output.zero_point,
            low: params.output.low,
            high: params.output.high,
        };
        // SAFETY: the run fits into x and y, its taps are those of the kernel, and all of these channels exist.
        unsafe { if width == 16 { sixteen(&job) } else { eight(&job) } };
    });
}

/// The sums of up to 16 channels where every tap reads the zero point.
fn padded(params: &Params, o: &Operands<'_>, first: usize) -> [i32; 16] {
    let mut sums = [0i32; 16];
    for weights in crate::rows::rows(o.weights, params.geometry.out_channels as usize) {
        for (sum, &w) in sums.iter_mut().zip(weights.get(first..).unwrap_or_default()) {
            *sum = sum.wrapping_add(i32::from(w));
        }
    }
    for (sum, &bias) in sums.iter_mut().zip(o.bias.get(first..).unwrap_or_default()) {
        *sum = sum.wrapping_mul(params.input_zero_point).wrapping_add(bias);
    }
    sums
}

/// A run of pixels.
#[repr(C)]
struct Job {
    /// The first channel of the first pixel's first tap.
    x: *const i8,
    /// The first channel of the first tap.
    weights: *const i8,
    y: *mut i8,
    bias: *const i32,
    multipliers: *const f32,
    /// Rows of taps, maybe none, and taps in each.
    rows: usize,
    columns: usize,
    /// From the end of a row of taps to the next one.
    x_row: usize,
    weights_row: usize,
    /// From tap to tap.
    x_column: usize,
    /// From tap to tap of the weights, and from pixel to pixel of y.
    channels: usize,
    /// At least one.
    pixels: usize,
    /// From pixel to pixel.
    x_pixel: usize,
    /// What is subtracted from x.
    input_zero_point: i32,
    zero_point: i32,
    low: i32,
    high: i32,
}

/// Adds the products of 8 channels `$at` bytes on to the sums of even and odd ones.
macro_rules! tap {
    ($at:literal, $subtract:literal, $even:literal, $odd:literal) => {
        concat!(
            "vldrb.s16 q0, [r1, #",
            $at,
            "]\n vldrb.s16 q1, [r2, #",
            $at,
            "]\n",
            $subtract,
            "\n vmullb.s16 q2, q0, q1\n vmullt.s16 q3, q0, q1\n vadd.i32 ",
            $even,
            ", ",
            $even,
            ", q2\n vadd.i32 ",
            $odd,
            ", ",
            $odd,
            ", q3\n"
        )
    };
}

/// Takes 8 words from r11 on, even and odd ones apart.
macro_rules! words {
    ($even:literal, $odd:literal) => {
        concat!("vld20.32 {{", $even, ", ", $odd, "}}, [r11]\n vld21.32 {{", $even, ", ", $odd, "}}, [r11]!\n")
    };
}

/// The outputs of 8 sums as int16, with the multipliers from r11 on; bounds are applied later.
macro_rules! outputs {
    ($even:literal, $odd:literal, $to:literal) => {
        concat!(
            words!("q0", "q1"),
            "vcvt.f32.s32 ",
            $even,
            ", ",
            $even,
            "\n vcvt.f32.s32 ",
            $odd,
            ", ",
            $odd,
            "\n vmul.f32 q0, q0, ",
            $even,
            "\n vmul.f32 q1, q1, ",
            $odd,
            "\n vcvtn.s32.f32 q0, q0\n vcvtn.s32.f32 q1, q1\n vqmovnb.s32 ",
            $to,
            ", q0\n vqmovnt.s32 ",
            $to,
            ", q1\n"
        )
    };
}

/// All pixels of a run: sums from the bias, products with and without the zero point, outputs, bounds, stores.
macro_rules! all_pixels {
    ($start:expr, $products:expr, $products_less:expr, $outputs:expr, $bound:expr, $store:expr) => {
        concat!(
            "push {{r4-r11, lr}}
             vpush {{d8-d15}}
             ldr r8, [r0]
             ldr r10, [r0, #8]
             ldrd r3, r4, [r0, #36]
             ldr r5, [r0, #24]
             ldr r9, [r0, #44]
             ldr r7, [r0, #52]
             2: ldr r11, [r0, #12]
             ",
            $start,
            "ldr r6, [r0, #20]
             cmp r6, #0
             beq 7f
             mov r1, r8
             ldr r2, [r0, #4]
             3: dls lr, r5
             cbz r7, 5f
             4: ",
            $products_less,
            "add r1, r1, r3
             add r2, r2, r4
             le lr, 4b
             b 6f
             5: ",
            $products,
            "add r1, r1, r3
             add r2, r2, r4
             le lr, 5b
             6: ldrd r11, r12, [r0, #28]
             add r1, r1, r11
             add r2, r2, r12
             subs r6, r6, #1
             bne 3b
             7: ldr r11, [r0, #16]
             ",
            $outputs,
            "ldrd r11, r12, [r0, #56]
             ldr r6, [r0, #64]
             vdup.16 q0, r12
             vdup.16 q1, r6
             ",
            $bound,
            $store,
            "add r10, r10, r4
             ldr r11, [r0, #48]
             add r8, r8, r11
             subs r9, r9, #1
             bne 2b
             vpop {{d8-d15}}
             pop {{r4-r11, pc}}\n"
        )
    };
}

/// Zero point and bounds of int16 outputs.
macro_rules! bound {
    ($v:literal) => {
        concat!(
            "vqadd.s16 ",
            $v,
            ", ",
            $v,
            ", r11\n vmax.s16 ",
            $v,
            ", ",
            $v,
            ", q0\n vmin.s16 ",
            $v,
            ", ",
            $v,
            ", q1\n"
        )
    };
}

/// 16 channels of the pixels of a run.
///
/// # Safety
/// Everything that the structure names exists.
#[unsafe(naked)]
unsafe extern "C" fn sixteen(job: &Job) {
    naked_asm!(
        core_instructions!(),
        all_pixels!(
            concat!(words!("q4", "q5"), words!("q6", "q7")),
            concat!(tap!("0", "", "q4", "q5"), tap!("8", "", "q6", "q7")),
            concat!(tap!("0", "vsub.i16 q0, q0, r7", "q4", "q5"), tap!("8", "vsub.i16 q0, q0, r7", "q6", "q7")),
            concat!(outputs!("q4", "q5", "q2"), outputs!("q6", "q7", "q3")),
            concat!(bound!("q2"), bound!("q3")),
            "mov r1, r10\n vstrb.16 q2, [r1]\n vstrb.16 q3, [r1, #8]\n"
        )
    )
}

/// 8 channels of the pixels of a run.
///
/// # Safety
/// Everything that the structure names exists.
#[unsafe(naked)]
unsafe extern "C" fn eight(job: &Job) {
    naked_asm!(
        core_instructions!(),
        all_pixels!(
            words!("q4", "q5"),
            tap!("0", "", "q4", "q5"),
            tap!("0", "vsub.i16 q0, q0, r7", "q4", "q5"),
            outputs!("q4", "q5", "q2"),
            bound!("q2"),
            "mov r1, r10\n vstrb.16 q2, [r1]\n"
        )
    )
}
