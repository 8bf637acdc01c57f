//! Which worlds are to be run, as the environment says (`tools/simulate`).

use std::{env, path::PathBuf, str::FromStr};

use super::{faults::Fault, plan::Cut};

/// Many worlds, or one with its story.
pub struct Order {
    pub from: u64,
    pub seeds: u64,
    /// This one alone, told line by line.
    pub only: Option<u64>,
    /// What is left out of it.
    pub cut: Cut,
    /// After so many broken promises no more is run.
    pub enough: usize,
    /// Where the figures go.
    pub summary: Option<PathBuf>,
}

impl Order {
    /// So many seeds unless the environment says otherwise.
    ///
    /// # Panics
    /// Where a variable cannot be read.
    pub fn from_environment(seeds: u64) -> Self {
        Self {
            from: number("SIMULATE_FROM").unwrap_or(1),
            seeds: number("SIMULATE_SEEDS").unwrap_or(seeds),
            only: number("SIMULATE_SEED"),
            cut: Cut {
                off: words("SIMULATE_OFF").iter().map(|word| fault(word)).collect(),
                faults: number("SIMULATE_FAULTS"),
                events: number("SIMULATE_EVENTS"),
            },
            enough: number("SIMULATE_ENOUGH").unwrap_or(20),
            summary: env::var_os("SIMULATE_SUMMARY").map(PathBuf::from),
        }
    }
}

/// How to run this world again.
pub fn again(seed: u64, cut: &Cut) -> String {
    let mut line = format!("make simulate SEED={seed}");
    if !cut.off.is_empty() {
        let off: Vec<&str> = cut.off.iter().map(|fault| fault.word()).collect();
        line.extend([" OFF=", &off.join(",")]);
    }
    for (name, number) in [(" FAULTS=", cut.faults), (" EVENTS=", cut.events)] {
        if let Some(number) = number {
            line.extend([name, &number.to_string()]);
        }
    }
    line
}

fn number<T: FromStr>(name: &str) -> Option<T> {
    let text = env::var(name).ok().filter(|text| !text.is_empty())?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} = {text:?} is no number")))
}

fn words(name: &str) -> Vec<String> {
    let text = env::var(name).unwrap_or_default();
    text.split(',').filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

fn fault(word: &str) -> Fault {
    let found = Fault::ALL.iter().find(|fault| fault.word() == word);
    *found.unwrap_or_else(|| panic!("SIMULATE_OFF names the unknown fault {word:?}"))
}
