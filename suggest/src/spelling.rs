//! Spelling: the word that a misspelt word stands for.
//!
//! Known are the words of `words.txt` and of the cues. A word unknown stands for a known one of the same skeleton (its
//! consonants by sound) and of nearly the same letters, or for one a single slip away.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use crate::rules;

/// Letters of a word that is short: only the list of shorthands corrects it.
const SHORT: usize = 3;
const LONG: usize = 20;

struct Known {
    words: BTreeSet<&'static str>,
    shorthands: BTreeMap<&'static str, &'static str>,
    /// Words by skeleton, and by skeleton less one letter.
    skeletons: BTreeMap<String, Vec<&'static str>>,
}

static KNOWN: LazyLock<Known> = LazyLock::new(|| {
    let mut known = Known { words: BTreeSet::new(), shorthands: BTreeMap::new(), skeletons: BTreeMap::new() };
    for word in include_str!("../words.txt").split_whitespace() {
        match word.split_once('=') {
            Some((short, long)) => drop(known.shorthands.insert(short, long)),
            None => drop(known.words.insert(word)),
        }
    }
    known.words.extend(rules::phrases().filter(|phrase| !phrase.ends_with('*')).flat_map(|phrase| phrase.split(' ')));
    for word in known.words.iter().filter(|word| word.len() > SHORT) {
        for skeleton in near(&skeleton(word)) {
            known.skeletons.entry(skeleton).or_default().push(word);
        }
    }
    known
});

/// Whether the word is known, itself or as an ending of a known one.
pub fn known(word: &str) -> bool {
    let stem =
        |end: &str, back: &str| word.strip_suffix(end).is_some_and(|stem| KNOWN.words.contains(format!("{stem}{back}").as_str()));
    KNOWN.words.contains(word)
        || [("s", ""), ("es", ""), ("ies", "y"), ("ed", ""), ("ed", "e"), ("ing", ""), ("ing", "e"), ("ly", ""), ("er", "")]
            .iter()
            .any(|(end, back)| stem(end, back))
}

/// The known word that this one stands for, if it is unknown and one is near.
pub fn corrected(word: &str) -> Option<&'static str> {
    if let Some(long) = KNOWN.shorthands.get(word) {
        return Some(long);
    }
    let letters = word.chars().count();
    if letters <= SHORT || letters > LONG || !word.is_ascii() || known(word) {
        return None;
    }
    let own = skeleton(word);
    let mut best: Option<(usize, usize, &str)> = None;
    for skeleton_near in near(&own) {
        for candidate in KNOWN.skeletons.get(&skeleton_near).into_iter().flatten() {
            let same = skeleton(candidate) == own;
            let limit = match (same, letters) {
                (true, ..6) => 2,
                (true, _) => 3,
                (false, ..7) => 1,
                (false, _) => 2,
            };
            if candidate.len().abs_diff(letters) > limit {
                continue;
            }
            let slips = slips(word.as_bytes(), candidate.as_bytes());
            let rank = (slips * 2 - usize::from(same && slips > 0), candidate.len().abs_diff(letters), *candidate);
            if slips <= limit && best.is_none_or(|best| rank < best) {
                best = Some(rank);
            }
        }
    }
    best.map(|(_, _, word)| word)
}

/// Consonants by sound, none twice in a row; a vowel at the start is kept as one sound.
fn skeleton(word: &str) -> String {
    let mut skeleton = String::new();
    let mut letters = word.chars().peekable();
    let mut first = true;
    while let Some(letter) = letters.next() {
        let sound = match letter {
            'p' if letters.peek() == Some(&'h') => 'f',
            'c' | 'q' => 'k',
            'z' => 's',
            'a' | 'e' | 'i' | 'o' | 'u' | 'y' if first => 'a',
            'a' | 'e' | 'i' | 'o' | 'u' | 'y' | 'h' | 'w' => ' ',
            other => other,
        };
        first = false;
        if sound != ' ' && !skeleton.ends_with(sound) {
            skeleton.push(sound);
        }
    }
    skeleton
}

/// The skeleton, and the skeleton less one letter in every way.
fn near(skeleton: &str) -> Vec<String> {
    let less = skeleton.char_indices().map(|(at, letter)| format!("{}{}", &skeleton[..at], &skeleton[at + letter.len_utf8()..]));
    std::iter::once(skeleton.to_owned()).chain(less.filter(|less| less.len() > 1)).collect()
}

/// Slips between two words: a letter more, less, other, or swapped with its neighbour.
fn slips(from: &[u8], to: &[u8]) -> usize {
    let mut before = vec![0; to.len() + 1];
    let mut above: Vec<usize> = (0..=to.len()).collect();
    for (row, letter) in from.iter().enumerate() {
        let mut here = vec![row + 1; to.len() + 1];
        for (column, other) in to.iter().enumerate() {
            let least = (above[column] + usize::from(letter != other)).min(above[column + 1] + 1).min(here[column] + 1);
            let swapped = row > 0 && column > 0 && *letter == to[column - 1] && from[row - 1] == *other;
            here[column + 1] = if swapped { least.min(before[column - 1] + 1) } else { least };
        }
        before = std::mem::replace(&mut above, here);
    }
    above[to.len()]
}
