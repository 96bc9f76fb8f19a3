//! The sentinel's statement about the policies that the PDP decides by, and its making from their files.

use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bundle {
    pub hash: String,
    /// Whether a condition in the policies depends on the time.
    pub clock: bool,
    /// Whether the policies tell people and organizations apart only by asking if a resource names them. The plan for one is then
    /// the plan for another, with the names changed.
    pub shared: bool,
}

const CLOCK: &str = "clock";
const SHARED: &str = "shared";

impl Bundle {
    /// Whether one plan can serve many people, and may be kept for them.
    pub(crate) fn serves_many(&self) -> bool {
        self.shared && !self.clock
    }

    pub(crate) fn read(said: &str) -> Bundle {
        let mut words = said.split(' ');
        let hash = words.next().unwrap_or_default().to_owned();
        let words: Vec<&str> = words.collect();
        Bundle { hash, clock: words.contains(&CLOCK), shared: words.contains(&SHARED) }
    }

    /// The statement that the sentinel has to make about the policies in a folder.
    pub fn of(folder: &Path) -> std::io::Result<String> {
        let mut all = Vec::new();
        files(folder, &mut all)?;
        // Tests of policies decide nothing.
        all.retain(|path| *path != folder.join("sentinel.yaml") && !path.starts_with(folder.join("tests")));
        all.sort();
        let mut hash = Sha256::new();
        let (mut clock, mut shared) = (false, true);
        for path in all {
            let text = std::fs::read(&path)?;
            hash.update(path.strip_prefix(folder).unwrap_or(&path).to_string_lossy().as_bytes());
            hash.update([0]);
            hash.update(&text);
            hash.update([0]);
            let text = String::from_utf8_lossy(&text);
            clock |= words(&text).any(|word| ["now", "timeSince"].contains(&word));
            shared &= path.starts_with(folder.join("_schemas")) || names_only_by_equality(&text);
        }
        let mut said: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        for (word, holds) in [(CLOCK, clock), (SHARED, shared)] {
            if holds {
                said.push(' ');
                said.push_str(word);
            }
        }
        Ok(said)
    }
}

fn files(folder: &Path, into: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            files(&path, into)?;
        } else {
            into.push(path);
        }
    }
    Ok(())
}

fn of_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn of_path(c: char) -> bool {
    of_name(c) || c == '.'
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !of_name(c)).filter(|word| !word.is_empty())
}

/// The paths to the facts that name a person or an organization, and so differ from one to the next.
const NAMES: [&str; 2] = ["P.id", "P.attr.organization"];
/// The paths to the facts that many people share. A stand-in's plan is asked for with them.
const KINDS: [&str; 5] = ["P.attr.kind", "P.attr.roles", "P.attr.organizationType", "P.attr.delegated", "P.attr.acts"];

/// Whether a policy uses the names of a person and of an organization only to compare them with something of the resource, by
/// `==`, `!=` or `in`. The check reads the text and no syntax, and says no where it is not sure.
fn names_only_by_equality(text: &str) -> bool {
    // Refused: policies of one person, other ways to write `P`, and all that hides letters or parts of an expression.
    let comments = text.replace("cerbos:///", "").contains("//");
    if comments || text.contains('\\') || words(text).any(|word| ["principalPolicy", "request"].contains(&word)) {
        return false;
    }
    // `P` and `R` must mean what they always do, so no macro may bind them.
    if binds_as(text, "P") || binds_as(text, "R") {
        return false;
    }
    let mut at = 0;
    while let Some(found) = text[at..].find('P') {
        let start = at + found;
        at = start + 1;
        let (before, rest) = text.split_at(start);
        if before.ends_with(of_path) {
            continue;
        }
        let path = &rest[..rest.find(|c| !of_path(c)).unwrap_or(rest.len())];
        if words(path).next() != Some("P") {
            continue;
        }
        let after = rest[path.len()..].trim_start();
        let sound = if NAMES.contains(&path) {
            compared_from_the_left(text, before, after) || compared_from_the_right(text, before, after)
        } else {
            KINDS.contains(&path)
        };
        if !sound {
            return false;
        }
    }
    true
}

/// `R.attr.holder == P.id`, and nothing binds its right side more tightly.
fn compared_from_the_left(text: &str, before: &str, after: &str) -> bool {
    let before = before.trim_end();
    let Some(left) = before.strip_suffix("==").or_else(|| before.strip_suffix("!=")) else { return false };
    let left = left.trim_end();
    let path = &left[left.rfind(|c| !of_path(c)).map_or(0, |end| end + left[end..].chars().next().map_or(1, char::len_utf8))..];
    of_the_resource(text, path) && !binds(after)
}

/// `P.id in R.attr.holders`, as a condition of its own.
fn compared_from_the_right(text: &str, before: &str, after: &str) -> bool {
    if !before.trim_end().ends_with(['(', '&', '|', '\'', '"', ':', ',', '?', '{']) {
        return false;
    }
    let Some(right) = ["==", "!=", "in "].iter().find_map(|operator| after.strip_prefix(operator)) else { return false };
    let right = right.trim_start();
    let path = &right[..right.find(|c| !of_path(c)).unwrap_or(right.len())];
    of_the_resource(text, path) && !binds(right[path.len()..].trim_start())
}

