//! Takes raw values key by key, remembers origins, gathers mistakes, and at the end refuses what
//! nobody asked for.

use std::collections::BTreeMap;

use super::{Effective, Error, Origin, Problem, environment, setting::Setting};

/// A value as it was written.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    /// From the environment or a flag: of no type yet.
    Text(String),
    String(String),
    Integer(i64),
    /// With decimals.
    Number(String),
    Boolean(bool),
    List(Vec<Value>),
    /// `[section]` without a key.
    EmptySection,
    /// A type that no setting has, in words.
    Other(&'static str),
}

/// A value and its place.
#[derive(Debug, Clone)]
pub(super) struct Raw {
    pub(super) value: Value,
    pub(super) origin: Origin,
}

/// The settings while they are read.
#[derive(Debug, Default)]
pub(super) struct Reader {
    raw: BTreeMap<String, Raw>,
    effective: Vec<Effective>,
    problems: Vec<Problem>,
}

/// Keys of the contract that later versions implement, with all below them.
const NOT_YET: [&str; 2] = ["admin.token_file", "defaults.policy.rate"];

impl Reader {
    /// A later source goes over an earlier one.
    pub(super) fn put(&mut self, key: String, raw: Raw) {
        self.raw.insert(key, raw);
    }

    /// Takes one `--set`; secrets have no place on a command line, which others can see.
    pub(super) fn flag(&mut self, key: &str, value: &str) {
        let origin = Origin::Flag("--set".to_owned());
        let property = key.strip_prefix("kafka.properties.");
        let credentials = key == "delivery.proxy" && value.contains('@');
        let keys = key == "directory.keys";
        if credentials || keys || property.is_some_and(super::Properties::is_secret) {
            let remedy = format!("put it into the file or into {}", environment::variable_of(key));
            self.problem(key, origin, "a secret on the command line".to_owned(), remedy);
            return;
        }
        self.put(key.to_owned(), Raw { value: Value::Text(value.to_owned()), origin });
    }

    /// Reads one setting over its default in `slot`.
    pub(super) fn read<T: Setting>(&mut self, key: &str, slot: &mut T) {
        let mut origin = Origin::Default;
        if let Some(raw) = self.raw.remove(key) {
            origin = raw.origin;
            match T::from_value(&raw.value) {
                Ok(value) => *slot = value,
                Err(what) => {
                    self.problem(key, origin.clone(), what, format!("write {}", T::WANTED));
                }
            }
        }
        self.effective.push(Effective { key: key.to_owned(), value: slot.show(), origin });
    }

    /// The sections that were written below `prefix` (`scheduling.classes.`), in order of names.
    pub(super) fn sections_below(&mut self, prefix: &str) -> Vec<String> {
        let below = self.raw.keys().filter_map(|key| key.strip_prefix(prefix));
        let mut names: Vec<String> =
            below.map(|rest| rest.split('.').next().unwrap_or_default().to_owned()).collect();
        names.dedup();
        for name in &names {
            // An empty section means a class with nothing but defaults.
            let key = format!("{prefix}{name}");
            if self.raw.get(&key).is_some_and(|raw| raw.value == Value::EmptySection) {
                self.raw.remove(&key);
            }
        }
        names
    }

    /// Reads every text below `prefix` (`kafka.properties.`); `show` says how a value is shown.
    pub(super) fn read_map(
        &mut self,
        prefix: &str,
        slot: &mut BTreeMap<String, String>,
        show: fn(&str, &str) -> String,
    ) {
        let keys: Vec<_> = self.raw.keys().filter(|key| key.starts_with(prefix)).cloned().collect();
        for key in keys {
            let Some(raw) = self.raw.remove(&key) else { continue };
            let name = key[prefix.len()..].to_owned();
            let text = match raw.value {
                Value::String(text) | Value::Text(text) => text,
                // Numbers and flags mean what they look like; the value itself may be secret.
                Value::Integer(number) => number.to_string(),
                Value::Boolean(flag) => flag.to_string(),
                Value::Number(_) | Value::List(_) | Value::EmptySection | Value::Other(_) => {
                    let what = "not a string".to_owned();
                    self.problem(&key, raw.origin, what, "write a string in quotes".to_owned());
                    continue;
                }
            };
            let value = Some(show(&name, &text));
            self.effective.push(Effective { key, value, origin: raw.origin });
            slot.insert(name, text);
        }
    }

    /// Refuses a value that was read and is of the right type.
    pub(super) fn refuse(&mut self, key: &str, what: impl Into<String>, remedy: impl Into<String>) {
        let taken = self.effective.iter().find(|effective| effective.key == key);
        let origin = taken.map_or(Origin::Default, |effective| effective.origin.clone());
        self.problem(key, origin, what.into(), remedy.into());
    }

    /// Refuses every key that was not taken; answers what is effective.
    pub(super) fn finish(mut self) -> Result<Vec<Effective>, Error> {
        for (key, raw) in std::mem::take(&mut self.raw) {
            let below = format!("{key}.");
            let known = self.effective.iter().any(|effective| effective.key.starts_with(&below));
            let map = ["kafka.properties", "defaults.policy.headers", "scheduling.classes"]
                .contains(&key.as_str());
            if raw.value == Value::EmptySection && (known || map) {
                continue;
            }
            let (what, remedy) = self.unknown(&key, known);
            self.problem(&key, raw.origin, what, remedy);
        }
        if self.problems.is_empty() { Ok(self.effective) } else { Err(Error::Wrong(self.problems)) }
    }

    fn unknown(&self, key: &str, section: bool) -> (String, String) {
        let not_yet = |name: &&str| {
            key.strip_prefix(*name).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        if NOT_YET.iter().any(not_yet) {
            return ("not supported by this version".to_owned(), "remove it".to_owned());
        }
        if section {
            return ("a section, not a value".to_owned(), format!("write [{key}] and keys below"));
        }
        let close = self
            .effective
            .iter()
            .map(|effective| (strsim::damerau_levenshtein(&effective.key, key), &effective.key))
            .min()
            .filter(|(distance, _)| *distance <= 2 + key.len() / 6);
        let remedy = match close {
            Some((_, meant)) => format!("did you mean {meant}?"),
            None => "`paynotify config default` prints every key".to_owned(),
        };
        ("unknown key".to_owned(), remedy)
    }

    fn problem(&mut self, key: &str, place: Origin, what: String, remedy: String) {
        self.problems.push(Problem { key: key.to_owned(), place, what, remedy });
    }
}
