//! The reading of a text: its words, how much each counts, and the features that a model weighs.
//!
//! A feature of words is a slice of one line, `_the_roof_leaks_`: a word `_roof_`, a pair `_roof_leaks_`, a piece `oof`.
//! A feature of rules is the name of a group of cues, `!leaking`. A text that sets words aside ("not the roof") takes them
//! out; a second wish ("and could you also …") counts for less.

use std::ops::Range;

use crate::rules::{self, Phrase};
use crate::spelling::{self, Spelt};

/// Characters of a text that are read; the rest is ignored.
const READ: usize = 2_000;
/// Letters of a word that have pieces.
const LONGEST: usize = 24;
/// Unknown words whose spelling is corrected; a text with more of them is hardly language.
const CORRECTED: usize = 30;
/// Words that one denial reaches over.
const REACH: usize = 6;
/// Words before which no second wish begins.
const FIRST: usize = 3;

/// Counts of a word: in full, as part of a second wish, or set aside.
const FULL: i32 = 4;
const SECOND: i32 = 1;
const ASIDE: i32 = 0;

/// Values of the features of a word that counts 1.
const WORD: i32 = 4;
const PAIR: i32 = 3;
const PIECE: i32 = 2;
const CUE: i32 = 6;
/// Highest count of one group of cues.
const MOST: i32 = 3 * FULL;
/// Cues of time and danger count in full wherever they stand.
const WHEN: [&str; 4] = ["!danger", "!now", "!soon", "!calm"];

struct Word {
    /// Place of the letters in the line, their spelling corrected.
    letters: Range<usize>,
    /// Place of the word in the text as typed.
    typed: Range<usize>,
    phrases: Vec<&'static Phrase>,
    counts: i32,
    /// Whether the word is known, as typed or corrected.
    known: bool,
    /// Whether a clause ends after the word.
    ends: bool,
}

pub struct Reading<'a> {
    text: &'a str,
    line: String,
    words: Vec<Word>,
    /// Words that are not known as typed.
    unknown: usize,
    /// Characters that are neither letters, digits, blanks nor everyday punctuation.
    pub symbols: usize,
}

impl<'a> Reading<'a> {
    pub fn of(text: &'a str) -> Self {
        let mut reading = Self { text, line: "_".to_owned(), words: Vec::new(), unknown: 0, symbols: 0 };
        let mut open = false;
        for (at, character) in text.char_indices().take(READ) {
            match character {
                _ if character.is_alphanumeric() => {
                    reading.letter(at, character, open);
                    open = true;
                }
                // Apostrophes part no word: "don't" is read as "dont".
                '\'' | '’' if open => {}
                _ => {
                    reading.close(open);
                    reading.mark(character);
                    open = false;
                }
            }
        }
        reading.close(open);
        for at in 0..reading.words.len() {
            reading.words[at].phrases = rules::phrases(&reading.line[reading.words[at].letters.start..]);
        }
        reading.count();
        reading
    }

    fn letter(&mut self, at: usize, character: char, open: bool) {
        if !open {
            let start = self.line.len();
            let (letters, phrases) = (start..start, Vec::new());
            self.words.push(Word { letters, typed: at..at, phrases, counts: FULL, known: true, ends: false });
        }
        self.line.extend(character.to_lowercase());
        if let Some(word) = self.words.last_mut() {
            word.letters.end = self.line.len();
            word.typed.end = at + character.len_utf8();
        }
    }

    /// The end of a word: its spelling is corrected, and every digit reads as 0.
    fn close(&mut self, open: bool) {
        let Some(word) = self.words.last_mut().filter(|_| open) else { return };
        let typed = &self.line[word.letters.clone()];
        let plain = match spelling::spelt(typed, self.unknown < CORRECTED) {
            Spelt::For(meant) => meant.to_owned(),
            Spelt::Right => typed.replace(|letter: char| letter.is_ascii_digit(), "0"),
            Spelt::Unknown => {
                word.known = false;
                typed.replace(|letter: char| letter.is_ascii_digit(), "0")
            }
        };
        self.unknown += usize::from(!word.known);
        self.line.replace_range(word.letters.clone(), &plain);
        word.letters.end = self.line.len();
        self.line.push('_');
    }

    fn mark(&mut self, character: char) {
        if let Some(word) = self.words.last_mut() {
            word.ends |= ".,;:!?\n()—–".contains(character);
        }
        let everyday = character.is_whitespace() || ".,;:!?'\"’“”()-–—/&$£€%#+@…*".contains(character);
        self.symbols += usize::from(!everyday);
    }

