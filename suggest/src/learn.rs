//! Training: a linear support vector machine for each output, by dual coordinate descent.
//!
//! Bytes are the same on every machine: one thread, ordered maps, an own generator for the order of the examples, and of floating
//! point only `+ - * /` and square roots, which IEEE 754 rounds exactly; no logarithm and no exponential.

use std::collections::{BTreeMap, BTreeSet};

use crate::linear::{Linear, OUTPUTS};
use crate::reading::Reading;
use crate::{KINDS, Suggestion, URGENCIES};

const FOLDS: usize = 5;
const ROUNDS: usize = 6;
/// Cost of a wrong side: the higher, the closer the model follows its examples.
const COST: f64 = 0.2;
/// Examples that a word, a pair or a cue needs to be kept, and a piece.
const SEEN: usize = 2;
const SEEN_PIECE: usize = 20;
/// Scale of the whole-number weights.
const SCALE: f64 = 20.0;
/// Least effect of a weight, value times weight, that is kept to learn again, and that is written in the end.
const KEPT: i64 = 11;
const LEAST: i64 = 5;
/// Handicap of NORMAL, the commonest urgency: to miss a higher one costs more than to tell it in vain.
const HANDICAP: i64 = 12;
/// Examples in one step of the confidence.
const STEP: usize = 40;

pub struct Example {
    pub kind: usize,
    pub urgency: usize,
    /// Sort of difficulty, or `-`.
    pub hard: String,
    pub text: String,
}

/// Examples from lines of kind, urgency, difficulty and text, parted by tabs.
pub fn examples(lines: &str) -> Result<Vec<Example>, String> {
    let example = |line: &str| {
        let mut columns = line.splitn(4, '\t');
        let kind = columns.next().and_then(|name| KINDS.iter().position(|kind| *kind == name))?;
        let urgency = columns.next().and_then(|name| URGENCIES.iter().position(|urgency| *urgency == name))?;
        Some(Example { kind, urgency, hard: columns.next()?.to_owned(), text: columns.next()?.to_owned() })
    };
    lines.lines().enumerate().map(|(at, line)| example(line).ok_or_else(|| format!("no example in line {}", at + 1))).collect()
}

/// Weights from the examples and more of our own; and for each example the answer of a model that did not see it.
///
/// Cues were written with the examples at hand. To be honest all the same, a fold heeds only cues that its own examples know.
pub fn train<'a>(examples: &'a [Example], own: &'a [Example]) -> (Linear, Vec<(&'a Example, Suggestion)>) {
    let folds = folds(examples);
    let mut crossed = Vec::new();
    for fold in 0..FOLDS {
        let (out, rest): (Vec<_>, Vec<_>) = examples.iter().zip(&folds).partition(|(_, of)| **of == fold);
        let rest: Vec<&Example> = rest.into_iter().map(|(example, _)| example).chain(own).collect();
        crossed.push((fit(&rest), heard(&rest), out));
    }
    let mut margins = Vec::new();
    for (model, heard, out) in &crossed {
        for (example, _) in out {
            let (kind, margin) = model.weigh(&Reading::of(&example.text), |cue| heard.contains_key(&cue)).kind();
            margins.push((margin, kind == example.kind));
        }
    }
    let steps = steps(margins);
    let mut answers = Vec::new();
    for (model, heard, out) in crossed {
        let model = model.with_steps(steps.clone());
        for (example, _) in out {
            answers.push((example, model.suggest_heeding(&example.text, |cue| heard.contains_key(&cue))));
        }
    }
    let all: Vec<&Example> = examples.iter().chain(own).collect();
    (fit(&all).with_steps(steps), answers)
}

/// The fold of each example; every kind is spread evenly.
fn folds(examples: &[Example]) -> Vec<usize> {
    let mut seen = [0; KINDS.len()];
    let fold = |example: &Example| {
        seen[example.kind] += 1;
        seen[example.kind] % FOLDS
    };
    examples.iter().map(fold).collect()
}

/// Confidence by margin: runs of examples in order of margin, joined until their share of right answers rises.
fn steps(mut margins: Vec<(i64, bool)>) -> Vec<(i64, i32)> {
    margins.sort_unstable();
    let mut runs: Vec<(i64, usize, usize)> = Vec::new();
    for run in margins.chunks(STEP) {
        let from = runs.last().map_or(0, |_| run[0].0);
        let mut run = (from, run.iter().filter(|(_, right)| *right).count(), run.len());
        while let Some(last) = runs.pop_if(|last| last.1 * run.2 >= run.1 * last.2) {
            run = (last.0, last.1 + run.1, last.2 + run.2);
        }
        runs.push(run);
    }
    runs.into_iter().map(|(from, right, all)| (from, i32::try_from((right + 1) * 100 / (all + 2)).unwrap_or(0))).collect()
}

/// Examples that each cue stands in.
fn heard(examples: &[&Example]) -> BTreeMap<usize, usize> {
    let mut heard = BTreeMap::new();
    for example in examples {
        let cues: BTreeSet<usize> = Reading::of(&example.text).cues().collect();
        cues.into_iter().for_each(|cue| *heard.entry(cue).or_default() += 1);
    }
    heard
}

