//! The tree of sources itself.

use crate::harness::root;
use std::path::{Path, PathBuf};

/// The longest that a source file may be: a longer one does two jobs.
const LONGEST: usize = 500;

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        let (path, name) = (entry.path(), entry.file_name());
        let name = name.to_string_lossy();
        if entry.file_type().expect("a type").is_dir() {
            if !name.starts_with('.') && !["golden", "target", "node_modules"].contains(&&*name) {
                sources(&path, found);
            }
        } else if [".rs", ".mjs", ".ts"].iter().any(|end| name.ends_with(end)) {
            found.push(path);
        }
    }
}

#[test]
fn no_source_file_is_too_long_to_be_read_at_once() {
    let mut found = Vec::new();
    sources(&root(), &mut found);
    assert!(found.contains(&root().join("tests/src/house.rs")) && found.len() > 100, "the walk missed sources: {}", found.len());
    let lines = |path: &Path| std::fs::read_to_string(path).expect("a text").lines().count();
    let long = found.iter().filter(|path| lines(path) > LONGEST).collect::<Vec<_>>();
    assert!(long.is_empty(), "longer than {LONGEST} lines; split them by their jobs: {long:#?}");
}
