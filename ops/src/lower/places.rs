//! Steps that move elements or look them up, as boxes between two strided places, and two of them as one.

use ocellus_plan::args::{Copy, TableI8, TableRowsI8, element};
use ocellus_plan::{Arguments, Reader};

use super::moves::six;
use super::program::words;
use super::{Constant, DeviceStep, DeviceTensor, Elementwise, Program, TensorId, element_bytes};

/// Rows of fewer bytes are not looked up between strided places.
const LEAST_ROW: u64 = 4;

/// An axis of a box: its size and the elements from one index to the next on either side.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Axis {
    size: u64,
    x: i64,
    y: i64,
}

/// What a copy or a table does: element `i` of the box goes from one place of `x` to one of `y`, through a table if there is
/// one.
#[derive(Clone, Debug, PartialEq)]
pub struct Move {
    /// The memory that is read.
    pub x: TensorId,
    /// The memory that is written.
    pub y: TensorId,
    axes: Vec<Axis>,
    x_offset: i64,
    y_offset: i64,
    element_bytes: u32,
    table: Option<[i8; 256]>,
}

/// A step of addresses in a tensor, and what it is in another one.
#[derive(Clone, Copy)]
struct Level {
    size: u64,
    from: u64,
    to: i64,
}

impl Move {
    /// What a step moves, where it does nothing else.
    pub fn of(program: &Program, step: &DeviceStep) -> Option<Self> {
        let ([y], Some(&Some(x))) = (&step.writes[..], step.reads.first()) else { return None };
        let (x_root, y_root) = (program.root(x), program.root(*y));
        if x_root == y_root || program.tensors[x_root].constant.is_some() {
            return None;
        }
        let mut reader = Reader::new(&step.args);
        let (element_bytes, axes, x_offset, y_offset) = match step.code {
            Copy::CODE => {
                let a: Copy = reader.get()?;
                let sides = a.sizes.iter().zip(a.x_strides).zip(a.y_strides);
                let axes = sides.map(|((&size, x), y)| Axis { size: size.into(), x: x.into(), y: y.into() }).collect();
                (a.element_bytes, axes, a.x_offset, a.y_offset)
            }
            TableI8::CODE => {
                let a: TableI8 = reader.get()?;
                (1, vec![Axis { size: a.len.into(), x: 1, y: 1 }], 0, 0)
            }
            TableRowsI8::CODE => {
                let a: TableRowsI8 = reader.get()?;
                let rows = Axis { size: a.count.into(), x: a.x_stride.into(), y: a.y_stride.into() };
                (1, vec![rows, Axis { size: a.row.into(), x: 1, y: 1 }], a.x_offset, a.y_offset)
            }
            _ => return None,
        };
        let table = if step.code == Copy::CODE { None } else { Some(table(program, step)?) };
        // Within the memory of both.
        let start = |t: TensorId| (program.tensors[t].start / element_bytes as usize) as i64;
        let (x_offset, y_offset) = (i64::from(x_offset) + start(x), i64::from(y_offset) + start(*y));
        Some(Self { x: x_root, y: y_root, axes, x_offset, y_offset, element_bytes, table })
    }

    /// Elements that it moves.
    pub fn elements(&self) -> u64 {
        self.axes.iter().map(|a| a.size).product()
    }

    /// Whether it looks elements up.
    pub fn has_table(&self) -> bool {
        self.table.is_some()
    }

    /// Rows of bytes that it moves between two strided places, where it does that.
    pub(super) fn between_strides(&self) -> Option<TableRowsI8> {
        self.rows(&self.simplified())
    }

    /// Its table behind another one, if there are any.
    pub(super) fn table_behind(&self, first: Option<&[i8; 256]>) -> Option<[i8; 256]> {
        match (&self.table, first) {
            (Some(table), Some(first)) => Some(behind(first, table)),
            (table, first) => table.as_ref().or(first).copied(),
        }
    }

    /// This step and one that reads what it makes, all of whose memory it writes, as one.
    pub fn then(&self, next: &Self, program: &Program) -> Option<Self> {
        let levels = self.axes.iter().map(|a| (a.size, a.y, a.x));
        let levels = levels_of(levels, self.y_offset, self.len(program, self.y))?;
        let axes = next.axes.iter().map(|a| (a.size, a.x, a.y));
        let (axes, x_offset) = through(axes, next.x_offset, &levels)?;
        let axes = axes.into_iter().map(|(size, x, y)| Axis { size, x, y }).collect();
        self.joined(next, Self { x: self.x, axes, x_offset: self.x_offset + x_offset, ..next.clone() })
    }

    /// This step and the only one that reads the memory of which it writes a part, all of it, as one.
    pub fn before(&self, next: &Self, program: &Program) -> Option<Self> {
        let levels = next.axes.iter().map(|a| (a.size, a.x, a.y));
        let levels = levels_of(levels, next.x_offset, self.len(program, self.y))?;
        let axes = self.axes.iter().map(|a| (a.size, a.y, a.x));
        let (axes, y_offset) = through(axes, self.y_offset, &levels)?;
        let axes = axes.into_iter().map(|(size, y, x)| Axis { size, x, y }).collect();
        self.joined(next, Self { y: next.y, axes, y_offset: next.y_offset + y_offset, ..self.clone() })
    }

