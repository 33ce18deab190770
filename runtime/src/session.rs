//! A loaded plan with its memory.

use ocellus_kernels::Isa;
use ocellus_plan::{Plan, Port, Space, Step, Steps};

use crate::host::{get, put};
#[cfg(target_has_atomic = "ptr")]
use crate::walk::branches::can_be_shared;
use crate::{Check, Host, HostMut, LoadError, OpEntry, Operands, Parallel, PortError, StepFault, branches, lanes};

/// A plan that has been checked, with the caller's memory: step table and arena.
pub struct Session<'a> {
    plan: Plan<'a>,
    ops: &'static [OpEntry],
    isa: Isa,
    steps: &'a [u32],
    arena: &'a mut [u8],
    /// Whether two threads can run groups of steps at the same time.
    branches: bool,
}

/// Who is called after a step, with its index and its operation's name.
pub(crate) type After<'a> = &'a mut (dyn FnMut(usize, &'static str) + Send);

/// A run on several threads, which ends with this value.
struct Running<'t>(&'t dyn Parallel);

impl<'t> Running<'t> {
    fn new(threads: &'t dyn Parallel) -> Self {
        threads.begin();
        Self(threads)
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// Nobody shares anything.
#[cfg(not(target_has_atomic = "ptr"))]
fn can_be_shared(_: Step<'_>, _: Steps<'_>) -> bool {
    false
}

/// Lower half of a step's first word: the place of its operation in the caller's list, once loaded.
const CODE: u32 = 0xFFFF;

impl<'a> Session<'a> {
    /// Copies the step table into `steps`, checks every step, and clears the arena. Afterwards only weights are read from
    /// the plan, so that a file that changes under a map can change answers, never safety.
    ///
    /// `steps` needs [`Plan::step_words`] words, `arena` [`Plan::arena_bytes`] bytes aligned to [`Plan::arena_align`].
    ///
    /// # Errors
    /// [`LoadError`] where memory is too small or misaligned, or a step cannot be run here.
    pub fn load(
        plan: Plan<'a>,
        ops: &'static [OpEntry],
        isa: Isa,
        steps: &'a mut [u32],
        arena: &'a mut [u8],
    ) -> Result<Self, LoadError> {
        let given = steps.len();
        let words = plan.copy_steps(steps).ok_or(LoadError::StepMemory { needed: plan.step_words(), given })?;
        let (needed, given) = (plan.arena_bytes(), arena.len());
        let arena = arena.get_mut(..needed).ok_or(LoadError::ArenaTooSmall { needed, given })?;
        if !aligned(arena, plan.arena_align()) {
            return Err(LoadError::ArenaMisaligned { needed: plan.arena_align() });
        }
        let weights = plan.weights();
        if !aligned(weights, 8) {
            return Err(LoadError::PlanMisaligned);
        }
        let align = plan.arena_align() as u32;
        let (mut steps, mut index, mut shared) = (Steps::new(words), 0, true);
        while let Some(step) = steps.next() {
            let fault = |fault| LoadError::Step { index, fault };
            let step = step.map_err(|e| fault(StepFault::Record(e)))?;
            check_bounds(step, arena.len(), weights.len()).map_err(fault)?;
            let op = find(ops, step.code).ok_or(fault(StepFault::UnknownOperation(step.code)))?;
            (op.1.check)(&Check { step, align, isa }).map_err(fault)?;
            Operands::cut(step, isa, arena, weights).ok_or(fault(StepFault::Overlap))?;
            if lanes::announced(op.1) {
                lanes::check(step, steps).map_err(fault)?;
            }
            if branches::announced(op.1) {
                branches::check(step, steps).map_err(fault)?;
                shared &= can_be_shared(step, steps);
            }
            index += 1;
        }
        resolve(words, ops);
        arena.fill(0);
        Ok(Self { plan, ops, isa, steps: words, arena, branches: shared })
    }

    /// The plan.
    pub fn plan(&self) -> Plan<'a> {
        self.plan
    }

    /// Runs every step on this thread.
    pub fn run(&mut self) {
        self.run_each(|_, _| {});
    }

    /// Runs every step, the large ones on the caller's threads: with the same outputs, bit for bit. Where the processor has no
    /// compare-and-swap (Cortex-M0), on this thread.
    pub fn run_on(&mut self, parallel: &dyn Parallel) {
        self.shared(parallel, None);
    }

    /// Runs every step and calls `after` with its index and its operation's name, for profiles.
    pub fn run_each(&mut self, mut after: impl FnMut(usize, &'static str)) {
        let weights = self.plan.weights();
        let (mut index, mut done) = (0usize, 0usize);
        for step in Steps::checked(self.steps).flatten() {
            // Both were found at loading.
            let Some(op) = self.ops.get(usize::from(step.code)) else { return };
            if done > 0 {
                done = done.wrapping_sub(1);
            } else if lanes::announced(op) {
                done = lanes::skipped(step);
            } else {
                let Some(mut operands) = Operands::cut(step, self.isa, self.arena, weights) else { return };
                (op.run)(&mut operands);
            }
            after(index, op.name);
            index = index.wrapping_add(1);
        }
    }

    /// As [`Session::run_each`], on the caller's threads, which meet after every step.
    pub fn run_each_on(&mut self, parallel: &dyn Parallel, mut after: impl FnMut(usize, &'static str) + Send) {
        self.shared(parallel, Some(&mut after));
    }

    fn shared(&mut self, parallel: &dyn Parallel, after: Option<After<'_>>) {
        #[cfg(target_has_atomic = "ptr")]
        if parallel.threads() > 1 {
            let _running = Running::new(parallel);
            let (words, ops, isa, weights) = (self.steps, self.ops, self.isa, self.plan.weights());
            let walk = crate::walk::Walk { words, ops, isa, weights, branches: self.branches };
            return crate::walk::run(&walk, self.arena, parallel, after);
        }
        let _ = parallel;
        match after {
            Some(after) => self.run_each(after),
            None => self.run(),
        }
    }

    /// The bytes of write `index` of the step before it is overwritten by a later one: for per-layer comparisons from
    /// within [`Session::run_each`], stop the run there with [`Session::run_until`].
    pub fn run_until(&mut self, last: usize) -> Option<&[u8]> {
        let weights = self.plan.weights();
        for (index, step) in Steps::new(self.steps).flatten().enumerate() {
            let op = self.ops.get(usize::from(step.code))?;
            (op.run)(&mut Operands::cut(step, self.isa, self.arena, weights)?);
            if index == last {
                let o = step.writes().next()?;
                return self.arena.get(o.offset as usize..o.end()? as usize);
            }
        }
        None
    }

    /// The steps, for reports.
    pub fn steps(&self) -> impl Iterator<Item = (Step<'_>, &'static OpEntry)> {
        Steps::new(self.steps).flatten().filter_map(|s| Some((s, self.ops.get(usize::from(s.code))?)))
    }

    /// The device bytes of an input.
    pub fn input_bytes(&mut self, index: usize) -> Result<&mut [u8], PortError> {
        let port = self.plan.inputs().nth(index).ok_or(PortError::NoSuchPort { index })?;
        place(&port).and_then(|range| self.arena.get_mut(range)).ok_or(PortError::NoSuchPort { index })
    }

    /// The device bytes of an output.
    pub fn output_bytes(&self, index: usize) -> Result<&[u8], PortError> {
        let port = self.plan.outputs().nth(index).ok_or(PortError::NoSuchPort { index })?;
        place(&port).and_then(|range| self.arena.get(range)).ok_or(PortError::NoSuchPort { index })
    }

    /// Puts values in the model's type and axis order into an input; f32 is quantized where the device holds int8.
    ///
    /// # Errors
    /// No such input, another type, another number of elements, or a value that is not a number where the device holds int8.
    pub fn set_input(&mut self, index: usize, values: Host<'_>) -> Result<(), PortError> {
        let port = self.plan.inputs().nth(index).ok_or(PortError::NoSuchPort { index })?;
        put(&port, values, self.input_bytes(index)?)
    }

    /// Takes an output in the model's type and axis order.
    ///
    /// # Errors
    /// No such output, another type, or another number of elements.
    pub fn output(&self, index: usize, values: HostMut<'_>) -> Result<(), PortError> {
        let port = self.plan.outputs().nth(index).ok_or(PortError::NoSuchPort { index })?;
        get(&port, self.output_bytes(index)?, values)
    }
}

fn place(port: &Port<'_>) -> Option<core::ops::Range<usize>> {
    let start = port.offset as usize;
    Some(start..start.checked_add(port.len as usize)?)
}

fn aligned(bytes: &[u8], align: usize) -> bool {
    // The alignment is a power of two (the plan's reader has seen to it).
    bytes.is_empty() || bytes.as_ptr().addr() & align.wrapping_sub(1) == 0
}

fn find(ops: &'static [OpEntry], code: u16) -> Option<(usize, &'static OpEntry)> {
    ops.iter().enumerate().find(|(_, op)| op.code == code)
}

fn check_bounds(step: Step<'_>, arena: usize, weights: usize) -> Result<(), StepFault> {
    let inside = |len: usize, end: Option<u32>| end.is_some_and(|end| end as usize <= len);
    for o in step.writes() {
        if o.space != Space::Arena || !inside(arena, o.end()) {
            return Err(StepFault::Bounds);
        }
    }
    for o in step.reads() {
        let ok = match o.space {
            Space::Arena => inside(arena, o.end()),
            Space::Weights => inside(weights, o.end()),
            Space::InPlace | Space::Absent => true,
        };
        if !ok {
            return Err(StepFault::Bounds);
        }
    }
    Ok(())
}

/// Writes each operation's place in the list over its number, so that a run searches nothing.
fn resolve(words: &mut [u32], ops: &'static [OpEntry]) {
    let mut rest = words;
    while let [head, total, ..] = rest {
        let place = find(ops, *head as u16).map_or(CODE, |(i, _)| i as u32);
        *head = (*head & !CODE) | (place & CODE);
        let total = *total as usize;
        let Some((_, tail)) = rest.split_at_mut_checked(total) else { return };
        rest = tail;
    }
}
