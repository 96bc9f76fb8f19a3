//! Rules by hand: the phrases of `cues.txt`, found where they stand in a reading's line.

use std::collections::HashMap;
use std::sync::LazyLock;

/// Endings after which a phrase still stands for itself.
const ENDINGS: [&str; 6] = ["", "s", "es", "d", "ed", "ing"];
/// Letters by which the beginnings of words are found.
const BEGINNING: usize = 3;

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
    /// Names of the groups: `!` begins the name of a feature, `=` that of a list.
    groups: Vec<&'static str>,
    /// Phrases by their first word, and by its first letters if it is a beginning.
    phrases: HashMap<String, Vec<Phrase>>,
}

static CUES: LazyLock<Cues> = LazyLock::new(|| {
    let mut cues = Cues { groups: Vec::new(), phrases: HashMap::new() };
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
        let first = phrase.text.split('_').next().unwrap_or_default();
        let beginning = phrase.words == 1 && matches!(phrase.stands, Stands::ForBeginnings);
        let key = if beginning { first.chars().take(BEGINNING).collect() } else { first.to_owned() };
        cues.phrases.entry(key).or_default().push(phrase);
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

pub fn groups() -> &'static [&'static str] {
    &CUES.groups
}

/// Single words of the English phrases.
pub fn words() -> impl Iterator<Item = &'static str> {
    let english = listed().filter(|(group, phrase)| *group != "=foreign" && !phrase.ends_with('*'));
    english.flat_map(|(_, phrase)| phrase.split(' '))
}

/// Phrases that stand at the beginning of `here`: a line from a word on, `_` after every word.
pub fn phrases(here: &str) -> Vec<&'static Phrase> {
    let word = &here[..here.find('_').unwrap_or(here.len())];
    let beginning = word.char_indices().nth(BEGINNING).map(|(end, _)| &word[..end]);
    let keys = ENDINGS.iter().filter_map(|ending| word.strip_suffix(ending)).chain(beginning);
    let near = keys.filter_map(|key| CUES.phrases.get(key)).flatten();
    near.filter(|phrase| phrase.stands_at(here)).collect()
}

impl Phrase {
    fn stands_at(&self, here: &str) -> bool {
        let Some(rest) = here.strip_prefix(self.text.as_str()) else { return false };
        let ends = |ending: &&str| rest.strip_prefix(*ending).is_some_and(|rest| rest.starts_with('_'));
        match self.stands {
            Stands::Alone => ends(&""),
            Stands::WithEndings => ENDINGS.iter().any(ends),
            Stands::ForBeginnings => true,
        }
    }
}
