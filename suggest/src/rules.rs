//! Rules by hand: the phrases of `cues.txt`, found where they stand in a reading's line.

use std::collections::BTreeMap;
use std::sync::LazyLock;

/// Endings after which a phrase still stands for itself.
const ENDINGS: [&str; 6] = ["_", "s_", "es_", "d_", "ed_", "ing_"];

pub struct Phrase {
    pub number: usize,
    /// Place of its group in [`groups`].
    pub group: usize,
    /// Count of its words.
    pub words: usize,
    text: String,
    stands: Stands,
}

enum Stands {
    Alone,
    WithEndings,
    ForBeginnings,
}

struct Cues {
    /// Names of the groups; `=` begins the name of a list that is no feature.
    groups: Vec<&'static str>,
    /// Phrases by their first two bytes.
    phrases: BTreeMap<Vec<u8>, Vec<Phrase>>,
}

static CUES: LazyLock<Cues> = LazyLock::new(|| {
    let mut cues = Cues { groups: Vec::new(), phrases: BTreeMap::new() };
    for (number, (name, phrase)) in listed().enumerate() {
        if cues.groups.last() != Some(&name) {
            cues.groups.push(name);
        }
        let text = phrase.trim_end_matches('*').replace(' ', "_");
        let stands = match name.starts_with('=') {
            true => Stands::Alone,
            false if phrase.ends_with('*') => Stands::ForBeginnings,
            false => Stands::WithEndings,
        };
        let words = text.matches('_').count() + 1;
        let phrase = Phrase { number, group: cues.groups.len() - 1, words, text, stands };
        cues.phrases.entry(start(&phrase.text)).or_default().push(phrase);
    }
    cues
});

/// Every phrase with the name of its group.
fn listed() -> impl Iterator<Item = (&'static str, &'static str)> {
    let mut group = "";
    let lines = include_str!("../cues.txt").lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    lines.flat_map(move |line| {
        let name = line.strip_suffix(':');
        group = name.unwrap_or(group);
        let phrases = if name.is_some() { "" } else { line };
        phrases.split(',').map(str::trim).filter(|phrase| !phrase.is_empty()).map(move |phrase| (group, phrase))
    })
}

fn start(text: &str) -> Vec<u8> {
    text.bytes().take(2).collect()
}

pub fn groups() -> &'static [&'static str] {
    &CUES.groups
}

/// Single words of the English phrases.
pub fn words() -> impl Iterator<Item = &'static str> {
    let english = listed().filter(|(group, phrase)| *group != "=foreign" && !phrase.ends_with('*'));
    english.flat_map(|(_, phrase)| phrase.split(' '))
}

/// Phrases that stand at the beginning of `here`: a line from a word on, `_` after every word.
pub fn phrases(here: &str) -> impl Iterator<Item = &'static Phrase> {
    let near = CUES.phrases.get(&start(here)).map(Vec::as_slice).unwrap_or_default();
    near.iter().filter(move |phrase| {
        here.strip_prefix(phrase.text.as_str()).is_some_and(|rest| match phrase.stands {
            Stands::Alone => rest.starts_with('_'),
            Stands::WithEndings => ENDINGS.iter().any(|ending| rest.starts_with(ending)),
            Stands::ForBeginnings => true,
        })
    })
}
