//! Stages: consecutive steps that all work row by row and of whose results one is used later; and their bands.
//!
//! - A band of a stage makes some rows of that result, the target, and of everything before it the rows that those need.
//! - What is between its steps lies in a memory of its own, which bands that run one after the other share.
//! - Rows that two bands need are made twice.

use std::collections::HashMap;
use std::ops::Range;

use ocellus_kernels::Level;
use ocellus_ops::lower::{
    DeviceStep, DeviceTensor, Program, RowPart, RowWise, TensorId, element_bytes, row_part, row_wise,
};
use ocellus_plan::args::{Lanes, element};

use crate::arena::{Buffer, place};
use crate::times::{lost_alone, nanoseconds_again};
use crate::walk::Lowered;

/// Where the memory of every tensor is used.
pub(crate) struct Uses {
    /// First and last step that touch it.
    steps: HashMap<TensorId, (usize, usize)>,
    ports: Vec<TensorId>,
}

impl Uses {
    pub(crate) fn new(lowered: &Lowered) -> Self {
        let program = &lowered.program;
        let mut steps = HashMap::new();
        for (index, step) in program.steps.iter().enumerate() {
            for &t in step.reads.iter().flatten().chain(&step.writes) {
                steps.entry(program.root(t)).or_insert((index, index)).1 = index;
            }
        }
        let ports = lowered.inputs.iter().chain(&lowered.outputs).map(|&t| program.root(t)).collect();
        Self { steps, ports }
    }

    /// Whether memory is used in these steps alone.
    fn within(&self, root: TensorId, range: &Range<usize>) -> bool {
        let used = self.steps.get(&root).is_some_and(|(first, last)| range.contains(first) && range.contains(last));
        used && !self.ports.contains(&root)
    }
}

/// Consecutive steps that can be cut into bands.
pub(crate) struct Stage<'a> {
    program: &'a Program,
    range: Range<usize>,
    /// The memory that is used later.
    target: TensorId,
    /// The memory that is used between the steps alone, with the first and the last step that touch it.
    inner: HashMap<TensorId, (usize, usize)>,
    /// The height of every picture.
    heights: HashMap<TensorId, u32>,
}

/// How a stage is cut.
pub(crate) struct Bands {
    /// Rows of the target in each.
    pub rows: u32,
    /// How many threads share them at most.
    pub threads: u32,
    /// Whether the steps stay, for one thread.
    pub whole: bool,
}

/// A stage in bands.
pub(crate) struct Cut {
    pub program: Program,
    /// Steps that there are in the stage's place.
    pub steps: usize,
}

/// What is done twice because a stage is cut.
pub(crate) struct Twice {
    pub macs: u64,
    /// On one core, more or less.
    pub nanoseconds: u64,
}

/// What a step does in a band.
struct Part {
    part: RowPart,
    rows: Range<u32>,
}

impl<'a> Stage<'a> {
    /// These steps as a stage, where they are one.
    pub(crate) fn new(program: &'a Program, uses: &Uses, range: Range<usize>) -> Option<Self> {
        let steps = program.steps.get(range.clone())?;
        let mut inner = HashMap::new();
        let mut target = None;
        for (k, step) in (0..).zip(steps) {
            let [y] = step.writes[..] else { return None };
            row_wise(step.code, &step.args)?;
            let root = program.root(y);
            if uses.within(root, &range) {
                inner.entry(root).or_insert((k, k));
            } else if target.replace(root).is_some_and(|other| other != root) {
                return None;
            }
            for (r, &t) in step.reads.iter().enumerate().filter_map(|(r, t)| Some((r, t.as_ref()?))) {
                let root = program.root(t);
                if let Some((_, last)) = inner.get_mut(&root) {
                    *last = k;
                }
                // A picture like the output, or nothing that has rows.
                if r > 0
                    && program.tensors[root].constant.is_none()
                    && program.tensors[t].len() != program.tensors[y].len()
                {
                    return None;
                }
            }
        }
        let mut stage = Self { program, range, target: target?, inner, heights: HashMap::new() };
        stage.find_heights()?;
        Some(stage)
    }

