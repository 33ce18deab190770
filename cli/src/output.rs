//! What a verb says: text for people, or one JSON object.

use std::fmt::{self, Display};
use std::io::Write;

use serde_json::{Value, json};

/// How a verb ended, where it did not end with an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// All is well: status 0.
    Fine,
    /// It did its work, and the answer is no: status 1.
    Failed,
}

/// The command was used wrongly: status 2.
#[derive(Debug)]
pub struct Usage(pub String);

impl Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Usage {}

/// Where a verb's answer goes.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    /// Whether the answer is one JSON object.
    pub json: bool,
}

impl Output {
    /// Prints the answer: `text`, or `value` with `--json`.
    pub fn answer(&self, text: impl Display, value: &Value) {
        let line = if self.json { value.to_string() } else { text.to_string() };
        // A reader that went away (`ocellus ops | head`) is no error.
        let _ = writeln!(std::io::stdout().lock(), "{}", line.trim_end_matches('\n'));
    }

    /// Prints an error: text on standard error, and an object on standard output with `--json`.
    pub fn error(&self, error: &anyhow::Error) {
        let text = format!("{error:#}");
        let _ = writeln!(std::io::stderr().lock(), "error: {text}");
        if self.json {
            let _ = writeln!(std::io::stdout().lock(), "{}", json!({ "error": text }));
        }
    }

    /// Says something on the way, on standard error.
    pub fn note(&self, text: impl Display) {
        let _ = writeln!(std::io::stderr().lock(), "{text}");
    }
}
