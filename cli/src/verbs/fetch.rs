//! `ocellus fetch`: a data set into the cache folder, from a package of pinned content.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::cache;
use crate::output::{Ending, Output, Usage};

/// `ocellus fetch NAME`
#[derive(Args)]
pub struct Fetch {
    /// What to download; without it, the list of what there is.
    name: Option<String>,
    /// Download again what is there already.
    #[arg(long)]
    force: bool,
}

/// A line of `fetch.tsv`: one file of a set.
struct Entry {
    set: &'static str,
    file: &'static str,
    package: &'static str,
    path: &'static str,
    bytes: u64,
    sha256: &'static str,
    licence: &'static str,
}

fn entries() -> impl Iterator<Item = Entry> {
    let lines = include_str!("fetch.tsv").lines().filter(|l| !l.starts_with('#') && !l.is_empty());
    lines.filter_map(|line| {
        let mut parts = line.split('\t');
        let mut next = || parts.next();
        Some(Entry {
            set: next()?,
            file: next()?,
            package: next()?,
            path: next()?,
            bytes: next()?.parse().ok()?,
            sha256: next()?,
            licence: next()?,
        })
    })
}

/// Whether a set of this name can be fetched.
pub fn is_known(name: &str) -> bool {
    entries().any(|e| e.set == name)
}

impl Fetch {
    /// Downloads.
    ///
    /// # Errors
    /// A set that is not known, a system without the package's registry, or content other than the pinned one.
    pub fn run(&self, output: &Output) -> Result<Ending> {
        let Some(name) = &self.name else {
            let mut sets: Vec<(&str, &str)> = entries().map(|e| (e.set, e.licence)).collect();
            sets.dedup();
            let text: Vec<String> = sets.iter().map(|(set, licence)| format!("{set} ({licence})")).collect();
            let list: Vec<_> = sets.iter().map(|(set, licence)| json!({ "name": set, "licence": licence })).collect();
            output.answer(text.join("\n"), &json!({ "sets": list }));
            return Ok(Ending::Fine);
        };
        let files: Vec<Entry> = entries().filter(|e| e.set == name).collect();
        if files.is_empty() {
            return Err(Usage(format!("nothing is called {name:?}; `ocellus fetch` lists what there is")).into());
        }
        let folder = cache::folder()?.join(name);
        let there = !self.force && files.iter().all(|e| check(e, &folder.join(e.file)).is_ok());
        if !there {
            download(&files, &folder, output)?;
        }
        let text = match there {
            true => format!("{name} is there already: {}", folder.display()),
            false => format!("{name} is in {}", folder.display()),
        };
        let value = json!({ "name": name, "folder": folder, "downloaded": !there, "licence": files[0].licence });
        output.answer(format!("{text}\nlicence: {}", files[0].licence), &value);
        Ok(Ending::Fine)
    }
}

/// Refuses a file that is not the pinned one.
fn check(entry: &Entry, path: &Path) -> Result<()> {
    let bytes = fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?;
    let found: String = Sha256::digest(&bytes).iter().map(|b| format!("{b:02x}")).collect();
    ensure!(
        bytes.len() as u64 == entry.bytes && found == entry.sha256,
        "{} is not the file that was expected: {} bytes with SHA-256 {found}, expected {} with {}",
        path.display(),
        bytes.len(),
        entry.bytes,
        entry.sha256
    );
    Ok(())
}

/// Downloads the package of a set with `apt-get download`, unpacks it with `dpkg -x`, checks its files, and moves them
/// into the folder.
fn download(files: &[Entry], folder: &Path, output: &Output) -> Result<()> {
    let package = files[0].package;
    let (name, _) = package.split_once('=').unwrap_or((package, ""));
    let work = folder.with_file_name(format!("{}.part-{}", files[0].set, std::process::id()));
    fs::create_dir_all(&work).with_context(|| format!("{} cannot be made", work.display()))?;
    let done = (|| {
        output.note(format!("downloading Debian's package {name} (apt-get download {package})"));
        get(package, &work).or_else(|first| {
            // A mirror that has another version by now may still carry the same files, which the sums decide.
            output.note(format!("{first:#}; trying any version"));
            get(name, &work)
        })?;
        let unpacked = work.join("content");
        let packages = fs::read_dir(&work)?.flatten().map(|e| e.path());
        let deb = packages.filter(|p| p.extension().is_some_and(|x| x == "deb")).max();
        let deb = deb.with_context(|| format!("apt-get left no package in {}", work.display()))?;
        tool(Command::new("dpkg").arg("-x").arg(&deb).arg(&unpacked))?;
        fs::create_dir_all(folder)?;
        for entry in files {
            let from = unpacked.join(entry.path);
            check(entry, &from)?;
            fs::rename(&from, folder.join(entry.file))
                .with_context(|| format!("{} cannot be moved to {}", from.display(), folder.display()))?;
        }
        Ok(())
    })();
    // Whatever happened, nothing half-done stays.
    let _ = fs::remove_dir_all(&work);
    done
}

fn get(package: &str, work: &Path) -> Result<()> {
    tool(Command::new("apt-get").args(["-q", "download", package]).current_dir(work))
}

/// Runs a program to its end.
fn tool(command: &mut Command) -> Result<()> {
    let name = PathBuf::from(command.get_program());
    let missing = || {
        format!(
            "{} does not run here. This set comes as a Debian package; elsewhere put its idx files into a folder \
             yourself and say --data idx:FOLDER",
            name.display()
        )
    };
    let done = command.output().with_context(missing)?;
    if !done.status.success() {
        let said = String::from_utf8_lossy(&done.stderr);
        bail!("{} failed: {}. `apt-get update` may help", name.display(), said.trim());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_whole() {
        let all: Vec<Entry> = entries().collect();
        assert_eq!(all.len(), include_str!("fetch.tsv").lines().filter(|l| !l.starts_with('#')).count());
        assert!(all.iter().all(|e| e.sha256.len() == 64 && e.bytes > 0 && e.package.contains('=')));
        assert!(is_known("fashion-mnist") && !is_known("imagenet"));
    }

    #[test]
    fn other_content_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("labels");
        fs::write(&path, b"abc").unwrap();
        // The SHA-256 of "abc", from FIPS 180-2.
        let sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let entry = |bytes, sha256| Entry { set: "", file: "", package: "", path: "", bytes, sha256, licence: "" };
        assert!(check(&entry(3, sha256), &path).is_ok());
        assert!(check(&entry(4, sha256), &path).is_err());
        let error = check(&entry(3, &sha256[1..]), &path).unwrap_err().to_string();
        assert!(error.contains("ba7816bf") && error.contains("labels"), "{error}");
    }
}