    /// Its steps.
    pub(crate) fn range(&self) -> Range<usize> {
        self.range.clone()
    }

    fn steps(&self) -> &'a [DeviceStep] {
        &self.program.steps[self.range.clone()]
    }

    /// Bytes of everything between the steps.
    pub(crate) fn between(&self) -> impl Iterator<Item = usize> {
        self.inner.keys().map(|&root| self.program.tensors[root].bytes())
    }

    /// The height of the target.
    pub(crate) fn height(&self) -> u32 {
        self.heights[&self.target]
    }

    /// The height of the lowest picture.
    pub(crate) fn least_height(&self) -> u32 {
        self.heights.values().copied().min().unwrap_or(0)
    }

    /// Bytes of everything that it reads and writes but weights.
    pub(crate) fn bytes(&self) -> usize {
        self.heights.keys().map(|&t| self.program.tensors[t].bytes()).sum()
    }

    /// Whether all of it is int8, so that no bit depends on how it is cut.
    pub(crate) fn is_exact(&self) -> bool {
        self.heights.keys().all(|&t| self.program.tensors[t].element == element::I8)
    }

    /// What a picture is called here: its memory, where the stage writes that; `None` of a constant.
    fn picture(&self, tensor: TensorId) -> Option<TensorId> {
        let root = self.program.root(tensor);
        let own = root == self.target || self.inner.contains_key(&root);
        self.program.tensors[root].constant.is_none().then_some(if own { root } else { tensor })
    }

    /// The pictures that a step reads, as its operands.
    fn reads(&self, step: &'a DeviceStep) -> impl Iterator<Item = (usize, TensorId, TensorId)> {
        let reads = step.reads.iter().enumerate();
        reads.filter_map(|(r, t)| t.and_then(|t| Some((r, t, self.picture(t)?))))
    }

    /// Finds the height of every picture; `None` where one has none.
    fn find_heights(&mut self) -> Option<()> {
        let program = self.program;
        let mut known = HashMap::new();
        let mut more = true;
        while more {
            more = false;
            for step in self.steps() {
                let y = self.picture(*step.writes.first()?)?;
                let pictures: Vec<_> = self.reads(step).map(|(r, _, t)| (r == 0, t)).chain([(false, y)]).collect();
                let heights = match row_wise(step.code, &step.args)? {
                    RowWise::Heights(first, others) => Some((first, others)),
                    RowWise::Same => pictures.iter().find_map(|(_, t)| known.get(t).map(|&h| (h, h))),
                };
                for (is_first, t) in pictures {
                    let height = heights.map(|(first, others)| if is_first { first } else { others });
                    let Some(height) = height.filter(|&h| h > 0) else { continue };
                    match known.insert(t, height) {
                        None => more = true,
                        Some(before) if before != height => return None,
                        Some(_) => {}
                    }
                }
            }
        }
        let whole = |t: TensorId| {
            let (tensor, root) = (&program.tensors[t], &program.tensors[program.root(t)]);
            let all = tensor.start == 0 && tensor.bytes() == root.bytes();
            all || self.picture(t) == Some(t) && program.root(t) != t
        };
        let operands = |s: &'a DeviceStep| s.writes.iter().copied().chain(self.reads(s).map(|(_, t, _)| t));
        let fits = self.steps().iter().flat_map(operands).all(|t| {
            let height = self.picture(t).and_then(|t| known.get(&t).copied());
            whole(t) && height.is_some_and(|h| program.tensors[t].len().is_multiple_of(h as usize))
        });
        self.heights = known;
        fits.then_some(())
    }

    /// What every step does for these rows of the target, and the rows that there are of every picture between them.
    fn parts(&self, rows: Range<u32>) -> Option<(Vec<Part>, HashMap<TensorId, Range<u32>>)> {
        let mut needed: HashMap<TensorId, Range<u32>> = HashMap::from([(self.target, rows.clone())]);
        let mut parts = Vec::new();
        for step in self.steps().iter().rev() {
            let (y, x) = (*step.writes.first()?, step.reads.first().copied().flatten()?);
            let y_picture = self.picture(y)?;
            let made = needed.get(&y_picture)?.clone();
            let part = row_part(step.code, &step.args, made.clone(), self.heights[&y_picture])?;
            let pitch = |t: TensorId| {
                let height = self.picture(t).map_or(1, |t| self.heights[&t]);
                (self.program.tensors[t].len() / height as usize) as u32
            };
            if part.pitches.is_some_and(|pitches| pitches != [pitch(x), pitch(y)]) {
                return None;
            }
            for (r, _, t) in self.reads(step) {
                let read = if r == 0 { part.input.clone() } else { made.clone() };
                if t == self.target && !(rows.start <= read.start && read.end <= rows.end) {
                    return None;
                } else if self.inner.contains_key(&t) {
                    let all = needed.entry(t).or_insert(read.clone());
                    *all = all.start.min(read.start)..all.end.max(read.end);
                }
            }
            parts.push(Part { part, rows: made });
        }
        parts.reverse();
        Some((parts, needed))
    }

    /// Which memory every picture between the steps shares, because a step works in place.
    fn shared(&self, parts: &[Part], there: &HashMap<TensorId, Range<u32>>) -> HashMap<TensorId, TensorId> {
        let mut shared: HashMap<TensorId, TensorId> = self.inner.keys().map(|&t| (t, t)).collect();
        for (k, (step, part)) in self.steps().iter().zip(parts).enumerate() {
            let Some(y) = self.picture(step.writes[0]) else { continue };
            let first = self.steps()[..k].iter().all(|s| self.picture(s.writes[0]) != Some(y));
            let same = |t: TensorId| {
                let once = self.reads(step).filter(|&(_, _, other)| other == t).count() == 1;
                let last = self.inner.get(&t).is_some_and(|&(_, last)| last == k);
                let bytes = |t: TensorId| self.program.tensors[t].bytes() / self.heights[&t] as usize;
                once && last
                    && t != y
                    && there.get(&t) == Some(&part.rows)
                    && there.get(&y) == Some(&part.rows)
                    && bytes(t) == bytes(y)
            };
            let x = self.reads(step).find(|&(r, _, t)| first && step.in_place.contains(&r) && same(t));
            let to = shared.get(&y).copied().unwrap_or(self.target);
            if let Some(from) = x.and_then(|(_, _, x)| shared.get(&x).copied()) {
                shared.values_mut().filter(|s| **s == from).for_each(|s| *s = to);
            }
        }
        shared
    }

    /// The steps that make these rows of the target, with the bytes of what is between them.
    fn band(
        &self,
        made: &mut Program,
        memory: TensorId,
        rows: Range<u32>,
        align: usize,
    ) -> Option<(Vec<DeviceStep>, usize)> {
        let (parts, there) = self.parts(rows)?;
        let shared = self.shared(&parts, &there);
        let row = |t: TensorId| self.program.tensors[t].bytes() / self.heights[&t] as usize;
        let mut roots: Vec<TensorId> = shared.values().copied().filter(|&t| t != self.target).collect();
        roots.sort_unstable();
        roots.dedup();
        let buffer = |&root: &TensorId| -> Option<Buffer> {
            let lives = shared.iter().filter(|(_, to)| **to == root).map(|(t, _)| self.inner[t]);
            let (first, last) = lives.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))?;
            Some(Buffer::new(row(root) * there.get(&root)?.len(), first, last))
        };
        let buffers: Vec<Buffer> = roots.iter().map(buffer).collect::<Option<_>>()?;
        let placement = place(&buffers, align);
        let places: HashMap<TensorId, usize> = roots.into_iter().zip(placement.offsets).collect();
        let mut view = |t: TensorId, rows: &Range<u32>| -> Option<TensorId> {
            let picture = self.picture(t)?;
            let (pitch, whole) = (row(picture), &self.program.tensors[t]);
            let of = shared.get(&picture).copied().unwrap_or(picture);
            let (alias, start) = match places.get(&of) {
                Some(at) => (memory, at + pitch * (rows.start - there[&picture].start) as usize),
                None => (of, self.program.tensors[of].start + pitch * rows.start as usize),
            };
            let len = pitch / element_bytes(whole.element) * rows.len();
            let mut tensor = DeviceTensor::new(whole.element, &[len], None);
            (tensor.alias, tensor.start) = (Some(alias), start);
            Some(made.add(tensor))
        };
        let mut steps = Vec::new();
        for (step, Part { part, rows }) in self.steps().iter().zip(parts) {
            let y = view(step.writes[0], &rows)?;
            let mut reads = step.reads.clone();
            for (r, t, _) in self.reads(step) {
                reads[r] = Some(view(t, if r == 0 { &part.input } else { &rows })?);
            }
            let macs = step.macs * rows.len() as u64 / u64::from(self.heights[&self.picture(step.writes[0])?]);
            steps.push(DeviceStep { args: part.args, writes: vec![y], reads, partial: true, macs, ..step.clone() });
        }
        Some((steps, placement.bytes.next_multiple_of(align).max(align)))
    }

    /// The rows of the target in every band.
    fn bands(&self, rows: u32) -> impl Iterator<Item = Range<u32>> + use<> {
        let height = self.height();
        (0..height).step_by(rows as usize).map(move |start| start..height.min(start + rows))
    }

    /// What bands of so many rows do twice. `None` where the stage cannot be cut so.
    pub(crate) fn twice(&self, rows: u32, level: Level) -> Option<Twice> {
        let mut rows_made = vec![0; self.range.len()];
        for band in self.bands(rows) {
            let (parts, _) = self.parts(band)?;
            rows_made.iter_mut().zip(parts).for_each(|(made, part)| *made += part.rows.len() as u64);
        }
        let (mut macs, mut time) = (0, 0);
        for (step, made) in self.steps().iter().zip(rows_made) {
            let height = u64::from(self.heights[&self.picture(step.writes[0])?]);
            let again = made.saturating_sub(height);
            macs += step.macs * again / height;
            time += nanoseconds_again(self.program, step, level) * again / height;
        }
        Some(Twice { macs, nanoseconds: time })
    }

    /// Nanoseconds that are lost where two threads share every step by itself.
    pub(crate) fn lost_alone(&self, level: Level) -> u64 {
        self.steps().iter().map(|step| lost_alone(self.program, step, level)).sum()
    }

    /// The most bytes between its steps at one time, and the bytes of its target.
    pub(crate) fn peak(&self) -> (usize, usize) {
        let bytes = |&root: &TensorId| self.program.tensors[root].bytes();
        let alive =
            |k: usize| self.inner.iter().filter(move |(_, life)| life.0 <= k && k <= life.1).map(|(root, _)| root);
        let most = (0..self.range.len()).map(|k| alive(k).map(bytes).sum()).max().unwrap_or(0);
        (most, bytes(&self.target))
    }

    /// The program with the stage in bands.
    pub(crate) fn cut(&self, bands: &Bands, align: usize) -> Option<Cut> {
        let height = self.height();
        let mut made = self.program.clone();
        let memory = made.add(DeviceTensor::new(element::I8, &[0], None));
        let mut steps: Vec<DeviceStep> = Vec::new();
        let (mut count, mut bytes) = (0, 0);
        for rows in self.bands(bands.rows) {
            let (band, needed) = self.band(&mut made, memory, rows, align)?;
            steps.extend(band);
            (count, bytes) = (count + 1, bytes.max(needed));
        }
        let memories = bands.threads.min(count);
        made.tensors[memory].shape = vec![bytes * memories as usize];
        let piece = self.program.tensors[self.target].bytes() / height as usize * bands.rows as usize;
        let own = self.steps();
        let args = Lanes {
            bands: count,
            steps: own.len() as u32,
            piece: u32::try_from(piece).ok()?,
            memory: u32::try_from(bytes).ok()?,
            memories,
            whole: if bands.whole { own.len() as u32 } else { 0 },
        };
        let rest = made.steps.split_off(self.range.end);
        let whole = made.steps.split_off(self.range.start);
        made.push(own.last()?.node(), args, &[self.target, memory], &[]);
        if bands.whole {
            steps.iter_mut().for_each(|s| s.macs = 0);
            steps.extend(whole);
        }
        made.steps.extend(steps);
        let steps = made.steps.len() - self.range.start;
        made.steps.extend(rest);
        Some(Cut { program: made, steps })
    }
}
