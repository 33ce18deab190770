//! Proves which crate uses which, with inverted dependency trees.

use std::collections::BTreeSet;

use crate::Outcome;
use crate::process::{cargo, read};

/// Every crate of ours with those that may use it. `tests` and `benches` look at everything.
const USERS: [(&str, &[&str]); 13] = [
    ("graph", &["ops", "backend", "trainer", "quantizer", "compiler", "models", "build", "cli"]),
    ("ops", &["trainer", "quantizer", "compiler", "models", "cli"]),
    ("backend", &["trainer", "quantizer", "cli"]),
    ("trainer", &["models", "cli"]),
    ("quantizer", &["cli"]),
    ("compiler", &["build", "cli"]),
    ("models", &["cli"]),
    ("build", &["build-example"]),
    ("plan", &["ops", "compiler", "runtime", "vision", "capi", "cli", "boards"]),
    ("kernels", &["compiler", "runtime", "boards"]),
    ("runtime", &["capi", "build-example", "cli", "boards"]),
    ("vision", &["trainer", "models", "capi", "cli"]),
    ("capi", &[]),
];

/// Libraries that one crate alone may name.
const ALONE: [(&str, &str); 4] = [
    ("tract-onnx", "ocellus-backend"),
    ("ort", "ocellus-backend"),
    ("anyhow", "ocellus-cli"),
    ("memmap2", "ocellus-cli"),
];

/// The device crates, with the libraries that they may have anywhere below them.
const DEVICE: [(&str, &[&str]); 5] = [
    ("plan", &[]),
    ("kernels", &["libm"]),
    ("runtime", &["libm"]),
    ("vision", &["libm", "heapless", "hash32", "byteorder", "stable_deref_trait"]),
    ("capi", &["libm", "heapless", "hash32", "byteorder", "stable_deref_trait"]),
];

/// Proves the arrows.
pub fn arrows() -> Outcome {
    let mut wrong = Vec::new();
    for (name, users) in USERS {
        let allowed: BTreeSet<String> =
            users.iter().chain(&["tests", "benches"]).map(|u| format!("ocellus-{u}")).collect();
        let found = ours(&direct_users(&format!("ocellus-{name}"))?);
        wrong.extend(found.difference(&allowed).map(|u| format!("{u} uses ocellus-{name}, which it must not")));
        println!("{name} <- {}", short(&found));
    }
    for (library, user) in ALONE {
        let found = ours(&direct_users(library)?);
        let others = found.iter().filter(|f| *f != user);
        wrong.extend(others.map(|f| format!("{f} names {library}, which only {user} may")));
        println!("{library} <- {}", short(&found));
    }
    for (name, allowed) in DEVICE {
        let package = format!("ocellus-{name}");
        let tree = read(&mut cargo(&[
            "tree",
            "--locked",
            "-e",
            "normal",
            "--no-default-features",
            "--prefix",
            "none",
            "-p",
            &package,
        ]))?;
        let foreign = packages(&tree).into_iter().filter(|p| !p.starts_with("ocellus-"));
        wrong.extend(foreign.filter(|p| !allowed.contains(&p.as_str())).map(|p| format!("{package} has {p} below it")));
    }
    let own = read(&mut cargo(&["tree", "--locked", "--prefix", "none", "-p", "xtask"]))?;
    if packages(&own).len() != 1 {
        wrong.push("xtask has dependencies".to_owned());
    }
    if wrong.is_empty() { Ok(()) } else { Err(format!("arrows that must not be:\n  {}", wrong.join("\n  "))) }
}

/// The packages that depend on this one directly, in normal builds.
fn direct_users(package: &str) -> Result<BTreeSet<String>, String> {
    let mut tree =
        cargo(&["tree", "--locked", "--workspace", "-e", "normal", "--depth", "1", "--prefix", "depth", "-i", package]);
    let text = read(&mut tree)?;
    Ok(packages(&text.lines().filter_map(|l| l.strip_prefix('1')).collect::<Vec<_>>().join("\n")))
}

/// The package names in a tree without prefixes.
fn packages(tree: &str) -> BTreeSet<String> {
    tree.lines().filter_map(|l| l.split_whitespace().next()).map(str::to_owned).collect()
}

fn ours(packages: &BTreeSet<String>) -> BTreeSet<String> {
    packages.iter().filter(|p| p.starts_with("ocellus-")).cloned().collect()
}

fn short(packages: &BTreeSet<String>) -> String {
    packages.iter().map(|p| p.trim_start_matches("ocellus-")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_a_tree() {
        let tree = "ocellus-plan v0.1.0 (/x/plan)\nlibm v0.2.16\nocellus-plan v0.1.0 (/x/plan) (*)\n\n";
        let found = packages(tree);
        assert_eq!(found.iter().map(String::as_str).collect::<Vec<_>>(), ["libm", "ocellus-plan"]);
        assert_eq!(short(&ours(&found)), "plan");
    }

    #[test]
    fn no_arrow_points_up() {
        // From the device to the host nothing is allowed.
        let device = ["plan", "kernels", "runtime", "vision", "capi"];
        for (name, users) in USERS.iter().filter(|(n, _)| !device.contains(n)) {
            assert!(users.iter().all(|u| !device.contains(u)), "{name}");
        }
    }
}