    /// The table by itself, on all of what this step reads, and the copy of its result `between`, where no more is looked up
    /// than before.
    pub fn apart(&self, between: TensorId, program: &Program) -> Option<[Self; 2]> {
        let read = self.len(program, self.x);
        (self.table.is_some() && read <= self.elements()).then(|| {
            let axes = vec![Axis { size: read, x: 1, y: 1 }];
            let table = Self { y: between, axes, x_offset: 0, y_offset: 0, ..self.clone() };
            [table, Self { x: between, table: None, ..self.clone() }]
        })
    }

    /// The table of `next` on all of what this step reads, and this step on its result `between`, where `next` looks all of
    /// this step's result up.
    pub fn behind(&self, next: &Self, between: TensorId, program: &Program) -> Option<[Self; 2]> {
        let made = self.len(program, self.y);
        let dense = next.axes.iter().filter(|a| a.size > 1).eq(&[Axis { size: made, x: 1, y: 1 }]);
        let whole = dense && self.elements() == made && (next.x_offset, next.y_offset) == (0, 0);
        if !whole || self.has_table() || !next.has_table() || self.element_bytes != next.element_bytes {
            return None;
        }
        Self { y: next.y, table: next.table, ..self.clone() }.apart(between, program)
    }

    fn len(&self, program: &Program, tensor: TensorId) -> u64 {
        program.tensors[tensor].bytes() as u64 / u64::from(self.element_bytes)
    }

    /// With both tables, one after the other.
    fn joined(&self, next: &Self, step: Self) -> Option<Self> {
        let table = next.table_behind(self.table.as_ref());
        let bytes = self.element_bytes == next.element_bytes;
        (bytes && step.x != step.y).then_some(Self { table, ..step })
    }

    /// The axes that count, in the order of y, neighbours as one where that is the same.
    fn simplified(&self) -> Vec<Axis> {
        let mut axes: Vec<Axis> = self.axes.iter().copied().filter(|a| a.size > 1).collect();
        axes.sort_by_key(|a| std::cmp::Reverse(a.y));
        let mut merged: Vec<Axis> = Vec::new();
        for a in axes {
            match merged.last_mut() {
                Some(outer) if (outer.x, outer.y) == (a.x * a.size as i64, a.y * a.size as i64) => {
                    *outer = Axis { size: outer.size * a.size, ..a };
                }
                _ => merged.push(a),
            }
        }
        merged
    }

    /// The step that does it, of this node; `None` where no operation does.
    pub fn step(&self, program: &mut Program, node: &str) -> Option<DeviceStep> {
        let axes = self.simplified();
        let whole = self.elements() == self.len(program, self.y);
        let Some(table) = self.table else {
            let args = self.copy(&axes)?;
            let mut step = made(node, args, [self.y, self.x], None);
            step.partial = !whole;
            return Some(step);
        };
        let dense = match axes[..] {
            [] => Some(1),
            [Axis { size, x: 1, y: 1 }] => Some(size),
            _ => None,
        };
        let rows = self.rows(&axes);
        if dense.is_none() && rows.is_none() {
            return None;
        }
        let values = program.constant(element::I8, table.iter().map(|v| v.cast_unsigned()).collect());
        let Some(len) = dense else {
            return rows.map(|rows| part(made(node, rows, [self.y, self.x], Some(values)), whole));
        };
        let (x, y) = (self.run(program, self.x, self.x_offset, len), self.run(program, self.y, self.y_offset, len));
        let mut step = made(node, TableI8 { len: len as u32 }, [y, x], Some(values));
        if whole && x == self.x {
            step.in_place = vec![0];
            step.elementwise = Some(Elementwise::new(1, move |x| table[(i32::from(x[0]) + 128) as usize]));
        }
        Some(part(step, whole))
    }

    fn copy(&self, axes: &[Axis]) -> Option<Copy> {
        let all = |value: fn(&Axis) -> i64| -> Vec<i64> { axes.iter().map(value).collect() };
        let small = |v: i64| u32::try_from(v).ok();
        let (sizes, x, y) = (all(|a| a.size as i64), all(|a| a.x), all(|a| a.y));
        let unsigned = |values: &[i64]| values.iter().map(|&v| small(v)).collect::<Option<Vec<u32>>>();
        Some(Copy {
            element_bytes: self.element_bytes,
            sizes: six(&unsigned(&sizes)?, 1)?,
            x_strides: six(&x.iter().map(|&v| i32::try_from(v).ok()).collect::<Option<Vec<i32>>>()?, 0)?,
            y_strides: six(&unsigned(&y)?, 0)?,
            x_offset: small(self.x_offset)?,
            y_offset: small(self.y_offset)?,
        })
    }

