//! The linear model with its rules: whole-number weights by feature, in a file that a person can read too.

use std::collections::{BTreeSet, HashMap};
use std::fmt;

use crate::reading::Reading;
use crate::{KINDS, OTHER, Suggester, Suggestion, URGENCIES};

/// Outputs of the model, as the weights name them: the kinds, then the urgencies.
pub const OUTPUTS: [&str; 18] =
    ["RE", "MA", "IM", "IN", "AA", "AN", "BI", "TA", "IU", "TE", "TR", "DO", "AC", "OT", "lo", "no", "hi", "ur"];
const LEGEND: &str = "\
# Weights of the suggester, written by `make train`. A row is a feature (a word _roof_, a pair _roof_leaks_, a piece oof, a group
# of cues !leaking) and its weight for each output: RE repair, MA maintenance, IM improvement, IN inspection, AA association's
# approval, AN association's notice, BI bill, TA tax, IU insurance, TE tenancy, TR transaction, DO document, AC access, OT other;
# lo low, no normal, hi high, ur urgent.
# =confidence: margins of the best kind over the next, and the percent of right answers from each margin on.";

/// Least confidence, in percent, of a kind that is told; below it the answer is OTHER.
const TOLD: i32 = 25;
/// Confidence of the answer to a text that is not understood.
const REFUSED: i32 = 10;
/// Words told at most.
const WORDS: usize = 5;
/// Repeats of its words that make a text noise.
const REPEATS: usize = 10;

#[derive(Default)]
pub struct Linear {
    /// Features by name: looked up, never walked while a text is read.
    features: HashMap<String, Feature>,
    bias: [i64; OUTPUTS.len()],
    /// Margins, rising, and the confidence that begins at each.
    steps: Vec<(i64, i32)>,
}

struct Feature {
    number: usize,
    weights: Vec<(usize, i64)>,
}

/// A text as weighed: a total for each output, and which feature each word brought with which value.
pub struct Weighed<'a> {
    totals: [i64; OUTPUTS.len()],
    hits: Vec<(usize, i64, &'a Feature)>,
}

impl Suggester for Linear {
    fn suggest(&self, text: &str) -> Suggestion {
        self.suggest_heeding(text, |_| true)
    }
}

impl Linear {
    pub fn new(rows: impl Iterator<Item = (String, Vec<(usize, i64)>)>, bias: [i64; OUTPUTS.len()]) -> Self {
        let features = rows.enumerate().map(|(number, (name, weights))| (name, Feature { number, weights })).collect();
        Self { features, bias, steps: Vec::new() }
    }

    pub fn with_steps(self, steps: Vec<(i64, i32)>) -> Self {
        Self { steps, ..self }
    }

    /// The suggestion from the cues heeded alone.
    pub fn suggest_heeding(&self, text: &str, heeds: impl Fn(usize) -> bool) -> Suggestion {
        let reading = Reading::of(text);
        if refuses(&reading) {
            return Suggestion { kind: KINDS[OTHER], urgency: URGENCIES[1], confidence: REFUSED, words: Vec::new() };
        }
        let weighed = self.weigh(&reading, heeds);
        let (kind, margin) = weighed.kind();
        let confidence = self.steps.iter().rev().find(|(from, _)| *from <= margin).map_or(0, |(_, percent)| *percent);
        let told = confidence >= TOLD;
        Suggestion {
            kind: KINDS[if told { kind } else { OTHER }],
            // Present danger leaves no choice to the weights.
            urgency: URGENCIES[if reading.has("=danger") { 3 } else { best(&weighed.totals[KINDS.len()..]).0 }],
            confidence,
            words: if told { weighed.words(&reading, kind) } else { Vec::new() },
        }
    }

