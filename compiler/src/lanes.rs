//! Which steps run as bands: to keep what is between them in a core's nearer caches and in little memory, and so that
//! threads meet once for many steps.
//!
//! - Where the pictures between steps are larger than caches, bands replace the steps.
//! - Smaller ones in int8 stay as they are for one thread; two threads share them as two bands, or more where those do not fit.
//! - The arena never grows.

use std::ops::Range;

use ocellus_kernels::Level;
use ocellus_ops::lower::Program;

use crate::Options;
use crate::branches;
use crate::stages::{Bands, Cut, Stage, Uses};
use crate::times::{MEETING, crossing};
use crate::walk::Lowered;

/// Bytes from which on a picture between two steps is large: many cores' second-level caches do not hold it beside
/// everything else.
const LARGE: usize = 1 << 20;
/// Bytes that a band reads and writes, more or less.
const NEAR: usize = 768 << 10;
/// Fewest rows of a band.
const ROWS: u32 = 4;
/// Multiply-accumulates that may be done twice for a byte that does not leave the caches.
const TWICE: u64 = 2;
/// Large pictures get a multiple of so many bands, that threads have equally many.
const BANDS: u32 = 4;
/// How many ways to run steps at the same time are looked at.
const FORKS: usize = 8;
/// The most steps of a stage.
const STEPS: usize = 40;
/// Fewest rows of any picture for each of the bands that two threads share: of fewer, too many are made twice.
const LEAST: u32 = 5;
/// Numbers of such bands.
const MANY: [u32; 3] = [2, 4, 8];
/// Nanoseconds for a band's share of a step that could be a larger one.
const CALL: u64 = 2_500;
/// A thread may have this part of the rows more than the other.
const UNEVEN: u32 = 64;

/// Cuts what gains by it. `bytes` is the arena that a program needs.
pub(crate) fn cut(lowered: &mut Lowered, options: &Options, bytes: impl Fn(&Lowered) -> usize) {
    let limit = bytes(lowered);
    let fits = |lowered: &Lowered| bytes(lowered) <= limit;
    let mut less = lowered.clone();
    cut_large(lowered, options, false, &fits);
    // Bands that make less twice, if they need no more memory.
    cut_large(&mut less, options, true, &fits);
    if bytes(&less) <= bytes(lowered) {
        *lowered = less;
    }
    if options.threads > 1 {
        let limit = bytes(lowered);
        let fits = |lowered: &Lowered| bytes(lowered) <= limit;
        let rest = branch(lowered, options, &fits);
        for range in rest.into_iter().rev() {
            share(lowered, range, STEPS, options, &fits);
        }
    }
}

fn with(lowered: &Lowered, cut: Cut) -> Lowered {
    Lowered { program: cut.program, inputs: lowered.inputs.clone(), outputs: lowered.outputs.clone() }
}

/// Cuts stages with nothing but large pictures between their steps, the longest first at each step; `cheap`: only those whose
/// first step is not dear.
fn cut_large(lowered: &mut Lowered, options: &Options, cheap: bool, fits: &impl Fn(&Lowered) -> bool) {
    let mut first = 0;
    while first < lowered.program.steps.len() {
        let uses = Uses::new(lowered);
        let end = (first + STEPS).min(lowered.program.steps.len());
        let stages = (first + 2..=end).rev().filter_map(|end| Stage::new(&lowered.program, &uses, first..end));
        let worth = stages.filter(|stage| !cheap || !first_is_dear(&lowered.program, &uses, stage, options));
        let trials = worth.flat_map(|stage| large(&stage, options));
        let made = trials.map(|cut| (cut.steps, with(lowered, cut))).find(|(_, trial)| fits(trial));
        first += match made {
            Some((steps, trial)) => {
                *lowered = trial;
                steps
            }
            None => 1,
        };
    }
}

/// Whether a stage is better off without its first step, because bands make more of that twice than its result is worth.
fn first_is_dear(program: &Program, uses: &Uses, stage: &Stage<'_>, options: &Options) -> bool {
    let range = stage.range();
    let (Some(rest), Some(step)) =
        (Stage::new(program, uses, range.start + 1..range.end), program.steps.get(range.start))
    else {
        return false;
    };
    let twice = |stage: &Stage<'_>| stage.twice(band_rows(stage, options.level), options.level);
    let (Some(all), Some(less)) = (twice(stage), twice(&rest)) else { return false };
    let bytes: usize = step.writes.iter().map(|&t| program.tensors[t].bytes()).sum();
    range.len() > 2 && all.macs.saturating_sub(less.macs) > TWICE * bytes as u64
}

/// Rows of the bands of a stage with large pictures.
fn band_rows(stage: &Stage<'_>, level: Level) -> u32 {
    let bands = (stage.bytes().div_ceil(NEAR) as u32).next_multiple_of(BANDS);
    let rows = stage.height().div_ceil(bands).max(ROWS);
    // Whole tiles of Winograd's form, where two threads have equally many all the same; what has no tiles is cut evenly.
    let winograd = !stage.is_exact() || matches!(level, Level::Sse41 | Level::Avx2);
    let tiles = rows.next_multiple_of(ROWS);
    if winograd && stage.height().div_ceil(tiles).is_multiple_of(2) { tiles } else { rows }
}

