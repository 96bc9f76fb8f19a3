//! Settings as texts, from the environment and the file, with the place of each.

use super::settings::{SETTINGS, Setting};
use std::collections::BTreeMap;

/// A value as it was read, and its place: a variable, or a name in the file.
struct Read {
    value: String,
    place: String,
}

pub struct Reader {
    read: BTreeMap<&'static str, Read>,
    pub(super) problems: Vec<String>,
}

impl Reader {
    /// Reads the environment and the file, if the file exists or was named. A variable outweighs the file.
    pub fn new(environment: impl Iterator<Item = (String, String)>) -> Self {
        let mut reader = Reader { read: BTreeMap::new(), problems: Vec::new() };
        let environment: BTreeMap<String, String> = environment.collect();
        let file = environment.get("HESTAMI_CONFIG").map_or("hestami.toml", String::as_str);
        match std::fs::read_to_string(file) {
            Ok(text) => reader.file(file, &text),
            Err(problem) if environment.contains_key("HESTAMI_CONFIG") => {
                reader.problems.push(format!("HESTAMI_CONFIG names {file:?}, which cannot be read: {problem}"));
            }
            Err(_) => {}
        }
        for (name, value) in &environment {
            match SETTINGS.iter().find(|setting| setting.env == name) {
                Some(setting) => {
                    reader.read.insert(setting.name, Read { value: value.clone(), place: name.clone() });
                }
                None if name == "HESTAMI_CONFIG" => {}
                None if name.starts_with("HESTAMI_") => reader.problems.push(unknown(name, SETTINGS.iter().map(|s| s.env))),
                None => {}
            }
        }
        reader
    }

    fn file(&mut self, file: &str, text: &str) {
        let table: toml::Table = match text.parse() {
            Ok(table) => table,
            Err(problem) => return self.problems.push(format!("{file} is not TOML: {}", problem.message())),
        };
        for (name, value) in table {
            let Some(setting) = SETTINGS.iter().find(|setting| setting.name == name) else {
                self.problems.push(format!("in {file}: {}", unknown(&name, SETTINGS.iter().map(|s| s.name))));
                continue;
            };
            let value = match value {
                toml::Value::String(text) => text,
                toml::Value::Integer(number) => number.to_string(),
                toml::Value::Boolean(flag) => flag.to_string(),
                _ => {
                    self.problems.push(format!("{name} in {file} must be a text, a number or true/false"));
                    continue;
                }
            };
            self.read.insert(setting.name, Read { value, place: format!("{name} in {file}") });
        }
    }

    pub(super) fn get<T>(&mut self, name: &'static str, parse: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        let setting = SETTINGS.iter().find(|setting| setting.name == name)?;
        let (value, place) = match (self.read.get(name), setting.default) {
            (Some(read), _) => (read.value.clone(), read.place.clone()),
            (None, Some(default)) => (default.to_owned(), "the default".to_owned()),
            (None, None) => return None,
        };
        let parsed = parse(&value);
        if parsed.is_none() {
            let shown = if setting.secret { "a value that is not shown".to_owned() } else { format!("{value:?}") };
            self.problems.push(format!("{place}: read {shown}, allowed is {}", setting.allowed));
        }
        parsed
    }

    /// Each setting with its value and the place of that value. Secrets are not shown.
    pub fn explain(&self) -> Vec<(&'static Setting, String, String)> {
        SETTINGS
            .iter()
            .map(|setting| match (self.read.get(setting.name), setting.default) {
                (Some(_), _) if setting.secret => (setting, "(set, not shown)".into(), self.read[setting.name].place.clone()),
                (Some(read), _) => (setting, read.value.clone(), read.place.clone()),
                (None, Some(default)) => (setting, default.into(), "default".into()),
                (None, None) => (setting, "(not set)".into(), "default".into()),
            })
            .collect()
    }
}

fn unknown(name: &str, known: impl Iterator<Item = &'static str>) -> String {
    let nearest = known.min_by_key(|candidate| distance(name, candidate)).unwrap_or_default();
    format!("there is no setting {name}; did you mean {nearest}? `hestami check-config` lists all")
}

fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.bytes().enumerate() {
            let insert = (row[j] + 1).min(row[j + 1] + 1);
            let substitute = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = insert.min(substitute);
        }
    }
    row[b.len()]
}
