//! The rules of the house, as tests: who may import whom, how long a file may get, what no file may contain.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A file longer than this has two ideas in it.
const LINES_MAX: usize = 600;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The files that git tracks or would track.
fn files() -> Vec<PathBuf> {
    let out = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output()
        .expect("git runs");
    assert!(out.status.success(), "git ls-files");
    let names = String::from_utf8(out.stdout).expect("file names are UTF-8");
    names.lines().map(PathBuf::from).filter(|path| root().join(path).is_file()).collect()
}

fn text(path: &Path) -> Option<String> {
    String::from_utf8(fs::read(root().join(path)).ok()?).ok()
}

fn rust_files() -> impl Iterator<Item = (PathBuf, String)> {
    files().into_iter().filter(|p| p.extension().is_some_and(|e| e == "rs")).filter_map(|path| {
        let text = text(&path)?;
        Some((path, text))
    })
}

/// Which of our crates a crate's sources may name.
#[test]
fn imports_point_inwards() {
    let allowed: BTreeMap<&str, &[&str]> = BTreeMap::from([
        ("core", &[][..]),
        ("storage", &["zkrs_core"]),
        ("client", &["zkrs_core"]),
        ("server", &["zkrs_core", "zkrs_storage"]),
        ("tests/sim", &["zkrs_core", "zkrs_storage", "zkrs_sim"]),
    ]);
    let crates = ["zkrs_core", "zkrs_storage", "zkrs_server", "zkrs_client", "zkrs_sim", "zkrs_ffi"];
    for (path, text) in rust_files() {
        // The longest folder that has a rule; a crate's own tests may use more.
        let Some((_, allowed)) =
            allowed.iter().find(|(room, _)| path.starts_with(Path::new(room).join("src")))
        else {
            continue;
        };
        for name in crates.iter().filter(|name| !allowed.contains(name)) {
            let mentions = |line: &&str| !line.trim_start().starts_with("//") && line.contains(name);
            if let Some(line) = text.lines().find(mentions) {
                panic!("{}: imports {name}, which this room must not know: {line}", path.display());
            }
        }
    }
}

#[test]
fn the_core_touches_nothing() {
    for (path, text) in rust_files().filter(|(path, _)| path.starts_with("core/src")) {
        for word in ["std::", "SystemTime", "Instant::now", "std::fs", "std::net", "thread::", "tokio"] {
            let uses = |line: &&str| !line.trim_start().starts_with("//") && line.contains(word);
            if let Some(line) = text.lines().find(uses) {
                panic!("{}: the core must not know `{word}`: {line}", path.display());
            }
        }
    }
}

#[test]
fn files_hold_one_idea() {
    let long: Vec<String> = rust_files()
        .filter_map(|(path, text)| {
            let lines = text.lines().count();
            (lines > LINES_MAX).then(|| format!("{} has {lines} lines", path.display()))
        })
        .collect();
    assert!(long.is_empty(), "split at {LINES_MAX} lines:\n{}", long.join("\n"));
}

#[test]
fn every_module_says_what_it_is_for() {
    let silent: Vec<_> = rust_files()
        .filter(|(_, text)| !text.starts_with("//!") && !text.starts_with("#!["))
        .map(|(path, _)| path.display().to_string())
        .collect();
    assert!(
        silent.is_empty(),
        "these files open without a word on what they are for:\n{}",
        silent.join("\n")
    );
}

#[test]
fn nothing_is_left_lying_about() {
    // Put together, so that this file does not find itself.
    let words = [
        ["todo", "!("].concat(),
        ["unimplemented", "!("].concat(),
        ["dbg", "!("].concat(),
        ["#[ign", "ore"].concat(),
        ["FIX", "ME"].concat(),
        ["XX", "X:"].concat(),
    ];
    for (path, text) in rust_files() {
        for word in &words {
            assert!(!text.contains(word.as_str()), "{}: contains {word}", path.display());
        }
    }
}

#[test]
fn no_file_names_a_machine() {
    // Paths of somebody's machine, put together for the same reason.
    let words = [["/ro", "ot/"].concat(), ["/wo", "rk/"].concat(), ["/home", "/"].concat()];
    for path in files() {
        let Some(text) = text(&path) else { continue };
        if path.ends_with("LICENSE") {
            continue;
        }
        for word in &words {
            assert!(!text.contains(word.as_str()), "{}: contains {word}", path.display());
        }
    }
}

#[test]
fn every_dependency_has_its_reason() {
    for manifest in files().into_iter().filter(|path| path.ends_with("Cargo.toml")) {
        let text = text(&manifest).expect("a manifest is text");
        let mut in_dependencies = false;
        let mut previous = "";
        for line in text.lines() {
            if line.starts_with('[') {
                in_dependencies = line.contains("dependencies") && !line.contains("workspace");
            } else if in_dependencies && line.contains('=') {
                let reason = previous.starts_with('#') || line.contains("# ") || previous.contains('=');
                let ours = line.contains("path =") || line.contains("workspace = true");
                assert!(ours || reason, "{}: say why: {line}", manifest.display());
            }
            previous = line;
        }
    }
}

#[test]
fn links_between_documents_lead_somewhere() {
    for path in files().into_iter().filter(|path| path.extension().is_some_and(|e| e == "md")) {
        let text = text(&path).expect("a document is text");
        let dir = path.parent().expect("a file is in a folder");
        for piece in text.split("](").skip(1) {
            let target = piece.split(')').next().unwrap_or_default();
            let target = target.split('#').next().unwrap_or_default();
            if target.is_empty() || target.contains("://") {
                continue;
            }
            assert!(root().join(dir).join(target).exists(), "{}: broken link {target}", path.display());
        }
    }
}