/// A stage with large pictures in bands, for fewer and fewer threads.
fn large(stage: &Stage<'_>, options: &Options) -> Vec<Cut> {
    let between: usize = stage.between().sum();
    if between == 0 || stage.between().any(|bytes| bytes < LARGE) {
        return Vec::new();
    }
    let rows = band_rows(stage, options.level);
    if rows >= stage.height() {
        return Vec::new();
    }
    if stage.twice(rows, options.level).is_none_or(|twice| twice.macs > TWICE * between as u64) {
        return Vec::new();
    }
    let fewer = (1..=options.threads).rev();
    fewer.filter_map(|threads| stage.cut(&Bands { rows, threads, whole: false }, options.align)).collect()
}

/// Rows of bands that two threads share, equally many each, and the nanoseconds that they gain, the greatest gain first.
///
/// More bands make more rows twice, and what is between their steps takes less memory, in which the other thread has been.
fn small(stage: &Stage<'_>, level: Level) -> Vec<(u64, u32)> {
    if !stage.is_exact() {
        return Vec::new();
    }
    let (alone, (between, target), height) = (stage.lost_alone(level), stage.peak(), stage.height());
    let gain = |&bands: &u32| -> Option<(u64, u32)> {
        let rows = height.div_ceil(bands);
        let uneven = (rows * bands / 2).checked_sub(height.div_ceil(2))? > height / UNEVEN;
        if stage.least_height() < LEAST * bands || height.div_ceil(rows) != bands || uneven {
            return None;
        }
        let twice = stage.twice(rows, level)?.nanoseconds / 2;
        let more = u64::from(bands / 2 - 1) * stage.range().len() as u64 * CALL;
        let lost = MEETING + crossing(target) + crossing(2 * between / bands as usize) + twice + more;
        Some((alone.checked_sub(lost)?, rows))
    };
    let mut gains: Vec<_> = MANY.iter().filter_map(gain).collect();
    gains.sort_by_key(|&(gain, _)| std::cmp::Reverse(gain));
    gains
}

/// Lets two threads run steps that do not depend on each other at the same time, where that gains more than stages of the
/// same steps; gives the steps that are left for stages.
fn branch(lowered: &mut Lowered, options: &Options, fits: &impl Fn(&Lowered) -> bool) -> Vec<Range<usize>> {
    let all = 0..lowered.program.steps.len();
    let gain = |lowered: &Lowered, range: &Range<usize>| gains(lowered, range, STEPS, options)[0].0;
    let mut best = (gain(lowered, &all), None);
    for fork in branches::find(lowered, options.level).into_iter().take(FORKS) {
        let made = fork.made(lowered);
        let rest = [0..fork.announced, fork.end()..all.end + 1];
        let all = fork.gain + rest.iter().map(|range| gain(&made, range)).sum::<u64>();
        if all > best.0 && fits(&made) {
            best = (all, Some((made, rest)));
        }
    }
    let Some((made, rest)) = best.1 else { return vec![all] };
    *lowered = made;
    rest.into()
}

/// The greatest gain, in nanoseconds, from every one of these steps on by stages of at most so many steps, and the end of the
/// stage that begins there.
fn gains(lowered: &Lowered, range: &Range<usize>, most: usize, options: &Options) -> Vec<(u64, Option<usize>)> {
    let uses = Uses::new(lowered);
    let mut best: Vec<(u64, Option<usize>)> = vec![(0, None); range.len() + 1];
    for first in range.clone().rev() {
        let at = first - range.start;
        best[at] = (best[at + 1].0, None);
        for end in first + 2..=(first + most).min(range.end) {
            let Some(stage) = Stage::new(&lowered.program, &uses, first..end) else { continue };
            let Some(&(gain, _)) = small(&stage, options.level).first() else { continue };
            let all = gain + best[end - range.start].0;
            if all > best[at].0 {
                best[at] = (all, Some(end));
            }
        }
    }
    best
}

/// Cuts some of the steps into stages of at most so many, so that the gain is greatest; those that need too much memory into
/// shorter ones.
fn share(lowered: &mut Lowered, range: Range<usize>, most: usize, options: &Options, fits: &impl Fn(&Lowered) -> bool) {
    if most < 2 {
        return;
    }
    let best = gains(lowered, &range, most, options);
    let mut stages = Vec::new();
    let mut first = range.start;
    while first < range.end {
        match best[first - range.start].1 {
            Some(end) => {
                stages.push(first..end);
                first = end;
            }
            None => first += 1,
        }
    }
    for stage in stages.into_iter().rev() {
        let uses = Uses::new(lowered);
        let whole = Stage::new(&lowered.program, &uses, stage.clone());
        let ways =
            whole.iter().flat_map(|whole| small(whole, options.level).into_iter().map(move |(_, rows)| (whole, rows)));
        let cut = |(whole, rows): (&Stage<'_>, u32)| whole.cut(&Bands { rows, threads: 2, whole: true }, options.align);
        match ways.filter_map(cut).map(|cut| with(lowered, cut)).find(fits) {
            Some(trial) => *lowered = trial,
            None => {
                let most = stage.len().div_ceil(2);
                share(lowered, stage, most, options, fits);
            }
        }
    }
}
