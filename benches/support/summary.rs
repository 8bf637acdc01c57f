//! Named figures: the median of their runs, for machines and for people.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// All figures so far.
#[derive(Debug, Default)]
pub struct Summary(BTreeMap<String, Figure>);

#[derive(Debug)]
struct Figure {
    unit: &'static str,
    runs: Vec<f64>,
}

impl Summary {
    /// One more run of a figure.
    pub fn add(&mut self, name: impl Into<String>, unit: &'static str, value: f64) {
        let figure = self.0.entry(name.into()).or_insert(Figure { unit, runs: Vec::new() });
        figure.runs.push(value);
    }

    /// The median of a figure, if there is one.
    pub fn median(&self, name: &str) -> Option<f64> {
        self.0.get(name).map(Figure::median)
    }

    /// One object: name → value, unit, runs.
    pub fn json(&self) -> String {
        let figure = |(name, figure): (&String, &Figure)| {
            let value = rounded(figure.median());
            let runs: Vec<_> = figure.runs.iter().copied().map(rounded).collect();
            (name.clone(), json!({ "value": value, "unit": figure.unit, "runs": runs }))
        };
        let all = Value::Object(self.0.iter().map(figure).collect());
        format!("{all:#}\n")
    }

    /// A table for people.
    pub fn print(&self) {
        println!("\n{:<38} {:>12}  {:<16} least to most", "figure", "median", "unit");
        for (name, figure) in &self.0 {
            let (least, most) = figure.spread();
            let median = figure.median();
            println!("{name:<38} {median:>12.3}  {:<16} {least:.3} to {most:.3}", figure.unit);
        }
    }
}

impl Figure {
    fn median(&self) -> f64 {
        let mut sorted = self.runs.clone();
        sorted.sort_by(f64::total_cmp);
        match sorted.len() {
            0 => 0.0,
            length if length % 2 == 1 => sorted[length / 2],
            length => f64::midpoint(sorted[length / 2 - 1], sorted[length / 2]),
        }
    }

    fn spread(&self) -> (f64, f64) {
        let least = self.runs.iter().copied().fold(f64::INFINITY, f64::min);
        let most = self.runs.iter().copied().fold(0.0, f64::max);
        (least, most)
    }
}

/// Three digits behind the point are more than any run repeats.
fn rounded(value: f64) -> f64 {
    (value * 1_000.0).round() / 1_000.0
}
