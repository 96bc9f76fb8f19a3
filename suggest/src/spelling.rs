//! Spelling: the word that a misspelt word stands for.
//!
//! Known are the words of `words.txt` and of `cues.txt`. An unknown word stands for a known one of the same skeleton (its
//! consonants by sound) and nearly the same letters, or for one a slip or two away.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::LazyLock;

use crate::rules;

/// Letters of the longest word that only a shorthand corrects, and of the longest that is corrected at all.
const SHORT: usize = 3;
const LONG: usize = 20;

struct Known {
    words: HashSet<&'static str>,
    /// Shorthands and their words: `pls=please`.
    shorthands: HashMap<&'static str, &'static str>,
    /// Words by their skeleton, whole or less one letter, and whether the skeleton is whole.
    skeletons: HashMap<String, Vec<(&'static str, bool)>>,
}

static KNOWN: LazyLock<Known> = LazyLock::new(|| {
    let listed = include_str!("../words.txt").lines().filter(|line| !line.starts_with('#')).flat_map(str::split_whitespace);
    let (shorthands, words): (Vec<_>, Vec<_>) = listed.partition(|word| word.contains('='));
    let words: BTreeSet<&str> = words.into_iter().chain(rules::words()).collect();
    let mut skeletons: HashMap<String, Vec<(&str, bool)>> = HashMap::new();
    for word in words.iter().filter(|word| word.len() > SHORT) {
        for (at, near) in near(&skeleton(word)).into_iter().enumerate() {
            skeletons.entry(near).or_default().push((word, at == 0));
        }
    }
    let shorthands = shorthands.into_iter().filter_map(|word| word.split_once('=')).collect();
    Known { words: words.into_iter().collect(), shorthands, skeletons }
});

/// Endings of words, and the endings of the known words that they come from.
const ENDINGS: [(&str, &str); 9] =
    [("s", ""), ("es", ""), ("ies", "y"), ("ed", ""), ("ed", "e"), ("ing", ""), ("ing", "e"), ("ly", ""), ("er", "")];

pub enum Spelt {
    Right,
    For(&'static str),
    Unknown,
}

/// The spelling of a word. Corrections cost time, and are made only if wanted.
pub fn spelt(word: &str, correct: bool) -> Spelt {
    if let Some(long) = KNOWN.shorthands.get(word) {
        return Spelt::For(long);
    }
    let known = |word: &str| KNOWN.words.contains(word);
    let stem = |(end, back): &(&str, &str)| word.strip_suffix(end).is_some_and(|stem| known(&format!("{stem}{back}")));
    if known(word) || ENDINGS.iter().any(stem) {
        return Spelt::Right;
    }
    if !correct || !(SHORT + 1..=LONG).contains(&word.len()) || !word.is_ascii() {
        return Spelt::Unknown;
    }
    nearest(word).map_or(Spelt::Unknown, Spelt::For)
}

/// The known word that an unknown one stands for, if one is near.
fn nearest(word: &str) -> Option<&'static str> {
    let near = near(&skeleton(word)).into_iter().enumerate();
    let known = near.filter_map(|(at, near)| Some((at == 0, KNOWN.skeletons.get(&near)?)));
    let candidates =
        known.flat_map(|(own, candidates)| candidates.iter().map(move |(candidate, whole)| (*candidate, own && *whole)));
    let ranked = candidates.filter_map(|(candidate, same)| {
        let limit = match (same, word.len()) {
            (true, ..6) => 2,
            (true, _) => 3,
            (false, ..7) => 1,
            (false, _) => 2,
        };
        let longer = candidate.len().abs_diff(word.len());
        let slips = if longer <= limit { slips(word.as_bytes(), candidate.as_bytes()) } else { longer };
        (slips <= limit).then_some((slips * 2 - usize::from(same), longer, candidate))
    });
    ranked.min().map(|(_, _, word)| word)
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
            'a' | 'e' | 'i' | 'o' | 'u' | 'y' | 'h' | 'w' => continue,
            other => other,
        };
        first = false;
        if !skeleton.ends_with(sound) {
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
