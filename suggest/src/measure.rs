//! Figures of a suggester on labelled texts: never a text itself.

use std::collections::BTreeMap;
use std::fmt;

use crate::{Example, KINDS, Suggestion, URGENCIES};

/// Lower ends of the bands of confidence that are told.
const BANDS: [i32; 8] = [0, 31, 50, 60, 70, 80, 90, 95];

pub struct Figures {
    /// Texts by their kind and the kind suggested.
    kinds: Vec<Vec<usize>>,
    urgencies: Vec<Vec<usize>>,
    /// Right answers and texts, by sort of difficulty.
    hard: BTreeMap<String, (usize, usize)>,
    bands: [(usize, usize); BANDS.len()],
}

pub fn figures(answers: &[(&Example, Suggestion)]) -> Figures {
    let mut figures = Figures {
        kinds: vec![vec![0; KINDS.len()]; KINDS.len()],
        urgencies: vec![vec![0; URGENCIES.len()]; URGENCIES.len()],
        hard: BTreeMap::new(),
        bands: [(0, 0); BANDS.len()],
    };
    for (example, suggestion) in answers {
        let right = usize::from(suggestion.kind == KINDS[example.kind]);
        if let Some(kind) = KINDS.iter().position(|kind| *kind == suggestion.kind) {
            figures.kinds[example.kind][kind] += 1;
        }
        if let Some(urgency) = URGENCIES.iter().position(|urgency| *urgency == suggestion.urgency) {
            figures.urgencies[example.urgency][urgency] += 1;
        }
        let hard = figures.hard.entry(example.hard.clone()).or_default();
        *hard = (hard.0 + right, hard.1 + 1);
        if let Some(band) = BANDS.iter().rposition(|from| *from <= suggestion.confidence) {
            figures.bands[band].0 += right;
            figures.bands[band].1 += 1;
        }
    }
    figures
}

impl Figures {
    pub fn recall(&self, kind: usize) -> f64 {
        share(self.kinds[kind][kind], self.kinds[kind].iter().sum())
    }

    fn precision(&self, kind: usize) -> f64 {
        share(self.kinds[kind][kind], self.kinds.iter().map(|row| row[kind]).sum())
    }

    fn f1(&self, kind: usize) -> f64 {
        let (precision, recall) = (self.precision(kind), self.recall(kind));
        if precision + recall > 0.0 { 2.0 * precision * recall / (precision + recall) } else { 0.0 }
    }

    pub fn macro_f1(&self) -> f64 {
        (0..KINDS.len()).map(|kind| self.f1(kind)).sum::<f64>() / KINDS.len() as f64
    }
}

fn share(part: usize, all: usize) -> f64 {
    if all == 0 { 0.0 } else { part as f64 / all as f64 }
}

fn trace(table: &[Vec<usize>]) -> (usize, usize) {
    ((0..table.len()).map(|at| table[at][at]).sum(), table.iter().flatten().sum())
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (right, all) = trace(&self.kinds);
        writeln!(f, "kinds: {right} of {all} right ({:.3}), macro F1 {:.3}", share(right, all), self.macro_f1())?;
        writeln!(f, "{:22}precision  recall      F1   texts", "")?;
        for (kind, name) in KINDS.iter().enumerate() {
            let texts: usize = self.kinds[kind].iter().sum();
            writeln!(f, "{name:22}{:9.3}{:8.3}{:8.3}{texts:8}", self.precision(kind), self.recall(kind), self.f1(kind))?;
        }
        writeln!(f, "\nconfusion: a row is the truth, a column the suggestion")?;
        table(f, &KINDS, &self.kinds)?;
        let (right, all) = trace(&self.urgencies);
        writeln!(f, "\nurgencies: {right} of {all} right ({:.3})", share(right, all))?;
        table(f, &URGENCIES, &self.urgencies)?;
        writeln!(f, "\nhard texts by sort")?;
        for (sort, (right, all)) in &self.hard {
            writeln!(f, "{sort:22}{right:4} of {all:4} ({:.3})", share(*right, *all))?;
        }
        writeln!(f, "\nby confidence")?;
        for (from, (right, all)) in BANDS.iter().zip(self.bands) {
            writeln!(f, "from {from:3} percent      {right:4} of {all:4} ({:.3})", share(right, all))?;
        }
        Ok(())
    }
}

fn table(f: &mut fmt::Formatter<'_>, names: &[&str], rows: &[Vec<usize>]) -> fmt::Result {
    let heads: String = names.iter().map(|name| format!("{:>5}", &name[..4.min(name.len())])).collect();
    writeln!(f, "{:22}{heads}", "")?;
    for (name, row) in names.iter().zip(rows) {
        let cells: String = row.iter().map(|count| format!("{count:5}")).collect();
        writeln!(f, "{name:22}{cells}")?;
    }
    Ok(())
}
