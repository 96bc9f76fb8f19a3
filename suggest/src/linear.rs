//! The linear model with its rules: integer weights by feature, read from a text that a person can read too.

use std::collections::HashMap;
use std::fmt::{self, Write};

use crate::reading::Reading;
use crate::{KINDS, OTHER, Suggester, Suggestion, URGENCIES, rules};

/// Outputs of the model: the kinds, then the urgencies.
pub const OUTPUTS: usize = KINDS.len() + URGENCIES.len();
/// Least confidence, in percent, of a kind that is told; below it the answer is OTHER.

/// Confidence of the answer to a text that is not understood.
const REFUSED: i32 = 10;
/// Words told at most.
const WORDS: usize = 5;

#[derive(Default)]
pub struct Linear {
    /// Features by name: looked up, never walked while a text is read.
    features: HashMap<String, Feature>,
    bias: [i64; OUTPUTS],
    /// Margins, rising, and the confidence that each begins.
    steps: Vec<(i64, i32)>,
}

struct Feature {
    number: usize,
    weights: Vec<(usize, i64)>,
}

/// A text as weighed: a total for each output, and which word brought which feature with which value.
pub struct Weighed<'a> {
    pub totals: [i64; OUTPUTS],
    hits: Vec<(usize, i64, &'a Feature)>,
}

impl Suggester for Linear {
    fn suggest(&self, text: &str) -> Suggestion {
        let reading = Reading::of(text);
        if crate::knob("REFUSE", 1) == 1 && self.refuses(&reading) {
            return Suggestion { kind: KINDS[OTHER], urgency: URGENCIES[1], confidence: REFUSED, words: Vec::new() };
        }
        let weighed = self.weigh(&reading);
        let urgency = URGENCIES[rules::urgency(&reading, best(&weighed.totals[KINDS.len()..]).0)];
        let (kind, margin) = best(&weighed.totals[..KINDS.len()]);
        let confidence = self.confidence(margin);
        if confidence < crate::knob("TOLD", 31) {
            return Suggestion { kind: KINDS[OTHER], urgency, confidence, words: Vec::new() };
        }
        Suggestion { kind: KINDS[kind], urgency, confidence, words: weighed.words(&reading, kind) }
    }
}

impl Linear {
    pub fn new(rows: Vec<(String, Vec<(usize, i64)>)>, bias: [i64; OUTPUTS]) -> Self {
        let features = rows.into_iter().enumerate();
        let features = features.map(|(number, (name, weights))| (name, Feature { number, weights })).collect();
        Self { features, bias, steps: Vec::new() }
    }

    pub fn with_steps(self, steps: Vec<(i64, i32)>) -> Self {
        Self { steps, ..self }
    }

