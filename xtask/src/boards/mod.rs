//! Builds what runs on boards, runs it under emulation, compares it with the workstation, and prints one table.

mod bare;
mod count;
mod emulate;
mod layers;
mod nets;
mod peer;
mod pictures;
mod row;
mod suite;
mod targets;

use crate::Outcome;
use crate::install;
use row::json;
pub use row::{Row, table};

/// How much is run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Options {
    /// Ten thousand generated layers instead of one thousand, and the tests of the device crates on emulated processors.
    pub full: bool,
    /// One JSON object instead of a table.
    pub json: bool,
    /// Whether packages may be installed.
    pub install: bool,
}

impl Options {
    /// Reads `[--full] [--json] [--no-install]`; `None` for anything else.
    pub fn read(arguments: &[&str]) -> Option<Self> {
        let mut options = Self { full: false, json: false, install: true };
        for &argument in arguments {
            match argument {
                "--full" => options.full = true,
                "--json" => options.json = true,
                "--no-install" => options.install = false,
                _ => return None,
            }
        }
        Some(options)
    }
}

/// Runs everything and prints it.
///
/// # Errors
/// Something does not build, or differs from the workstation.
pub fn boards(options: Options) -> Outcome {
    let rows = rows(options)?;
    if options.json {
        println!("{}", json(&rows));
    } else {
        println!("{}\n\n{}", table(&rows), peer::compared(&rows));
    }
    let wrong: Vec<&str> = rows.iter().filter(|r| !r.holds()).map(|r| r.target.as_str()).collect();
    if wrong.is_empty() { Ok(()) } else { Err(format!("not as on the workstation: {}", wrong.join(", "))) }
}

/// Runs everything.
///
/// # Errors
/// Something does not build.
pub fn rows(options: Options) -> Result<Vec<Row>, String> {
    install::boards(options.install);
    pictures::fetch(options.install);
    let mut rows = layers::rows(if options.full { 10_000 } else { 1_000 })?;
    rows.extend(nets::rows()?);
    if options.full {
        rows.extend(suite::rows()?);
    }
    Ok(rows)
}
