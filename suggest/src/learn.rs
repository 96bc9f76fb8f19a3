//! Training: a linear support vector machine for each output, by dual coordinate descent.
//!
//! Bytes are the same on every machine: one thread, ordered maps, an own generator for the order of examples, and of floating
//! point only `+ - * /` and square roots, which IEEE 754 rounds exactly (no logarithm, no exponential).

use std::collections::BTreeMap;

use crate::linear::{Linear, OUTPUTS, best};
use crate::reading::Reading;
use crate::{KINDS, Suggester, Suggestion, URGENCIES};

const FOLDS: usize = 5;

/// Cost of a wrong side: the higher, the closer the model follows its examples.

/// Examples that a feature needs to be kept.

const SCALE: f64 = 1_000.0;
/// Least weight, scaled, that is kept.

/// Examples in one step of the confidence.
const STEP: usize = 40;

pub struct Example {
    pub kind: usize,
    pub urgency: usize,
    /// Sort of difficulty, or empty.
    pub hard: String,
    pub text: String,
}

/// Reads examples: lines of kind, urgency, hard and text, parted by tabs.
pub fn examples(lines: &str) -> Result<Vec<Example>, String> {
    let example = |line: &str| {
        let mut columns = line.splitn(4, '\t');
        let kind = columns.next().and_then(|name| KINDS.iter().position(|kind| *kind == name))?;
        let urgency = columns.next().and_then(|name| URGENCIES.iter().position(|urgency| *urgency == name))?;
        Some(Example { kind, urgency, hard: columns.next()?.to_owned(), text: columns.next()?.to_owned() })
    };
    lines.lines().enumerate().map(|(at, line)| example(line).ok_or_else(|| format!("no example in line {}", at + 1))).collect()
}

/// Trains on the examples. Told besides: an honest suggestion for each, from a model that did not see it.
pub fn train(examples: &[Example]) -> (Linear, Vec<(&Example, Suggestion)>) {
    let folds = folds(examples);
    let models: Vec<(Linear, Vec<&Example>)> = (0..FOLDS)
        .map(|fold| {
            let (out, rest): (Vec<_>, Vec<_>) = examples.iter().zip(&folds).partition(|(_, of)| **of == fold);
            let rest: Vec<&Example> = rest.into_iter().map(|(example, _)| example).collect();
            (fit(&rest), out.into_iter().map(|(example, _)| example).collect())
        })
        .collect();
    let mut margins = Vec::new();
    for (model, out) in &models {
        margins.extend(out.iter().map(|example| {
            let (kind, margin) = best(&model.weigh(&Reading::of(&example.text)).totals[..KINDS.len()]);
            (margin, kind == example.kind)
        }));
    }
    let steps = steps(margins);
    let mut crossed = Vec::new();
    for (model, out) in models {
        let model = model.with_steps(steps.clone());
        crossed.extend(out.into_iter().map(|example| (example, model.suggest(&example.text))));
    }
    (fit(&examples.iter().collect::<Vec<_>>()).with_steps(steps), crossed)
}

/// The fold of each example; every kind is spread evenly.
fn folds(examples: &[Example]) -> Vec<usize> {
    let mut seen = [0; KINDS.len()];
    let fold = |example: &Example| {
        seen[example.kind] += 1;
        (seen[example.kind] + crate::knob("FOLD", 0) as usize) % FOLDS
    };
    examples.iter().map(fold).collect()
}

/// Confidence by margin: runs of examples in order of margin, joined until their share of right answers rises.
fn steps(mut margins: Vec<(i64, bool)>) -> Vec<(i64, i32)> {
    margins.sort_unstable();
    let mut runs: Vec<(i64, usize, usize)> = Vec::new();
    for run in margins.chunks(STEP) {
        let mut run = (run[0].0, run.iter().filter(|(_, right)| *right).count(), run.len());
        while let Some(last) = runs.pop_if(|last| last.1 * run.2 >= run.1 * last.2) {
            run = (last.0, last.1 + run.1, last.2 + run.2);
        }
        runs.push(run);
    }
    let percent = |(from, right, all): (i64, usize, usize)| (from, i32::try_from(right * 100 / all).unwrap_or(0));
    runs.into_iter().map(percent).collect()
}