    pub fn weigh(&self, reading: &Reading) -> Weighed<'_> {
        let mut totals = [0; OUTPUTS];
        let mut hits = Vec::new();
        let mut counted = vec![0; self.features.len()];
        let mut square = 0;
        reading.features(|name, value, word| {
            let value = i64::from(value);
            if !name.starts_with('!') {
                square += value * value;
            }
            let Some(feature) = self.features.get(name) else { return };
            hits.push((word, value, feature));
            // A feature that comes again counts once, at its highest value.
            let more = value - counted[feature.number];
            if more > 0 {
                counted[feature.number] = value;
                for (output, weight) in &feature.weights {
                    totals[*output] += more * weight;
                }
            }
        });
        let length = (square << 20_u32).isqrt().max(1);
        for (total, bias) in totals.iter_mut().zip(self.bias) {
            *total = (*total << 10_u32) / length + bias;
        }
        Weighed { totals, hits }
    }

    /// Refuses a text without words, in another language, of noise, of code, or with orders to a machine.
    fn refuses(&self, reading: &Reading) -> bool {
        let (mut known, mut foreign, mut everyday) = (0, 0, 0);
        for word in reading.padded() {
            everyday += usize::from(rules::everyday(word));
            foreign += usize::from(rules::foreign(word));
            known += usize::from(self.features.contains_key(word) || rules::everyday(word));
        }
        known == 0 || known * 2 < reading.len() || foreign > everyday || reading.symbols > reading.len() || reading.orders()
    }

    pub fn confidence(&self, margin: i64) -> i32 {
        self.steps.iter().rev().find(|(from, _)| *from <= margin).map_or(0, |(_, percent)| *percent)
    }

    /// Reads weights as [`Linear`] displays them.
    pub fn read(text: &str) -> Result<Self, String> {
        let mut linear = Self::default();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let pairs = |pairs: &str| -> Option<Vec<(usize, i64)>> {
                pairs
                    .split(' ')
                    .map(|pair| pair.split_once(':').and_then(|(name, weight)| Some((output(name)?, weight.parse().ok()?))))
                    .collect()
            };
            let row = line.split_once('\t').and_then(|(name, rest)| match name {
                "=confidence" => {
                    let steps = rest.split(' ').map(|step| step.split_once(':'));
                    linear.steps =
                        steps.map(|step| Some((step?.0.parse().ok()?, step?.1.parse().ok()?))).collect::<Option<_>>()?;
                    Some(())
                }
                "=bias" => {
                    pairs(rest)?.into_iter().for_each(|(output, weight)| linear.bias[output] = weight);
                    Some(())
                }
                _ => {
                    let feature = Feature { number: linear.features.len(), weights: pairs(rest)? };
                    linear.features.insert(name.to_owned(), feature).is_none().then_some(())
                }
            });
            row.ok_or_else(|| format!("no weights: {line}"))?;
        }
        Ok(linear)
    }
}

impl fmt::Display for Linear {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "# Weights of the suggester, written by `make train`; the reading of a text is told in reading.rs.")?;
        let steps: Vec<String> = self.steps.iter().map(|(from, percent)| format!("{from}:{percent}")).collect();
        writeln!(f, "=confidence\t{}", steps.join(" "))?;
        writeln!(f, "=bias\t{}", pairs(self.bias.iter().copied().enumerate()))?;
        let mut rows: Vec<_> = self.features.iter().collect();
        rows.sort_unstable_by_key(|(name, _)| *name);
        rows.into_iter().try_for_each(|(name, feature)| writeln!(f, "{name}\t{}", pairs(feature.weights.iter().copied())))
    }
}

impl Weighed<'_> {
    /// Words that speak for the kind, the weightiest first.
    fn words(&self, reading: &Reading, kind: usize) -> Vec<String> {
        let mut weights = vec![0; reading.len()];
        for (word, value, feature) in &self.hits {
            for (_, weight) in feature.weights.iter().filter(|(output, _)| *output == kind) {
                weights[*word] += value * weight;
            }
        }
        let mut order: Vec<usize> = (0..weights.len()).filter(|word| weights[*word] > 0 && !reading.is_everyday(*word)).collect();
        order.sort_by_key(|word| (-weights[*word], *word));
        let mut words = Vec::new();
        for word in order.into_iter().map(|word| reading.typed(word)) {
            if words.len() < WORDS && !words.contains(&word) {
                words.push(word);
            }
        }
        words
    }
}

/// The highest of the totals, the first of equals, and its margin over the second.
pub fn best(totals: &[i64]) -> (usize, i64) {
    let (mut first, mut second) = ((0, i64::MIN), i64::MIN);
    for (output, total) in totals.iter().copied().enumerate() {
        if total > first.1 {
            second = first.1;
            first = (output, total);
        } else {
            second = second.max(total);
        }
    }
    (first.0, first.1.saturating_sub(second))
}

fn output(name: &str) -> Option<usize> {
    KINDS.iter().chain(&URGENCIES).position(|known| *known == name)
}

fn pairs(weights: impl Iterator<Item = (usize, i64)>) -> String {
    let mut text = String::new();
    for (output, weight) in weights {
        let name = KINDS.iter().chain(&URGENCIES).nth(output).unwrap_or(&"");
        let gap = if text.is_empty() { "" } else { " " };
        write!(text, "{gap}{name}:{weight}").expect("a string takes every text");
    }
    text
}
