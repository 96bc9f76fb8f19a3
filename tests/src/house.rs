//! The tree of sources itself.

use crate::harness::root;
use std::path::{Path, PathBuf};

/// The longest that a source file may be: a longer one does two jobs.
const LONGEST: usize = 500;

/// The files below a folder whose names end so, without generated or fetched ones.
fn files(folder: &Path, ends: &[&str], found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        let (path, name) = (entry.path(), entry.file_name());
        let name = name.to_string_lossy();
        if entry.file_type().expect("a type").is_dir() {
            if !name.starts_with('.') && !["golden", "_schemas", "target", "node_modules", "made"].contains(&&*name) {
                files(&path, ends, found);
            }
        } else if ends.iter().any(|end| name.ends_with(end)) {
            found.push(path);
        }
    }
}

fn sources(ends: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    files(&root(), ends, &mut found);
    found
}

fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn no_source_file_is_too_long_to_be_read_at_once() {
    let found = sources(&[".rs", ".mjs", ".ts"]);
    assert!(found.contains(&root().join("tests/src/house.rs")) && found.len() > 100, "the walk missed sources: {}", found.len());
    let lines = |path: &Path| text(path).lines().count();
    let long = found.iter().filter(|path| lines(path) > LONGEST).collect::<Vec<_>>();
    assert!(long.is_empty(), "longer than {LONGEST} lines; split them by their jobs: {long:#?}");
}

/// A file that no module names is not compiled, and nobody says so.
#[test]
fn every_source_file_belongs_to_a_module() {
    let mut looked = 0;
    for path in sources(&[".rs"]) {
        let (folder, name) = (path.parent().expect("a folder"), path.file_stem().expect("a name").to_string_lossy());
        let within = path.strip_prefix(root()).expect("below the root");
        if ["lib", "main", "build"].contains(&&*name) || !within.iter().any(|part| part == "src") {
            continue;
        }
        // A folder's module is named beside the folder.
        let (folder, name) = match &*name {
            "mod" => (folder.parent().expect("a folder"), folder.file_name().expect("a name").to_string_lossy()),
            _ => (folder, name),
        };
        let above = ["lib.rs", "main.rs", "mod.rs"].map(|above| folder.join(above));
        let beside = folder.with_extension("rs");
        let line = format!("mod {name};");
        let named = above.iter().chain([&beside]).filter(|above| above.exists()).any(|above| text(above).contains(&line));
        assert!(named, "no module names {}", within.display());
        looked += 1;
    }
    assert!(looked > 100, "the walk missed modules: {looked}");
}

/// The chapter "A new kind" lists the files of one kind, with their lines; where a file holds more, those that name the kind.
#[test]
fn the_chapter_of_a_new_kind_lists_the_files_of_one() {
    let page = text(&root().join("ARCHITECTURE.md"));
    let listed: Vec<(String, usize)> = page
        .split("## A new kind")
        .nth(1)
        .and_then(|chapter| chapter.split("\n## ").next())
        .expect("the chapter")
        .lines()
        .filter_map(|line| {
            let cells: Vec<&str> = line.split('|').map(str::trim).collect();
            let &[_, file, lines, ..] = cells.as_slice() else { return None };
            Some((file.strip_prefix('`')?.strip_suffix('`')?.to_owned(), lines.parse().ok()?))
        })
        .collect();
    let names = |line: &&str| line.contains("contact") || line.contains("Contact");
    let mut there = Vec::new();
    for path in sources(&[".rs", ".yaml"]) {
        let name = path.strip_prefix(root()).expect("below the root").display().to_string();
        let lines = text(&path);
        let lines = if name.contains("contact") { lines.lines().count() } else { lines.lines().filter(names).count() };
        // The contract says there whom to ask about it.
        if lines > 0 && name != "tests/src/house.rs" && name != "rpc/src/openapi.rs" {
            there.push((name, lines));
        }
    }
    there.sort();
    let mut sorted = listed.clone();
    sorted.sort();
    assert_eq!(sorted, there, "ARCHITECTURE.md lists the left; the right is there");
}

/// The files that the pages name are there.
#[test]
fn pages_name_files_that_are_there() {
    for page in ["ARCHITECTURE.md", "README.md"] {
        let text = text(&root().join(page));
        let named: Vec<&str> =
            text.split('`').skip(1).step_by(2).filter(|name| name.contains('/') && name.ends_with(".rs")).collect();
        assert!(!named.is_empty());
        for name in named.into_iter().filter(|name| !name.contains(char::is_whitespace)) {
            assert!(root().join(name).exists(), "{page} names {name}");
        }
    }
}