fn fit(examples: &[&Example]) -> Linear {
    let rows: Vec<BTreeMap<String, i32>> = examples.iter().map(|example| values(&Reading::of(&example.text))).collect();
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    rows.iter().flat_map(BTreeMap::keys).for_each(|name| *seen.entry(name).or_default() += 1);
    seen.retain(|_, times| *times >= crate::knob("SEEN", 2) as usize);
    // Rare features weigh more: the fourth root stands in for the usual logarithm, which machines round differently.
    let all = examples.len() as f64;
    let rarity: Vec<f64> = seen.values().map(|times| (all / *times as f64).sqrt().sqrt()).collect();
    let number: BTreeMap<&str, usize> = seen.keys().enumerate().map(|(number, name)| (*name, number)).collect();
    let vectors: Vec<Vec<(usize, f64)>> = rows
        .iter()
        .zip(examples)
        .map(|(row, example)| {
            let mut square = 0.0;
            Reading::of(&example.text).features(|name, value, _| {
                if !name.starts_with('!') {
                    square += f64::from(value) * f64::from(value)
                }
            });
            let known = row.iter().filter_map(|(name, value)| Some((*number.get(name.as_str())?, f64::from(*value))));
            let mut vector: Vec<(usize, f64)> = known.map(|(at, value)| (at, value * rarity[at] / square.sqrt())).collect();
            // The last feature is the bias.
            vector.push((rarity.len(), 1.0));
            vector
        })
        .collect();
    let mut weights: Vec<Vec<(usize, i64)>> = vec![Vec::new(); rarity.len()];
    let mut bias = [0; OUTPUTS];
    for output in 0..OUTPUTS {
        let side =
            |example: &&Example| if example.kind == output || example.urgency + KINDS.len() == output { 1.0 } else { -1.0 };
        let sides: Vec<f64> = examples.iter().map(side).collect();
        let learned = descend(&vectors, &sides, rarity.len() + 1);
        for (at, row) in weights.iter_mut().enumerate() {
            let weight = (learned[at] * rarity[at] * SCALE).round() as i64;
            if weight.abs() >= i64::from(crate::knob("KEPT", 8)) {
                row.push((output, weight));
            }
        }
        bias[output] = (learned[rarity.len()] * SCALE).round() as i64;
    }
    let names = seen.into_keys().map(str::to_owned);
    Linear::new(names.zip(weights).filter(|(_, weights)| !weights.is_empty()).collect(), bias)
}

/// Features with their highest values, those of words set aside left out.
fn values(reading: &Reading) -> BTreeMap<String, i32> {
    let mut values = BTreeMap::new();
    reading.features(|name, value, _| {
        if value > 0 {
            let highest: &mut i32 = values.entry(name.to_owned()).or_default();
            *highest = value.max(*highest);
        }
    });
    values
}

/// Weights that part the sides (squared hinge loss, L2 penalty).
fn descend(vectors: &[Vec<(usize, f64)>], sides: &[f64], width: usize) -> Vec<f64> {
    let mut weights = vec![0.0; width];
    let mut alphas = vec![0.0; vectors.len()];
    let slack = 0.5 / (f64::from(crate::knob("COST", 100)) / 100.0);
    let squares: Vec<f64> =
        vectors.iter().map(|vector| vector.iter().map(|(_, value)| value * value).sum::<f64>() + slack).collect();
    let mut order: Vec<usize> = (0..vectors.len()).collect();
    let mut state = 1;
    for _ in 0..crate::knob("ROUNDS", 15) {
        for at in (1..order.len()).rev() {
            order.swap(at, (next(&mut state) % (at as u64 + 1)) as usize);
        }
        for at in order.iter().copied() {
            let (vector, side) = (&vectors[at], sides[at]);
            let total: f64 = vector.iter().map(|(feature, value)| weights[*feature] * value).sum();
            let alpha: f64 = alphas[at];
            let stepped = alpha - (total * side - 1.0 + slack * alpha) / squares[at];
            let stepped = if stepped > 0.0 { stepped } else { 0.0 };
            let change = (stepped - alpha) * side;
            alphas[at] = stepped;
            if change != 0.0 {
                vector.iter().for_each(|(feature, value)| weights[*feature] += change * value);
            }
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
