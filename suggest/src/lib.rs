//! Suggestions: the kind and the urgency of a property owner's free text, with a confidence. A person decides afterwards.
//!
//! One implementation, [`Linear`]: a linear model over words, pieces of words and groups of cues. Three committed texts that a
//! person can read and change carry its knowledge: `cues.txt` (phrases by hand), `words.txt` (spelling) and `weights.txt`.
//!
//! `make train` (`suggest train`) writes the weights from `data/train.tsv` and `data/more.tsv`, which cross validation measures
//! too, and from `data/own.tsv`, texts of our own; byte for byte the same on every machine. `make evaluate` (`suggest evaluate`)
//! prints the figures on `data/held.tsv`, which nobody who writes cues or texts may read. After a change: train, then test.
//!
//! Absent on purpose: the network, the clock, chance, threads, and floating point when a text is read.

mod learn;
mod linear;
mod measure;
mod reading;
mod rules;
mod spelling;
#[cfg(test)]
mod tests;

pub use learn::{Example, examples, train};
pub use linear::Linear;
pub use measure::{Figures, figures};

use std::sync::LazyLock;

pub const KINDS: [&str; 14] = [
    "REPAIR",
    "MAINTENANCE",
    "IMPROVEMENT",
    "INSPECTION",
    "ASSOCIATION_APPROVAL",
    "ASSOCIATION_NOTICE",
    "BILL",
    "TAX",
    "INSURANCE",
    "TENANCY",
    "TRANSACTION",
    "DOCUMENT",
    "ACCESS",
    "OTHER",
];
/// The kind of everything that fits no other, and of every text that is not understood.
pub const OTHER: usize = KINDS.len() - 1;
pub const URGENCIES: [&str; 4] = ["LOW", "NORMAL", "HIGH", "URGENT"];

pub trait Suggester: Send + Sync {
    fn suggest(&self, text: &str) -> Suggestion;
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suggestion {
    pub kind: &'static str,
    pub urgency: &'static str,
    /// Percent: of the suggestions that say 80, some 80 in a hundred are right.
    pub confidence: i32,
    /// Words of the text that led to the kind, the weightiest first: as typed, in lower case, five at most.
    pub words: Vec<String>,
}

/// The suggester with the committed weights.
pub fn ours() -> &'static Linear {
    static OURS: LazyLock<Linear> =
        LazyLock::new(|| Linear::read(include_str!("../weights.txt")).expect("the committed weights are whole"));
    &OURS
}
