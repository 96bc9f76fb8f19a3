//! The reading of a text: its words, the parts of it that are set aside, and the features that a model weighs.
//!
//! Every feature of words is a slice of one line, `_the_roof_leaks_`: a word `_roof_`, a pair `_roof_leaks_`,
//! a piece `roo`. A feature of rules is the name of a cue, `!danger`.

use std::ops::Range;

use crate::{knob, rules, spelling};

/// Characters of a text that are read; the rest is ignored.
const READ: usize = 2_000;
/// Letters of the longest word that has pieces.
const LONGEST: usize = 24;
/// Words that one denial reaches over.
const REACH: usize = 6;

/// How much a word counts: in full, or next to nothing when the text sets the word aside ("not the roof").
pub const FULL: i32 = 4;

pub struct Word {
    /// Place of the letters in the line.
    letters: Range<usize>,
    /// Place of the word in the text as typed.
    typed: Range<usize>,
    counts: i32,
    /// A clause ends after this word.
    ends: bool,
}

pub struct Reading<'a> {
    text: &'a str,
    line: String,
    words: Vec<Word>,
    /// Characters that are neither letters, digits, blanks nor everyday punctuation.
    pub symbols: usize,
}

impl<'a> Reading<'a> {
    pub fn of(text: &'a str) -> Self {
        let mut reading = Self { text, line: "_".to_owned(), words: Vec::new(), symbols: 0 };
        let mut open = false;
        for (at, character) in text.char_indices().take(READ) {
            if character.is_alphanumeric() {
                reading.letter(at, character, open);
                open = true;
            } else if open && matches!(character, '\'' | '’' | '\u{0300}'..='\u{036f}') {
                // An apostrophe parts no word: "don't" is read as "dont".
            } else {
                reading.close(open);
                open = false;
                reading.mark(character);
            }
        }
        reading.close(open);
        reading.set_aside();
        reading
    }

    fn letter(&mut self, at: usize, character: char, open: bool) {
        if !open {
            let start = self.line.len();
            self.words.push(Word { letters: start..start, typed: at..at, counts: FULL, ends: false });
        }
        self.line.extend(character.to_lowercase());
        if let Some(word) = self.words.last_mut() {
            word.letters.end = self.line.len();
            word.typed.end = at + character.len_utf8();
        }
    }

    /// Closes a word: its spelling is corrected, and every digit counts as a nought.
    fn close(&mut self, open: bool) {
        if let Some(word) = self.words.last_mut().filter(|_| open) {
            let plain = match spelling::corrected(&self.line[word.letters.clone()]) {
                Some(corrected) => corrected.to_owned(),
                None => self.line[word.letters.clone()].replace(|letter: char| letter.is_ascii_digit(), "0"),
            };
            self.line.replace_range(word.letters.clone(), &plain);
            word.letters.end = self.line.len();
            self.line.push('_');
        }
    }

    fn mark(&mut self, character: char) {
        if matches!(character, '.' | ',' | ';' | ':' | '!' | '?' | '\n' | '(' | ')' | '—' | '–')
            && let Some(word) = self.words.last_mut()
        {
            word.ends = true;
        }
        let everyday = character.is_whitespace() || ".,;:!?'\"’“”()-–—/&$£€%#+@…*".contains(character);
        self.symbols += usize::from(!everyday);
    }

    /// Sets aside the words that a denial reaches: forward ("not about the roof") or back ("the roof is fine").
    fn set_aside(&mut self) {
        for at in 0..self.words.len() {
            if let Some(length) = self.denies(at, rules::DENIALS) {
                let mut reach = at + length..(at + length + REACH).min(self.words.len());
                // The denial itself may end its clause, and then reaches nothing.
                if self.words[at..at + length].iter().any(|word| word.ends) {
                    continue;
                }
                for next in reach.by_ref() {
                    if self.denies(next, rules::RETURNS).is_some() {
                        break;
                    }
                    self.words[next].counts = knob("ASIDE", 0);
                    if self.words[next].ends {
                        break;
                    }
                }
            }
            if self.denies(at, rules::DISMISSALS).is_some() {
                for word in self.words[..at].iter_mut().rev().take(REACH).take_while(|word| !word.ends) {
                    word.counts = knob("ASIDE", 0);
                }
            }
        }
    }

    /// Words of the phrase, one of these, that stands here.
    fn denies(&self, at: usize, phrases: &[&str]) -> Option<usize> {
        let here = &self.line[self.words[at].letters.start - 1..];
        phrases.iter().find(|phrase| here.starts_with(**phrase)).map(|phrase| phrase.matches('_').count() - 1)
    }

    /// Words as typed, in lower case.
    pub fn typed(&self, word: usize) -> String {
        self.text[self.words[word].typed.clone()].to_lowercase()
    }

    pub fn len(&self) -> usize {
        self.words.len()
    }

    /// Words in their padding, `_roof_`.
    pub fn padded(&self) -> impl Iterator<Item = &str> {
        self.words.iter().map(|word| &self.line[word.letters.start - 1..word.letters.end + 1])
    }

    pub fn is_everyday(&self, word: usize) -> bool {
        self.padded().nth(word).is_some_and(rules::everyday)
    }

    pub fn line(&self) -> &str {
        &self.line
    }

    pub fn orders(&self) -> bool {
        rules::orders(&self.line)
    }

    /// Every feature with its value and the word that it begins with. One feature may come again.
    pub fn features(&self, mut take: impl FnMut(&str, i32, usize)) {
        let names: Vec<&str> = rules::groups().collect();
        let (mut counts, mut last) = (vec![0; names.len()], vec![usize::MAX; names.len()]);
        for (at, word) in self.words.iter().enumerate() {
            let here = &self.line[word.letters.start - 1..];
            rules::cues(here, |group| {
                if last[group] != at {
                    last[group] = at;
                    counts[group] = (counts[group] + word.counts).min(knob("MOST", 3) * FULL);
                    take(&format!("!{}", names[group]), knob("CUE", 6) * counts[group], at);
                }
            });
            let padded = &here[..word.letters.len() + 2];
            take(padded, knob("WORD", 4) * word.counts, at);
            if let Some(next) = self.words.get(at + 1).filter(|_| !word.ends) {
                take(&here[..next.letters.end + 2 - word.letters.start], knob("PAIR", 3) * word.counts.min(next.counts), at);
            }
            let mut starts = [0; LONGEST + 3];
            let mut count = 0;
            for (place, start) in starts.iter_mut().zip(padded.char_indices().map(|(start, _)| start).chain([padded.len()])) {
                *place = start;
                count += 1;
            }
            for from in 0..count {
                for to in (from + 2..=from + 4).take_while(|to| *to < count) {
                    take(&padded[starts[from]..starts[to]], knob("PIECE", 2) * word.counts, at);
                }
            }
        }
        for first in 0..names.len() {
            for second in first + 1..names.len() {
                let value = counts[first].min(counts[second]);
                if value > 0 {
                    take(&format!("!{}+{}", names[first], names[second]), knob("BOTH", 2) * value.min(FULL), 0);
                }
            }
        }
    }
}