fn binds(after: &str) -> bool {
    after.starts_with(['+', '-', '*', '/', '%', '.', '[', '('])
}

/// Whether a macro binds a variable of this name.
fn binds_as(text: &str, variable: &str) -> bool {
    bound_by(text, '(', variable) || bound_by(text, ',', variable)
}

/// Whether this name stands between the character `after` and a comma.
fn bound_by(text: &str, after: char, variable: &str) -> bool {
    text.match_indices(after).any(|(at, _)| {
        let inside = text[at + 1..].trim_start();
        inside.strip_prefix(variable).is_some_and(|rest| rest.trim_start().starts_with(','))
    })
}

/// Whether a path leads to something that no plan knows beforehand: an attribute of the resource, or of an element that a macro
/// finds in one.
fn of_the_resource(text: &str, path: &str) -> bool {
    if path == "R.id" || path.starts_with("R.attr.") {
        return true;
    }
    let Some(variable) = path.split('.').next().filter(|variable| !variable.is_empty()) else { return false };
    // The second variable of a macro could stand for anything.
    if bound_by(text, ',', variable) {
        return false;
    }
    let mut bound = false;
    for (open, _) in text.match_indices('(') {
        let inside = text[open + 1..].trim_start();
        let Some(rest) = inside.strip_prefix(variable) else { continue };
        if !rest.trim_start().starts_with(',') {
            continue;
        }
        let macro_ = &text[..open];
        let from = &macro_
            [macro_.rfind(|c| !of_path(c)).map_or(0, |end| end + macro_[end..].chars().next().map_or(1, char::len_utf8))..];
        if !from.starts_with("R.attr.") {
            return false;
        }
        bound = true;
    }
    bound
}

#[cfg(test)]
mod tests {
    use super::names_only_by_equality;

    #[test]
    fn what_only_compares_names_with_the_resource_is_shared() {
        for sound in [
            r#"expr: R.attr.initiator == P.id"#,
            r#"expr: 'R.attr.holder == P.id && R.attr.relation == "OWN"'"#,
            r#"expr: 'P.attr.delegated && "READ" in R.attr.delegated'"#,
            r#"expr: R.attr.guests.exists(g, g.id == P.id && g.invited)"#,
            r#"expr: P.id in R.attr.holders"#,
            r#"expr: '("OWNER" in P.attr.roles) || P.attr.organization != R.attr.owner.id'"#,
            r#"expr: R.attr.friends.all(f, f != P.id)"#,
            "roles: [principal]\n# Policies say P. no more than PDP or Portfolio.P does.".replace(" P. ", " ").as_str(),
        ] {
            assert!(names_only_by_equality(sound), "{sound}");
        }
    }

    #[test]
    fn what_may_tell_people_apart_otherwise_is_not() {
        for other in [
            r#"expr: P.id == "0192""#,
            r#"expr: '"0192" == P.id'"#,
            r#"expr: P.id in ["0192"]"#,
            r#"expr: '["0192"].exists(x, x == P.id)'"#,
            r#"expr: '[{"y": "0192"}].exists(d, d.y == P.id) && R.attr.a.exists(d, d.b)'"#,
            r#"expr: P.id.startsWith("01")"#,
            r#"expr: R.attr.holder == P.id + "x""#,
            r#"expr: '"x" + P.id == R.attr.holder'"#,
            r#"expr: R.attr.holder == P.id.lowerAscii()"#,
            r#"expr: R.attr.holder < P.id"#,
            r#"expr: R.attr.text.contains(P.id)"#,
            r#"expr: R.attr.holder.matches(P.id)"#,
            r#"expr: P["id"] == R.attr.holder"#,
            r#"expr: P .id == "0192""#,
            r#"expr: P.attr["organization"] == "0192""#,
            r#"expr: P.attr == R.attr.who"#,
            r#"expr: P.attr.organization == "0192""#,
            r#"expr: hash(P.attr.organization.split("-"))"#,
            r#"expr: P.attr.organization.size() == R.attr.length"#,
            r#"expr: request.principal.id == "0192""#,
            r#"expr: "\u0050.id == 'x'""#,
            r#"expr: dyn(P).id == "0192""#,
            r#"me: P.id"#,
            "principalPolicy:\n  principal: alice",
            r#"expr: '"0192" == P.id == R.attr.flag'"#,
            r#"expr: R.kind == P.id"#,
            r#"expr: P.attr.exists(k, v, v == "0192")"#,
            r#"expr: P.attr.transformList(k, v, v) == R.attr.list"#,
            "expr: |\n  \"0192\" // was R.attr.holder\n  != P.id",
            r#"expr: 'R.attr.xs.exists(d, d.a) || {"k": "0192"}.exists(k, d, d == P.id)'"#,
            r#"expr: '[{"id": "0192"}].exists(R, R.id == P.id)'"#,
            r#"expr: '["0192"].exists(P, P.id == R.attr.holder)'"#,
        ] {
            assert!(!names_only_by_equality(other), "{other}");
        }
    }
}