    fn count(&mut self) {
        let mut counts = FULL;
        for at in 0..self.words.len() {
            if at >= FIRST && self.listed(at, "=second").is_some() {
                counts = SECOND;
            }
            self.words[at].counts = counts;
        }
        for at in 0..self.words.len() {
            if let Some(denial) = self.listed(at, "=denial") {
                self.set_aside_after((at + denial).min(self.words.len()));
            }
            if self.listed(at, "=dismissal").is_some() {
                let before = self.words[..at].iter_mut().rev().take(REACH);
                before.take_while(|word| !word.ends).for_each(|word| word.counts = ASIDE);
            }
        }
    }

    /// Words from here on are set aside, to the end of the clause or to a word that returns to the wish.
    fn set_aside_after(&mut self, from: usize) {
        for at in from..(from + REACH).min(self.words.len()) {
            if self.words[at - 1].ends || self.listed(at, "=return").is_some() {
                return;
            }
            self.words[at].counts = ASIDE;
        }
    }

    /// Words of the phrase of this list that begins here.
    fn listed(&self, at: usize, list: &str) -> Option<usize> {
        let mut phrases = self.words[at].phrases.iter();
        phrases.find(|phrase| rules::groups()[phrase.group] == list).map(|phrase| phrase.words)
    }

    pub fn len(&self) -> usize {
        self.words.len()
    }

    /// Words in their padding, `_roof_`.
    pub fn padded(&self, at: usize) -> &str {
        let letters = &self.words[at].letters;
        &self.line[letters.start - 1..letters.end + 1]
    }

    pub fn is(&self, at: usize, list: &str) -> bool {
        self.listed(at, list).is_some()
    }

    /// Words as typed, in lower case.
    pub fn typed(&self, at: usize) -> String {
        self.text[self.words[at].typed.clone()].to_lowercase()
    }

    /// Numbers of the cues that count.
    pub fn cues(&self) -> impl Iterator<Item = usize> {
        let words = self.words.iter().filter(|word| word.counts > ASIDE);
        words.flat_map(|word| &word.phrases).map(|phrase| phrase.number)
    }

    /// Whether a phrase of this list stands in what counts.
    pub fn has(&self, list: &str) -> bool {
        (0..self.words.len()).any(|at| self.words[at].counts > ASIDE && self.is(at, list))
    }

    /// Count of the known words.
    pub fn known(&self) -> usize {
        self.words.iter().filter(|word| word.known).count()
    }

    /// Features with their values and words; one may come again, and of cues only those heeded come. The answer is the length
    /// of the text as a vector, squared, its cues left out.
    pub fn features(&self, heeds: impl Fn(usize) -> bool, mut take: impl FnMut(&str, i32, usize)) -> i64 {
        let mut square = 0;
        let mut part = |name: &str, value: i32, at| {
            square += i64::from(value) * i64::from(value);
            take(name, value, at);
        };
        for at in (0..self.words.len()).filter(|at| self.words[*at].counts > ASIDE) {
            let (word, padded) = (&self.words[at], self.padded(at));
            part(padded, WORD * word.counts, at);
            if let Some(next) = self.words.get(at + 1).filter(|next| !word.ends && next.counts > ASIDE) {
                part(&self.line[word.letters.start - 1..next.letters.end + 1], PAIR * word.counts.min(next.counts), at);
            }
            let starts = padded.char_indices().map(|(start, _)| start).chain([padded.len()]);
            let starts: Vec<usize> = starts.take(LONGEST + 3).collect();
            for from in 0..starts.len() {
                for to in from + 2..(from + 5).min(starts.len()) {
                    part(&padded[starts[from]..starts[to]], PIECE * word.counts, at);
                }
            }
        }
        self.groups(heeds, take);
        square
    }

    /// Groups of cues. One that is found again has the value of all its findings, up to a limit.
    fn groups(&self, heeds: impl Fn(usize) -> bool, mut take: impl FnMut(&str, i32, usize)) {
        let groups = rules::groups();
        let (mut counts, mut last) = (vec![0; groups.len()], vec![usize::MAX; groups.len()]);
        for (at, word) in self.words.iter().enumerate().filter(|(_, word)| word.counts > ASIDE) {
            for phrase in word.phrases.iter().filter(|phrase| groups[phrase.group].starts_with('!') && heeds(phrase.number)) {
                if last[phrase.group] == at {
                    continue;
                }
                last[phrase.group] = at;
                let more = if WHEN.contains(&groups[phrase.group]) { FULL } else { word.counts };
                counts[phrase.group] = (counts[phrase.group] + more).min(MOST);
                let told = (at..(at + phrase.words).min(self.words.len())).find(|at| !self.is(*at, "=everyday"));
                take(groups[phrase.group], CUE * counts[phrase.group], told.unwrap_or(at));
            }
        }
    }
}
