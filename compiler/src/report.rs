//! What the compiler says of a plan: true of the device to the byte.

use std::fmt;

/// One step of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepReport {
    /// The operation with the node that it comes from.
    pub name: String,
    /// Bytes alive while it runs.
    pub live_bytes: usize,
    /// Multiply-accumulate operations.
    pub macs: u64,
}

/// Memory and work of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Bytes of arena.
    pub arena_bytes: usize,
    /// The proven lower bound: the most bytes alive at one time.
    pub arena_lower_bound: usize,
    /// Bytes of weights, tables and constants, as packed.
    pub weights_bytes: usize,
    /// Words of step table, of 4 bytes, in the caller's memory.
    pub step_words: usize,
    /// Bytes of the whole plan.
    pub plan_bytes: usize,
    /// Multiply-accumulate operations of a run.
    pub macs: u64,
    /// The first step that makes floats; without one, every CPU gives the same bits.
    pub float_step: Option<String>,
    /// Bytes of code that a program needs to run the plan, at most, where that is known for the processor.
    pub code_bytes: Option<usize>,
    /// Every step, in order.
    pub steps: Vec<StepReport>,
}

impl Report {
    /// The two steps with the most bytes alive, the larger first.
    pub fn peak(&self) -> Vec<&StepReport> {
        let mut order: Vec<&StepReport> = self.steps.iter().collect();
        order.sort_by_key(|s| std::cmp::Reverse(s.live_bytes));
        order.truncate(2);
        order
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "arena        {:>12} bytes (lower bound {})", self.arena_bytes, self.arena_lower_bound)?;
        writeln!(f, "weights      {:>12} bytes", self.weights_bytes)?;
        writeln!(f, "step table   {:>12} bytes in the caller's memory", self.step_words * 4)?;
        writeln!(f, "plan         {:>12} bytes", self.plan_bytes)?;
        writeln!(f, "work         {:>12} multiply-accumulates in {} steps", self.macs, self.steps.len())?;
        if let Some(bytes) = self.code_bytes {
            writeln!(f, "code         {bytes:>12} bytes at most, of the operations in use")?;
        }
        match &self.float_step {
            None => writeln!(f, "answers      the same bits on every CPU")?,
            Some(step) => writeln!(f, "answers      within float bounds from {step} on")?,
        }
        for step in self.peak() {
            writeln!(f, "peak         {:>12} bytes alive in {}", step.live_bytes, step.name)?;
        }
        Ok(())
    }
}