fn fit(examples: &[&Example]) -> Linear {
    // A cue that stands in one example alone may have been written for it, and would look better than it is.
    let heard = heard(examples);
    let heeds = |cue| heard.get(&cue).is_some_and(|examples| *examples > 1);
    let readings: Vec<Reading> = examples.iter().map(|example| Reading::of(&example.text)).collect();
    let rows: Vec<(BTreeMap<String, i32>, f64)> = readings.iter().map(|reading| highest(reading, heeds)).collect();
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    rows.iter().flat_map(|(row, _)| row.keys()).for_each(|name| *seen.entry(name).or_default() += 1);
    seen.retain(|name, times| *times >= if value(name) < 3 { SEEN_PIECE } else { SEEN });
    let names: Vec<&str> = seen.keys().copied().collect();
    // Rare features weigh more. A fourth root stands in for the usual logarithm, which machines round differently.
    let rarity: Vec<f64> = seen.values().map(|times| (examples.len() as f64 / *times as f64).sqrt().sqrt()).collect();
    let vectors: Vec<Vec<(usize, f64)>> = rows
        .iter()
        .map(|(row, length)| {
            let known =
                row.iter().filter_map(|(name, value)| Some((names.binary_search(&name.as_str()).ok()?, f64::from(*value))));
            // The last feature is the bias.
            known.map(|(at, value)| (at, value * rarity[at] / length)).chain([(names.len(), 1.0)]).collect()
        })
        .collect();
    let mut kept = vec![vec![true; names.len()]; OUTPUTS.len()];
    let mut learned = learn(examples, &vectors, &kept);
    for (at, name) in names.iter().enumerate() {
        let mut row: Vec<i64> = learned.iter().map(|weights| (weights[at] * rarity[at] * SCALE).round() as i64).collect();
        let (kinds, urgencies) = row.split_at_mut(KINDS.len());
        centre(kinds);
        centre(urgencies);
        kept.iter_mut().zip(row).for_each(|(kept, weight)| kept[at] = weight.abs() * value(name) >= KEPT);
    }
    // Kept weights learn again, to make up for those dropped.
    learned = learn(examples, &vectors, &kept);
    let mut bias = [0; OUTPUTS.len()];
    bias.iter_mut().zip(&learned).for_each(|(bias, weights)| *bias = (weights[names.len()] * SCALE).round() as i64);
    bias[KINDS.len() + 1] -= HANDICAP;
    let rows = names.iter().enumerate().map(|(at, name)| {
        let row = learned.iter().map(|weights| (weights[at] * rarity[at] * SCALE).round() as i64);
        ((*name).to_owned(), row.enumerate().filter(|(_, weight)| weight.abs() * value(name) >= LEAST).collect::<Vec<_>>())
    });
    Linear::new(rows.filter(|(_, weights)| !weights.is_empty()), bias)
}

/// Weights of every output from the features kept for the output. The last weight is the bias.
fn learn(examples: &[&Example], vectors: &[Vec<(usize, f64)>], kept: &[Vec<bool>]) -> Vec<Vec<f64>> {
    let learned = kept.iter().enumerate().map(|(output, kept)| {
        let side =
            |example: &&Example| if example.kind == output || KINDS.len() + example.urgency == output { 1.0 } else { -1.0 };
        let sides: Vec<f64> = examples.iter().map(side).collect();
        let vector =
            |vector: &Vec<(usize, f64)>| vector.iter().copied().filter(|(at, _)| kept.get(*at) != Some(&false)).collect();
        let vectors: Vec<Vec<(usize, f64)>> = vectors.iter().map(vector).collect();
        descend(&vectors, &sides, kept.len() + 1)
    });
    learned.collect()
}

/// Moves the weights of a feature until their middle is 0: totals differ as before, and most weights vanish.
fn centre(weights: &mut [i64]) {
    let mut order = weights.to_vec();
    order.sort_unstable();
    let middle = order[order.len() / 2];
    weights.iter_mut().for_each(|weight| *weight -= middle);
}

/// The value of a feature by its form: a group of cues, a word or a pair, or a piece.
fn value(name: &str) -> i64 {
    match name.starts_with('!') {
        true => 8,
        false if name.len() > 2 && name.starts_with('_') && name.ends_with('_') => 4,
        false => 2,
    }
}

/// Features with their highest values, and the length of the text as a vector.
fn highest(reading: &Reading, heeds: impl Fn(usize) -> bool) -> (BTreeMap<String, i32>, f64) {
    let mut highest: BTreeMap<String, i32> = BTreeMap::new();
    let square = reading.features(heeds, |name, value, _| {
        let known = highest.entry(name.to_owned()).or_default();
        *known = value.max(*known);
    });
    (highest, (square.max(1) as f64).sqrt())
}

/// Weights that part the sides (squared hinge loss, L2 penalty).
fn descend(vectors: &[Vec<(usize, f64)>], sides: &[f64], width: usize) -> Vec<f64> {
    let (mut weights, mut alphas) = (vec![0.0; width], vec![0.0; vectors.len()]);
    let slack = 0.5 / COST;
    let square = |vector: &Vec<(usize, f64)>| vector.iter().fold(slack, |sum, (_, value)| sum + value * value);
    let squares: Vec<f64> = vectors.iter().map(square).collect();
    let mut order: Vec<usize> = (0..vectors.len()).collect();
    let mut state = 1;
    for _ in 0..ROUNDS {
        for at in (1..order.len()).rev() {
            order.swap(at, (next(&mut state) % (at as u64 + 1)) as usize);
        }
        for at in order.iter().copied() {
            let total = vectors[at].iter().fold(0.0, |sum, (feature, value)| sum + weights[*feature] * value);
            let alpha: f64 = alphas[at];
            let stepped = alpha - (total * sides[at] - 1.0 + slack * alpha) / squares[at];
            alphas[at] = if stepped > 0.0 { stepped } else { 0.0 };
            let change = (alphas[at] - alpha) * sides[at];
            vectors[at].iter().for_each(|(feature, value)| weights[*feature] += change * value);
        }
    }
    weights
}

/// The next number of the generator (splitmix64).
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
