//! Runs programs of other processors.

use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::targets::{Board, Linux};
use crate::process::words;

/// The longest that an emulated program may run: a core that locks up would run for ever.
const LONGEST: Duration = Duration::from_secs(600);

/// The system library of the cross compiler, as Debian installs it.
pub const CROSS_LIBRARY: &str = "/usr/aarch64-linux-gnu";

/// A program of a Linux processor with its arguments.
pub fn linux(linux: &Linux, program: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new("qemu-aarch64");
    command.args(["-cpu", linux.cpu, "-L", CROSS_LIBRARY]).arg(program).args(arguments);
    command
}

/// A bare-metal program on a board; its output comes through semihosting.
pub fn board(board: &Board, program: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new("qemu-system-arm");
    let arguments: String = arguments.iter().map(|a| format!(",arg={a}")).collect();
    command.args(["-machine", board.machine, "-display", "none", "-serial", "null", "-monitor", "none"]);
    command.arg("-semihosting-config").arg(format!("enable=on,target=native,arg=program{arguments}"));
    command.arg("-kernel").arg(program);
    command
}

/// Runs a command to its end and returns what it prints on its standard output.
///
/// # Errors
/// It does not start, fails, or runs too long.
pub fn output(command: &mut Command) -> Result<String, String> {
    let said = words(command);
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|e| format!("`{said}` does not start: {e}"))?;
    let mut pipe = child.stdout.take().ok_or("no output")?;
    let reader = std::thread::spawn(move || {
        let mut text = String::new();
        pipe.read_to_string(&mut text).map(|_| text)
    });
    let start = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().map_err(|e| e.to_string())? {
            break status;
        }
        if start.elapsed() > LONGEST {
            let _ = child.kill();
            let _ = child.wait();
            return Err(format!("`{said}` did not end"));
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    let text = reader.join().map_err(|_| "the output cannot be read")?.map_err(|e| e.to_string())?;
    if status.success() {
        return Ok(text);
    }
    let end: Vec<&str> = text.lines().rev().take(5).collect();
    Err(format!("`{said}` failed ({status}): {}", end.into_iter().rev().collect::<Vec<_>>().join(" | ")))
}