    /// Rows of bytes that neither overlap nor repeat.
    fn rows(&self, axes: &[Axis]) -> Option<TableRowsI8> {
        let [rows, Axis { size: row, x: 1, y: 1 }] = *axes else { return None };
        let apart = rows.x >= row as i64 && rows.y >= row as i64 && row >= LEAST_ROW && self.element_bytes == 1;
        let small = |v: i64| u32::try_from(v).ok();
        Some(TableRowsI8 {
            count: small(rows.size as i64)?,
            row: small(row as i64)?,
            x_stride: small(rows.x)?,
            y_stride: small(rows.y)?,
            x_offset: small(self.x_offset)?,
            y_offset: small(self.y_offset)?,
        })
        .filter(|_| apart)
    }

    /// So many bytes of a tensor from one on: the tensor itself where they are all of it.
    fn run(&self, program: &mut Program, tensor: TensorId, first: i64, len: u64) -> TensorId {
        let of = &program.tensors[tensor];
        if of.bytes() as u64 == len {
            return tensor;
        }
        let mut view = DeviceTensor::new(of.element, &[len as usize / element_bytes(of.element)], None);
        view.start = first as usize;
        view.alias = Some(tensor);
        program.add(view)
    }
}

fn part(step: DeviceStep, whole: bool) -> DeviceStep {
    DeviceStep { partial: !whole, ..step }
}

fn made<A: Arguments>(node: &str, args: A, [y, x]: [TensorId; 2], table: Option<TensorId>) -> DeviceStep {
    DeviceStep {
        code: A::CODE,
        name: format!("{} {node}", A::NAME).trim_end().to_owned(),
        args: words(args),
        writes: vec![y],
        reads: [Some(x), table].into_iter().filter(Option::is_some).collect(),
        in_place: Vec::new(),
        partial: false,
        macs: 0,
        elementwise: None,
    }
}

/// One table behind another.
fn behind(first: &[i8; 256], second: &[i8; 256]) -> [i8; 256] {
    first.map(|q| second[(i32::from(q) + 128) as usize])
}

/// The entries of a table's step.
fn table(program: &Program, step: &DeviceStep) -> Option<[i8; 256]> {
    entries(program, step.reads.get(1).copied().flatten()?)
}

/// The entries of a table.
pub(super) fn entries(program: &Program, values: TensorId) -> Option<[i8; 256]> {
    let values = program.tensors.get(values)?;
    let Some(Constant::Bytes(bytes)) = &values.constant else { return None };
    Some(<[u8; 256]>::try_from(&bytes[..]).ok()?.map(u8::cast_signed))
}

/// The axes of a box that takes all of `len` elements once each, from the largest step to the smallest.
fn levels_of(axes: impl Iterator<Item = (u64, i64, i64)>, offset: i64, len: u64) -> Option<Vec<Level>> {
    let axes = axes.filter(|&(size, ..)| size != 1);
    let level = |(size, from, to): (u64, i64, i64)| Some(Level { size, from: u64::try_from(from).ok()?, to });
    let mut levels: Vec<Level> = axes.map(level).collect::<Option<_>>()?;
    levels.sort_by_key(|l| std::cmp::Reverse(l.from));
    let mut step = 1;
    for level in levels.iter().rev() {
        if level.from != step {
            return None;
        }
        step *= level.size;
    }
    (offset == 0 && step == len).then_some(levels)
}

/// Axes (size, step, and the step on the other side, which stays) with the steps that theirs are in the other tensor, and the
/// address there of `offset`. `None` where a step is not the same everywhere.
fn through(
    axes: impl Iterator<Item = (u64, i64, i64)>,
    offset: i64,
    levels: &[Level],
) -> Option<(Vec<(u64, i64, i64)>, i64)> {
    let digits = |mut address: u64| -> Vec<u64> {
        let digit = |level: &Level| {
            let digit = address / level.from;
            address %= level.from;
            digit
        };
        levels.iter().map(digit).collect()
    };
    let there = |digits: &[u64]| levels.iter().zip(digits).map(|(l, &d)| l.to * d as i64).sum::<i64>();
    let first = digits(u64::try_from(offset).ok()?);
    let (mut last, mut moved, mut waiting) = (first.clone(), Vec::new(), axes.collect::<Vec<_>>());
    while let Some((size, step, other)) = waiting.pop() {
        let step = u64::try_from(step).ok()?;
        // An axis that leaves its level is cut in two, where it fills the level.
        let level = levels.iter().find(|l| step >= l.from && step < l.from * l.size);
        if let Some(level) = level.filter(|l| step % l.from == 0 && (size - 1) * (step / l.from) >= l.size) {
            let inner = level.size / (step / level.from);
            if level.size % (step / level.from) != 0 || !size.is_multiple_of(inner) {
                return None;
            }
            waiting.push((inner, step as i64, other));
            waiting.push((size / inner, (step * inner) as i64, other * inner as i64));
            continue;
        }
        let steps = digits(step);
        last.iter_mut().zip(&steps).for_each(|(last, step)| *last += (size - 1) * step);
        moved.push((size, there(&steps), other));
    }
    moved.reverse();
    let inside = last.iter().zip(levels).all(|(&last, level)| last < level.size);
    inside.then(|| (moved, there(&first)))
}