    pub fn weigh(&self, reading: &Reading, heeds: impl Fn(usize) -> bool) -> Weighed<'_> {
        let mut weighed = Weighed { totals: [0; OUTPUTS.len()], hits: Vec::new() };
        let mut counted = vec![0; self.features.len()];
        let square = reading.features(heeds, |name, value, word| {
            let Some(feature) = self.features.get(name) else { return };
            let value = i64::from(value);
            weighed.hits.push((word, value, feature));
            // A feature that comes again counts once, at its highest value.
            let more = value - counted[feature.number];
            if more > 0 {
                counted[feature.number] = value;
                feature.weights.iter().for_each(|(output, weight)| weighed.totals[*output] += more * weight);
            }
        });
        let length = (square << 20_u32).isqrt().max(1);
        for (total, bias) in weighed.totals.iter_mut().zip(self.bias) {
            *total = (*total << 10_u32) / length + bias;
        }
        weighed
    }

    /// Weights from a text that [`Linear`] displayed.
    pub fn read(text: &str) -> Result<Self, String> {
        let mut linear = Self::default();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            linear.read_row(line).ok_or_else(|| format!("no weights: {line}"))?;
        }
        Ok(linear)
    }

    fn read_row(&mut self, line: &str) -> Option<()> {
        let (name, rest) = line.split_once('\t')?;
        let pairs = rest.split(' ').map(|pair| pair.split_once(':'));
        if name == "=confidence" {
            self.steps = pairs.map(|pair| Some((pair?.0.parse().ok()?, pair?.1.parse().ok()?))).collect::<Option<_>>()?;
            return Some(());
        }
        let output = |name| OUTPUTS.iter().position(|output| *output == name);
        let weights = pairs.map(|pair| Some((output(pair?.0)?, pair?.1.parse().ok()?))).collect::<Option<Vec<_>>>()?;
        if name == "=bias" {
            weights.into_iter().for_each(|(output, weight)| self.bias[output] = weight);
            return Some(());
        }
        let feature = Feature { number: self.features.len(), weights };
        self.features.insert(name.to_owned(), feature).is_none().then_some(())
    }
}

impl fmt::Display for Linear {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pairs = |weights: &[(usize, i64)]| -> String {
            let pairs: Vec<String> = weights.iter().map(|(output, weight)| format!("{}:{weight}", OUTPUTS[*output])).collect();
            pairs.join(" ")
        };
        let steps: Vec<String> = self.steps.iter().map(|(from, percent)| format!("{from}:{percent}")).collect();
        let bias: Vec<(usize, i64)> = self.bias.into_iter().enumerate().collect();
        writeln!(f, "{LEGEND}\n=confidence\t{}\n=bias\t{}", steps.join(" "), pairs(&bias))?;
        let mut rows: Vec<_> = self.features.iter().collect();
        rows.sort_unstable_by_key(|(name, _)| *name);
        rows.into_iter().try_for_each(|(name, feature)| writeln!(f, "{name}\t{}", pairs(&feature.weights)))
    }
}

impl Weighed<'_> {
    /// The best kind and its margin over the next.
    pub fn kind(&self) -> (usize, i64) {
        best(&self.totals[..KINDS.len()])
    }

    /// Words that speak for the kind, the weightiest first.
    fn words(&self, reading: &Reading, kind: usize) -> Vec<String> {
        let mut weights = vec![0; reading.len()];
        for (word, value, feature) in &self.hits {
            let weight = feature.weights.iter().find(|(output, _)| *output == kind);
            weights[*word] += weight.map_or(0, |(_, weight)| value * weight);
        }
        let mut order: Vec<usize> = (0..weights.len()).filter(|at| weights[*at] > 0 && !reading.is(*at, "=everyday")).collect();
        order.sort_by_key(|at| -weights[*at]);
        let mut words = Vec::new();
        for word in order.into_iter().map(|at| reading.typed(at)) {
            // Letters beyond English may have another lower case inside a text than alone.
            let english = word.chars().all(|letter| letter.is_ascii() || letter == '’');
            if english && words.len() < WORDS && !words.contains(&word) {
                words.push(word);
            }
        }
        words
    }
}

/// Texts refused: without words, in another language, of noise, of code, or with orders to a machine.
fn refuses(reading: &Reading) -> bool {
    let all = || 0..reading.len();
    let count = |list| all().filter(|at| reading.is(*at, list)).count();
    let distinct = all().map(|at| reading.padded(at)).collect::<BTreeSet<_>>().len();
    let foreign = count("=foreign") > count("=everyday") || reading.known() * 2 < reading.len();
    reading.known() == 0
        || foreign
        || distinct * REPEATS < reading.len()
        || reading.symbols > reading.len()
        || reading.has("=order")
}

/// The highest of the totals, the first of equals, and its margin over the next.
fn best(totals: &[i64]) -> (usize, i64) {
    let highest = totals.iter().copied().max().unwrap_or(0);
    let at = totals.iter().position(|total| *total == highest).unwrap_or(0);
    let next = totals.iter().enumerate().filter(|(other, _)| *other != at).map(|(_, total)| *total).max();
    (at, highest - next.unwrap_or(highest))
}
