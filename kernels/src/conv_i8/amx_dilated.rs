//! AMX for kernels whose columns are dilated: what every tap sees of a row of windows is copied, tap behind tap, so that the
//! taps of all windows are equally far apart.
#![allow(unsafe_code)] // Tiles, and the entry into code that needs the instruction set.
#![cfg_attr(feature = "emulated", allow(unused_unsafe))] // Functions that need no instruction set are safe.

use core::mem::MaybeUninit;

use super::amx::{Places, Work};
use super::avx512_finish::Finish;
use super::bands::{Job, Memory, ROOM};
use super::{Operands, Params, layout, lines, pack};
use crate::amx::{Shape, Tiles};
use crate::columns::Columns;
use crate::geometry::Axis;
use crate::pixels::{Pixels, place};
use crate::{Isa, Level};

/// Bytes that the last tile of a tap may reach beyond it.
const OVER: usize = 4 << 10;

/// Convolves with weights in O16A4 of a dilated kernel, and looks outputs up in registers where the CPU has VBMI; false where
/// the CPU, the layout or the kernel is another one. Of every pixel `y` has the output channels.
pub(super) fn run(isa: Isa, params: &Params, operands: &Operands<'_>, pixels: &Pixels, y: &mut Columns<'_>) -> bool {
    let g = &params.geometry;
    let suits = isa.level() == Level::Amx && params.layout == layout::O16A4 && g.dilation_width != 1;
    if !suits || operands.table.is_some() && !isa.has_vbmi() {
        return false;
    }
    let Some(most) = lines::dilated(g) else { return false };
    // SAFETY: an `Isa` of this level can only be made on a CPU that has it; with a table it has VBMI.
    unsafe { all(&Job::new(params, operands, pixels, 0, ROOM), pixels, most, y) };
    true
}

/// All pixels, at most so many together.
///
/// # Safety
/// Where there is a table, the CPU has VBMI.
#[inline(never)] // Stack that is not needed is not taken.
#[cfg_attr(not(feature = "emulated"), target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni"))]
unsafe fn all(job: &Job<'_>, pixels: &Pixels, most: u32, y: &mut Columns<'_>) {
    let mut memory = Memory::<{ ROOM + OVER }>::new();
    if cfg!(feature = "emulated") {
        memory.0.fill(MaybeUninit::new(0));
    }
    let g = &job.params.geometry;
    // SAFETY: the caller's promise.
    let finish = unsafe { Finish::of(job) };
    let (tiles_of_tap, fours) = pack::tiles(g.in_channels);
    let (inputs, taps) = (g.in_channels as usize, g.kernel_height.wrapping_mul(g.kernel_width));
    let (mut tiles, mut pixel) = (None, pixels.start);
    while pixel < pixels.end {
        let at = place(pixel, g.out_height, g.out_width);
        let count = g.out_width.wrapping_sub(at[2]).min(pixels.end.wrapping_sub(pixel)).min(most).max(1);
        let done = pixel.wrapping_sub(pixels.start) as usize;
        let Some(mut here) = y.of_rows(done..done.wrapping_add(count as usize)) else { return };
        let extent = count.wrapping_sub(1).wrapping_mul(g.stride_width).wrapping_add(1);
        let line = (extent as usize).wrapping_mul(inputs);
        fill(job, at, line, &mut memory.0);
        let places = Places::row(count as usize, (g.stride_width as usize).wrapping_mul(inputs), 0, count as usize);
        let shape = Shape { rows: places.rows() as u8, fours: fours as u8 };
        // SAFETY: this is only entered on a CPU that has AMX.
        let tiles = tiles.get_or_insert_with(|| unsafe { Tiles::new(shape) });
        tiles.shape(shape);
        let work = Work {
            operands: job.operands,
            finish: &finish,
            channels: job.channels,
            block: job.block,
            part: None,
            // All taps of the windows have been written.
            lines: memory.0.as_ptr().cast(),
            rows: taps,
            row_step: line,
            tiles: tiles_of_tap as usize,
            fours: fours as usize,
            places,
        };
        work.run(tiles, &mut here);
        pixel = pixel.wrapping_add(count);
    }
}

/// What the taps of the windows from this one (image, row and column) on see: `line` bytes for each tap.
fn fill(job: &Job<'_>, [image, row, column]: [u32; 3], line: usize, memory: &mut [MaybeUninit<u8>]) {
    let g = &job.params.geometry;
    let (rows, columns) = (g.rows(), g.columns());
    let inputs = g.in_channels as usize;
    let width = (g.in_width as usize).wrapping_mul(inputs);
    let start =
        |axis: &Axis, out: u32, tap: u32| axis.start(out).wrapping_add(tap.wrapping_mul(axis.dilation).cast_signed());
    let mut lines = crate::rows::rows_mut(memory, line);
    for kh in 0..g.kernel_height {
        let row = start(&rows, row, kh).cast_unsigned();
        let first = (image as usize).wrapping_mul(g.in_height as usize).wrapping_add(row as usize).wrapping_mul(width);
        let x = job.operands.x.get(first..first.wrapping_add(width)).filter(|_| row < g.in_height).unwrap_or_default();
        for kw in 0..g.kernel_width {
            let Some(to) = lines.next() else { return };
            let column = start(&columns, column, kw);
            let x = x.get((column.max(0) as usize).wrapping_mul(inputs)..).unwrap_or_default();
            let before = (column.min(0).unsigned_abs() as usize).wrapping_mul(inputs).min(to.len());
            let Some((left, to)) = to.split_at_mut_checked(before) else { return };
            let Some((inner, right)) = to.split_at_mut_checked(x.len().min(to.len())) else { return };
            inner.iter_mut().zip(x).for_each(|(to, from)| _ = to.write(from.cast_unsigned()));
            for beside in [left, right] {
                let padding = (job.params.input_zero_point as i8).cast_unsigned();
                beside.iter_mut().for_each(|to| _ = to.write(padding));
            }
        }
    }
}
