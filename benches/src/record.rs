//! Tables that stay.

use std::fmt::Write;
use std::path::Path;
use std::process::Command;

use ocellus_runtime::Isa;

/// A table under way.
pub struct Record {
    name: &'static str,
    text: String,
}

fn output_of(program: &str, args: &[&str]) -> Option<String> {
    let output = Command::new(program).args(args).current_dir(env!("CARGO_MANIFEST_DIR")).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn machine() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|l| l.strip_prefix("model name")?.split_once(':').map(|(_, name)| name.trim()));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    format!("{}, {cores} cores, {}", model.unwrap_or(std::env::consts::ARCH), Isa::best().level().name())
}

impl Record {
    /// A table with these columns, with machine, commit and command above it.
    pub fn new(name: &'static str, columns: &[&str]) -> Self {
        let commit = output_of("git", &["rev-parse", "--short", "HEAD"]).unwrap_or_else(|| "unknown".to_owned());
        let changed =
            output_of("git", &["status", "--porcelain", "--untracked-files=no"]).is_some_and(|s| !s.is_empty());
        let mut text = format!(
            "# {name}\n\nMachine: {}. Commit: {commit}{}. ",
            machine(),
            if changed { " with changes" } else { "" }
        );
        let _ =
            write!(text, "Command: `cargo bench -p ocellus-benches --bench {name}`. Least times in milliseconds.\n\n");
        let _ = writeln!(text, "| {} |\n|{}", columns.join(" | "), "---|".repeat(columns.len()));
        Self { name, text }
    }

    /// Adds a row, and prints it.
    pub fn row(&mut self, cells: &[String]) {
        let line = format!("| {} |", cells.join(" | "));
        println!("{line}");
        self.text += &line;
        self.text.push('\n');
    }

    /// Writes `record/NAME.md`.
    ///
    /// # Errors
    /// A folder that cannot be written.
    pub fn save(self) -> std::io::Result<()> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("record/{}.md", self.name));
        std::fs::write(&path, self.text)?;
        println!("written to {}", path.display());
        Ok(())
    }
}
