//! Builds what runs on boards, runs it under emulation, compares it with the workstation, and prints one table.

mod bare;
mod count;
mod emulate;
mod kernels;
mod layers;
mod nets;
mod peer;
mod pictures;
mod row;
mod standalone;
mod suite;
mod targets;

use crate::Outcome;
use crate::install;
use kernels::Kernels;
use row::Row;

/// How much is run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Options {
    /// Ten thousand generated layers instead of one thousand, and on emulated processors the tests of the device crates and
    /// the command itself.
    pub full: bool,
    /// Nothing but the instructions of every kernel, with the functions in which they are.
    pub kernels: bool,
    /// One JSON object instead of a table.
    pub json: bool,
    /// Whether packages may be installed.
    pub install: bool,
}

impl Options {
    /// Reads `[--full] [--kernels] [--json] [--no-install]`; `None` for anything else.
    pub fn read(arguments: &[&str]) -> Option<Self> {
        let mut options = Self { full: false, kernels: false, json: false, install: true };
        for &argument in arguments {
            match argument {
                "--full" => options.full = true,
                "--kernels" => options.kernels = true,
                "--json" => options.json = true,
                "--no-install" => options.install = false,
                _ => return None,
            }
        }
        Some(options)
    }
}

/// What was found.
#[derive(Default)]
pub struct Found {
    /// Generated layers and networks.
    pub rows: Vec<Row>,
    /// Executed instructions.
    kernels: Kernels,
}

impl Found {
    /// All tables.
    pub fn text(&self) -> String {
        format!("{}\n\n{}\n\n{}", row::table(&self.rows), peer::compared(&self.rows), self.kernels.table())
    }

    /// One JSON object: `{"rows": [...], "kernels": [...]}`.
    fn json(&self) -> String {
        format!("{{\"rows\":{},\"kernels\":{}}}", row::json(&self.rows), self.kernels.json())
    }

    /// How much was not run.
    pub fn skipped(&self) -> usize {
        self.rows.iter().map(|r| r.skipped.len()).sum::<usize>() + self.kernels.skipped()
    }
}

/// Runs everything and prints it.
///
/// # Errors
/// Something does not build, or differs from the workstation.
pub fn boards(options: Options) -> Outcome {
    let found = run(options)?;
    match options {
        Options { json: true, .. } => println!("{}", found.json()),
        Options { kernels: true, .. } => println!("{}\n\n{}", found.kernels.symbols(), found.kernels.table()),
        _ => println!("{}", found.text()),
    }
    let wrong: Vec<&str> = found.rows.iter().filter(|r| !r.holds()).map(|r| r.target.as_str()).collect();
    if wrong.is_empty() { Ok(()) } else { Err(format!("not as on the workstation: {}", wrong.join(", "))) }
}

/// Runs everything.
///
/// # Errors
/// Something does not build.
pub fn run(options: Options) -> Result<Found, String> {
    install::boards(options.install);
    let mut rows = Vec::new();
    if !options.kernels {
        pictures::fetch(options.install);
        rows = layers::rows(if options.full { 10_000 } else { 1_000 })?;
        rows.extend(nets::rows()?);
    }
    if options.full {
        rows.extend(suite::rows()?);
        rows.push(standalone::row()?);
    }
    Ok(Found { rows, kernels: kernels::kernels()? })
}
