//! A progress bar for training: on a terminal it moves, in a log file it is a line now and then.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use ocellus_trainer::{EvaluationPoint, Progress, RunPlan, StepReport};

/// Time between two lines where there is no terminal.
const QUIET: Duration = Duration::from_secs(20);
/// Part of the shown loss and accuracy that every step replaces.
const SMOOTHING: f64 = 0.05;

/// Shows a training run on standard error.
pub struct Bar {
    bar: ProgressBar,
    terminal: bool,
    spoken: Instant,
    shown: Option<(f64, f64)>,
}

impl Bar {
    /// A bar that appears when the run starts.
    pub fn new() -> Self {
        let terminal = std::io::stderr().is_terminal();
        Self { bar: ProgressBar::hidden(), terminal, spoken: Instant::now(), shown: None }
    }

    /// Removes the bar.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }

    fn say(&self, line: &str) {
        if self.terminal { self.bar.suspend(|| eprintln!("{line}")) } else { eprintln!("{line}") }
    }
}

impl Progress for Bar {
    fn start(&mut self, plan: &RunPlan) {
        self.say(&format!("{} steps of {} pictures, {} numbers to learn", plan.total, plan.batch, plan.parameters));
        if self.terminal {
            let style =
                ProgressStyle::with_template("{bar:32} {pos}/{len} steps  {msg}  {elapsed} of about {duration}");
            self.bar = ProgressBar::new(plan.total);
            self.bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            self.bar.set_position(plan.done);
            self.bar.reset_eta();
        }
    }

    fn step(&mut self, report: &StepReport) {
        let now = (f64::from(report.loss), report.accuracy.unwrap_or(f64::NAN));
        let blend = |old: f64, new: f64| old + SMOOTHING * (new - old);
        let (loss, accuracy) = self.shown.map_or(now, |(l, a)| (blend(l, now.0), blend(a, now.1)));
        self.shown = Some((loss, accuracy));
        let text = format!("loss {loss:.3}  accuracy {:.1} %", 100.0 * accuracy);
        self.bar.set_position(report.step);
        self.bar.set_message(text.clone());
        if !self.terminal && self.spoken.elapsed() >= QUIET {
            self.spoken = Instant::now();
            self.say(&format!("step {}  {text}", report.step));
        }
    }

    fn evaluated(&mut self, point: &EvaluationPoint) {
        let accuracy = point.accuracy().map_or(String::new(), |a| format!("  accuracy {:.2} %", 100.0 * a));
        self.say(&format!("test after step {}: loss {:.4}{accuracy}", point.step, point.loss));
    }
}
